"""Subtitles as WebVTT (.vtt), which browsers show: what is seen, or what is said, with remarks before the cues."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from html import escape

from app.domain import Analysis, Cue, Language
from app.i18n import t
from app.reports.content.ai_disclosure import aigc_text
from app.reports.content.single_line_text import one_line, remarks
from app.reports.subtitles.cues import blocks, heard, seen

_escaped = partial(escape, quote=False)


def write(analysis: Analysis, language: Language) -> bytes:
    """The findings. Without any there are no cues, which is valid."""
    return _file((*remarks(analysis, language), aigc_text(analysis)), seen(analysis, language))


def write_transcript(analysis: Analysis, language: Language) -> bytes:
    """What is said, with where it was taken from."""
    said = analysis.transcript
    origin = t(f"report.said_{said.source}", language, label=said.label) if said else ""
    return _file((origin,), heard(analysis))


def _file(remarks: Iterable[str], cues: Iterable[Cue]) -> bytes:
    notes = [f"NOTE\n{one_line(remark).replace('-->', '→')}\n" for remark in remarks if remark]
    return "\n".join(["WEBVTT\n", *notes, *blocks(cues, point=".", escaped=_escaped)]).encode()
