"""Report format: a line for each finding, with its time."""

from framelens import Analysis, Language
from framelens.plugin.reports import ReportFormat
from framelens.plugin.texts import clock


def headlines(analysis: Analysis) -> list[str]:
    """Return a line for each finding with frames, with the time of its first frame."""
    times = {frame.number: frame.time_seconds for frame in analysis.keyframes}
    found = [finding for chunk in analysis.chunks for finding in chunk.findings]
    return [f"{clock(times[min(one.frames)])}  {one.text}" for one in found if one.frames]


def write(analysis: Analysis, language: Language) -> bytes:
    """Return the headlines as text; they are in the language of the report."""
    return "".join(f"{line}\n" for line in headlines(analysis)).encode()


FORMATS = {
    "headlines": ReportFormat(".headlines.txt", "text/plain", "read", write, fits=lambda one: bool(headlines(one)))
}
