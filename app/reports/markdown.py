"""The analysis as one Markdown file for people: what must be known first, the account, every frame, how it was made.

Pictures are small JPEGs inside the file (reference links at its end), so that it can be sent as it is. Words of a
model, a file name or a screen are escaped: they cannot become headings, links or HTML.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from app.domain import Analysis, FrameFacts, Keyframe, Language, Transcript, clock
from app.i18n import notice_text, t
from app.i18n.facts import measured, origin
from app.pictures import smaller
from app.reports.markdown_account import Account
from app.reports.markdown_making import making
from app.reports.markdown_text import escape, table
from app.reports.stretches import described

PICTURE_SIDE = 480  # pixels of the longer side; about 20 KB a picture


def write(analysis: Analysis, language: Language) -> bytes:
    """UTF-8 Markdown (CommonMark with tables)."""
    return ("\n".join(_lines(analysis, language)) + "\n").encode()


def _lines(analysis: Analysis, language: Language) -> Iterator[str]:
    account = Account(analysis, language)
    yield from _head(analysis, language)
    yield from account.lines()
    yield from _frames(analysis, account, language)
    yield from _shots(analysis, language)
    yield from _transcript(analysis.transcript, language) if analysis.transcript else ()
    yield from making(analysis, language)
    yield from _pictures(analysis)


def _head(analysis: Analysis, language: Language) -> Iterator[str]:
    yield f"# {t('report.title', language, name=escape(analysis.video.name))}"
    yield ""
    for notice in sorted(analysis.notices, key=lambda notice: notice.level != "error"):
        yield from (f"> {escape(line)}  " for line in notice_text(notice, language).splitlines())
        yield ">"
    if analysis.engine:
        yield f"> {t('report.ai_label', language, model=escape(analysis.engine.model))}"
    yield ""


def _frames(analysis: Analysis, account: Account, language: Language) -> Iterator[str]:
    facts = {one.number: one for one in analysis.facts}
    yield f"## {t('report.frames', language)}"
    for frame in analysis.keyframes:
        title = t("report.frame", language, number=frame.number, time=clock(frame.time_seconds))
        yield from ("", f"### {title}", "", f"![{title}][f{frame.number}]", "")
        yield from account.of_frame(frame.number)
        yield from _measured(frame, facts.get(frame.number), language)
    yield ""


def _measured(frame: Keyframe, facts: FrameFacts | None, language: Language) -> Iterator[str]:
    yield f"- {t('report.measured', language)} {origin(frame, language)}"
    if facts is None:
        return
    yield from (f"- {escape(phrase)}" for phrase in measured(facts, language))
    numbers = t("report.numbers", language, brightness=f"{facts.brightness:.2f}", sharpness=f"{facts.sharpness:.0f}")
    moved = "" if facts.motion is None else t("report.motion", language, motion=f"{facts.motion:.3f}")
    yield f"- {numbers}{moved}"


def _shots(analysis: Analysis, language: Language) -> Iterator[str]:
    yield from (f"## {t('report.shots', language)}", "")
    heads = [t(f"report.{column}", language) for column in ("shot", "start", "end")]
    shots = analysis.decode.shots
    rows = [[str(shot.number), clock(shot.start_seconds), clock(shot.end_seconds)] for shot in shots]
    yield from table(heads, rows, numbers=True)
    if lines := described(analysis.decode.stretches, language):
        yield from (f"- {line}" for line in lines)
        yield ""


def _transcript(transcript: Transcript, language: Language) -> Iterator[str]:
    yield from (f"## {t('report.transcript', language)}", "")
    yield from (escape(t(f"report.said_{transcript.source}", language, label=transcript.label)), "")
    if not transcript.cues:
        yield from (t("report.said_nothing", language), "")
        return
    for cue in transcript.cues:
        yield f"- {clock(cue.start_seconds)} – {clock(cue.end_seconds)} {escape(cue.text)}"
    yield ""


def _pictures(analysis: Analysis) -> Iterator[str]:
    for frame in analysis.keyframes:
        small = base64.b64encode(smaller(frame.jpeg, PICTURE_SIDE)).decode("ascii")
        yield f"[f{frame.number}]: data:image/jpeg;base64,{small}"
