"""Provenance section of a report: file, frames, engine, settings, requests with their prompts, and the AI label.

The label is the machine-readable label for generated text that China requires in metadata (GB 45438-2025).
"""

import json
from collections.abc import Iterable, Iterator

from framelens.core.domain import Analysis, ChunkResult, DecodeSummary, Layout, Selection, VideoInfo
from framelens.core.units import clock
from framelens.i18n import aside, t
from framelens.i18n.formatting import exactly
from framelens.reports.content.document import Block, Heading, Paragraph, Span, Table, Verbatim, text_line
from framelens.reports.content.labels import (
    corrections_text,
    dynamic_range,
    models,
    named,
    part_name,
    parts_of,
    shareable_settings,
    troubles,
)

AIGC_KEY = "AIGC"


def provenance_section(analysis: Analysis, *, is_shared: bool = True) -> Iterator[Block]:
    """Yield the blocks of the section. Unless it `is_shared`, the settings have private values of this machine."""
    yield Heading(2, text_line(t("report.how")), "how")
    yield _table((t(f"report.{key}"), value) for key, value in provenance_facts(analysis))
    settings = shareable_settings(analysis) if is_shared else analysis.conditions
    if settings:
        yield Heading(3, text_line(t("report.settings")), "settings")
        yield _table((named("condition", key), value or "—") for key, value in settings.items())
    requests = list(_requests(analysis))
    if requests:
        yield Heading(3, text_line(t("report.requests")), "requests")
    for name, request in requests:
        yield from _request(name, request)


def _table(pairs: Iterable[tuple[str, str]]) -> Table:
    return Table((), tuple((text_line(name), text_line(value)) for name, value in pairs))


def _requests(analysis: Analysis) -> Iterator[tuple[str, ChunkResult]]:
    """Yield all requests with their names: parts, joins, summary."""
    for part in parts_of(analysis):
        if part.result:
            yield part_name(part), part.result
    joins = (request for request in analysis.requests if request.number < 0)
    yield from ((t("report.join", n=index), join) for index, join in enumerate(joins, start=1))
    if analysis.summary:
        yield t("report.summary"), analysis.summary


def _request(name: str, request: ChunkResult) -> Iterator[Block]:
    tokens = f"{request.usage.prompt_tokens:,} + {request.usage.completion_tokens:,} tokens"
    cost = t("report.recalled") if request.recalled else exactly(request.seconds)
    again = t("report.attempts", n=request.attempts) if request.attempts > 1 else ""
    frames = t("plan.frames", n=len(request.frames)) if request.is_chunk else ""
    details = t("facts.list").join(filter(None, (frames, request.mode, tokens, cost, again)))
    yield Paragraph((Span(name, "strong"), Span(aside(details))))
    yield from (Paragraph(text_line(trouble), "warning") for trouble in troubles(request))
    yield Verbatim(t("report.prompt"), request.prompt)


def provenance_facts(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Yield the facts about an analysis in reading order, without those that don't apply.

    Each is a pair of a key under `report.` in i18n and its text.
    """
    video, decode, engine = analysis.video, analysis.decode, analysis.engine
    yield "file", video.name + aside(f"{video.size_bytes:,} B")
    yield "sha256", analysis.sha256
    if link := analysis.link:
        yield "link", " · ".join(filter(None, (link.url, link.title, link.uploader)))
        yield "retrieved", link.retrieved
    yield "format", f"{video.container}, {video.codec} {video.pixel_format}, {video.width} × {video.height}"
    if picture := _picture(video, decode):
        yield "picture", picture
    if video.timecode:
        yield "timecode", video.timecode
    yield "readable", t("report.readable_value", time=clock(decode.readable_seconds), n=decode.frames_decoded)
    yield "choice", _choice(analysis.request.selection)
    yield "mode", t(f"report.mode_{analysis.mode}")
    if engine:
        yield "engine", " ".join(f"{engine.kind} {engine.version} · {engine.model}".split())
        yield "tokens", f"{analysis.usage.prompt_tokens:,} + {analysis.usage.completion_tokens:,}"
    if analysis.layout and analysis.chunks:
        yield "layout", layout_text(analysis.layout)
    spent = analysis.seconds_by_stage.items()
    yield (
        "seconds",
        " · ".join(f"{named('stage', stage)} {exactly(seconds)}" for stage, seconds in spent),
    )
    if corrections := corrections_text(analysis):
        yield "corrections", corrections
    yield "created", f"{analysis.created} · FrameLens {analysis.app_version}"


def _picture(video: VideoInfo, decode: DecodeSummary) -> str:
    """Describe how the pictures differ from the stored pictures; empty if they don't."""
    parts = []
    if decode.is_deinterlaced:
        parts.append(t("report.picture_deinterlaced"))
    elif video.is_interlaced:
        parts.append(t("report.picture_interlaced"))
    if video.dynamic_range:
        parts.append(dynamic_range(video))
    if decode.is_composited:
        parts.append(t("report.picture_composited"))
    return " · ".join(parts)


def layout_text(layout: Layout) -> str:
    """Describe a layout: size of the frames, number of parts, concurrent requests, tokens per frame."""
    key = "report.layout_exact" if layout.is_exact else "report.layout_about"
    return t(
        "report.layout_value",
        side=layout.side,
        parts=len([part for part in layout.parts if part]),
        in_flight=layout.in_flight,
        tokens=t(key, n=f"{layout.tokens_per_frame:.0f}"),
    )


def _choice(selection: Selection) -> str:
    """Describe the selection: the strategy, the range if it isn't the whole video, and the time limit."""
    start, end = selection.start_seconds, selection.end_seconds
    if end is not None:
        span = f"{clock(start)} – {clock(end)}"
    else:
        span = t("ui.range_from", start=clock(start)) if start else ""
    limit = t("report.time_limit", time=clock(selection.limit_seconds)) if selection.limit_seconds else ""
    return " · ".join(filter(None, (t(f"strategy.{selection.strategy}"), span, limit)))


def aigc(analysis: Analysis) -> dict[str, str] | None:
    """Return the fields of the standard's annex on metadata, or None if no model has answered."""
    return aigc_fields(models(analysis), analysis.app_version, analysis.id)


def aigc_fields(model: str, app_version: str, content_id: str) -> dict[str, str] | None:
    """Return the fields for a document that quotes this model, or None without a model.

    Label "1" means that the content is generated, not only possibly or suspected so. The producer is the program with
    the model that it asked.
    """
    if not model:
        return None
    return {
        "Label": "1",
        "ContentProducer": f"FrameLens {app_version} ({model})",
        "ProduceID": content_id,
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }


def aigc_text(analysis: Analysis) -> str:
    """Return the label as one line of JSON under AIGC_KEY, or "" if no model has answered."""
    return aigc_line(aigc(analysis))


def aigc_line(fields: dict[str, str] | None) -> str:
    """Return these fields as one line of JSON under AIGC_KEY, "" without fields."""
    return json.dumps({AIGC_KEY: fields}, ensure_ascii=False) if fields else ""


def escape_comment(label: str) -> str:
    """Escape "--" in the JSON label, which would end a comment in HTML or XML."""
    return label.replace("--", "-\\u002d")
