"""Project of LosslessCut (.llc): chapters, intervals that were found, and findings as segments of the video.

The program opens it next to the video and cuts the segments out, as
`{"version": 2, "mediaFileName": …, "cutSegments": [{"start", "end", "name"}]}`. It reads JSON5, whose comments say here
how the segments were made. Times are a player's.
"""

from collections.abc import Iterable, Iterator

from framelens import Analysis, Language
from framelens.plugin import in_language
from framelens.plugin.reports import aigc_text, json_text, one_line, remarks
from framelens.plugins.editing.clips.pieces import pieces_of

_VERSION = 2
_SHORTEST_SECONDS = 1.0
_Segment = tuple[float, float, str]


def fits(analysis: Analysis) -> bool:
    """Return whether there is anything to cut out."""
    with in_language("en"):  # any: the answer doesn't depend on it
        return any(True for _ in _segments(analysis))


def write(analysis: Analysis, language: Language) -> bytes:
    """Return the project as JSON5 in UTF-8, its segments by time."""
    with in_language(language):
        segments = sorted(_segments(analysis))
        notes = [f"// {one_line(note)}\n" for note in (*remarks(analysis), aigc_text(analysis)) if note]
    video = analysis.video
    cuts = [(video.player_seconds(start), video.player_seconds(end), name) for start, end, name in segments]
    return "".join(notes).encode() + project(video.name, cuts)


def project(video: str, segments: Iterable[_Segment]) -> bytes:
    """Return a project for the file of this name, with segments at a player's times."""
    cuts = [{"start": start, "end": end, "name": name} for start, end, name in segments]
    return json_text({"version": _VERSION, "mediaFileName": video, "cutSegments": cuts})


def _segments(analysis: Analysis) -> Iterator[_Segment]:
    """Yield the segments in seconds from the first picture, each long enough to be seen."""
    for piece in pieces_of(analysis):
        yield piece.start_seconds, max(piece.end_seconds or 0.0, piece.start_seconds + _SHORTEST_SECONDS), piece.label
