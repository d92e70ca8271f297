"""How a report was made, as pairs of a key under `report.` in i18n and a text: file, frames, engine, requests, time."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain import Analysis, Language, Layout, Selection, clock
from app.i18n import t
from app.reports.words import named


def facts_of_making(analysis: Analysis, language: Language) -> Iterator[tuple[str, str]]:
    """In the order in which one reads of them; what there is nothing to say of is left out."""
    video, decode, engine = analysis.video, analysis.decode, analysis.engine
    yield "file", f"{video.name} ({video.size_bytes:,} B)"
    yield "sha256", analysis.sha256
    yield "format", f"{video.container}, {video.codec} {video.pixel_format}, {video.width} × {video.height}"
    yield "readable", t("report.readable_value", language, time=clock(decode.readable_seconds), n=decode.frames_decoded)
    yield "choice", _choice(analysis.request.selection, language)
    yield "mode", t(f"report.mode_{analysis.mode}", language)
    if engine:
        yield "engine", " ".join(f"{engine.kind} {engine.version} · {engine.model}".split())
        yield "tokens", f"{analysis.usage.prompt_tokens:,} + {analysis.usage.completion_tokens:,}"
    if analysis.layout and analysis.chunks:
        yield "layout", layout_words(analysis.layout, language)
    spent = analysis.seconds_by_stage.items()
    yield "seconds", " · ".join(f"{named('stage', stage, language)} {seconds:.1f} s" for stage, seconds in spent)
    yield "made", f"{analysis.created} · FrameLens {analysis.app_version}"


def layout_words(layout: Layout, language: Language) -> str:
    """Size of the frames, parts, how many at a time, and what a frame costs."""
    key = "report.layout_exact" if layout.is_exact else "report.layout_about"
    return t(
        "report.layout_value",
        language,
        side=layout.side,
        parts=len([part for part in layout.parts if part]),
        in_flight=layout.in_flight,
        tokens=t(key, language, n=f"{layout.tokens_per_frame:.0f}"),
    )


def _choice(selection: Selection, language: Language) -> str:
    """The strategy, and the range where only a part of the video was looked at."""
    start, end = selection.start_seconds, selection.end_seconds
    if end is not None:
        span = f"{clock(start)} – {clock(end)}"
    else:
        span = t("ui.range_from", language, start=clock(start)) if start else ""
    return " · ".join(filter(None, (t(f"strategy.{selection.strategy}", language), span)))
