"""The analysis as one Markdown file for people: what must be known first, the account, every frame, how it was made.

Pictures are small JPEGs inside the file (reference links at its end), so that it can be sent as it is. Words of a
model, a file name or a screen are escaped: they cannot become headings, links or HTML.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from io import BytesIO

from PIL import Image

from app.domain import Analysis, ChunkResult, Finding, FrameFacts, Keyframe, Language, clock
from app.i18n import notice_text, t
from app.i18n.facts import measured, origin

PICTURE_SIDE = 480  # pixels of the longer side; about 20 KB a picture
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~$&])")
_LINE_START = re.compile(r"^(\s*\d*)([-+=.)])")  # a list, a heading's underline; of "1." the point is escaped


def write(analysis: Analysis, language: Language) -> bytes:
    """UTF-8 Markdown (CommonMark with tables)."""
    return ("\n".join(_lines(analysis, language)) + "\n").encode()


def _lines(analysis: Analysis, language: Language) -> Iterator[str]:
    yield f"# {t('report.title', language, name=escape(analysis.video.name))}"
    yield ""
    for notice in sorted(analysis.notices, key=lambda notice: notice.level != "error"):
        yield from (f"> {escape(line)}  " for line in notice_text(notice, language).splitlines())
        yield ">"
    if analysis.engine:
        yield f"> {t('report.ai_label', language, model=escape(analysis.engine.model))}"
    yield ""
    yield from _account(analysis, language)
    yield from _frames(analysis, language)
    yield from _shots(analysis, language)
    yield from _how(analysis, language)
    yield from _pictures(analysis)


def _account(analysis: Analysis, language: Language) -> Iterator[str]:
    if analysis.overview:
        yield f"## {t('report.summary', language)}"
        yield ""
        for finding in analysis.overview:
            yield _finding(finding, analysis, language)
            yield ""
    loose = [finding for chunk in analysis.chunks for finding in chunk.findings if len(finding.frames) != 1]
    if loose:
        yield f"## {t('report.findings', language)}"
        yield ""
        yield from (f"- {_finding(finding, analysis, language)}" for finding in loose)
        yield ""


def _finding(finding: Finding, analysis: Analysis, language: Language) -> str:
    times = {frame.number: frame.time_seconds for frame in analysis.keyframes}
    where = ", ".join(f"{clock(times[number])}" for number in finding.frames)
    parts = [escape(finding.text), f"({where})" if where else "", _issues(finding, language)]
    return " ".join(part for part in parts if part)


def _issues(finding: Finding, language: Language) -> str:
    if not finding.issues:
        return ""
    issues = ", ".join(t(f"unverified.{issue}", language) for issue in finding.issues)
    return f"⚠️ *{t('report.unverified', language, issues=issues)}*"


def _frames(analysis: Analysis, language: Language) -> Iterator[str]:
    facts = {one.number: one for one in analysis.facts}
    yield f"## {t('report.frames', language)}"
    for frame in analysis.keyframes:
        yield ""
        yield f"### {t('report.frame', language, number=frame.number, time=clock(frame.time_seconds))}"
        yield ""
        yield f"![{t('report.frame', language, number=frame.number, time=clock(frame.time_seconds))}][f{frame.number}]"
        yield ""
        for chunk in analysis.chunks:
            for finding in chunk.findings:
                if finding.frames == (frame.number,):
                    yield f"{escape(finding.text)} {_issues(finding, language)}".rstrip()
                    yield ""
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
    yield f"## {t('report.shots', language)}"
    yield ""
    yield f"| {t('report.shot', language)} | {t('report.start', language)} | {t('report.end', language)} |"
    yield "| ---: | ---: | ---: |"
    for shot in analysis.decode.shots:
        yield f"| {shot.number} | {clock(shot.start_seconds)} | {clock(shot.end_seconds)} |"
    yield ""


def _how(analysis: Analysis, language: Language) -> Iterator[str]:
    yield f"## {t('report.how', language)}"
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    for key, value in _made(analysis, language):
        yield f"| {t(f'report.{key}', language)} | {escape(str(value))} |"
    yield ""
    for part in [*analysis.chunks, *([analysis.summary] if analysis.summary else [])]:
        yield from _prompt(part, language)


def _made(analysis: Analysis, language: Language) -> Iterator[tuple[str, object]]:
    video, decode, engine = analysis.video, analysis.decode, analysis.engine
    yield "file", f"{video.name} ({video.size_bytes:,} B)"
    yield "sha256", analysis.sha256
    yield "format", f"{video.container}, {video.codec} {video.pixel_format}, {video.width}x{video.height}"
    yield "readable", t("report.readable_value", language, time=clock(decode.readable_seconds), n=decode.frames_decoded)
    yield "mode", t(f"report.mode_{analysis.mode}", language)
    if engine:
        yield "engine", f"{engine.kind} {engine.version} · {engine.model}".replace("  ", " ")
        yield "tokens", f"{analysis.usage.prompt_tokens} + {analysis.usage.completion_tokens}"
    yield (
        "seconds",
        ", ".join(
            f"{t(f'stage.{stage}', language)} {seconds:.1f} s" for stage, seconds in analysis.seconds_by_stage.items()
        ),
    )
    yield "made", f"{analysis.created} · FrameLens {analysis.app_version}"


def _prompt(part: ChunkResult, language: Language) -> Iterator[str]:
    head = t("report.prompt", language, number=part.number) if part.number else t("report.summary_prompt", language)
    fence = "`" * max(4, 1 + max((len(run) for run in re.findall("`+", part.prompt)), default=0))
    tokens = f"{part.usage.prompt_tokens} + {part.usage.completion_tokens} tokens"
    how = t("report.recalled", language) if part.recalled else f"{part.seconds:.1f} s"
    yield f"**{head}** ({part.mode}, {tokens}, {how})"
    yield ""
    yield f"{fence}text"
    yield part.prompt
    yield fence
    yield ""


def _pictures(analysis: Analysis) -> Iterator[str]:
    for frame in analysis.keyframes:
        yield f"[f{frame.number}]: data:image/jpeg;base64,{_small(frame.jpeg)}"


def _small(jpeg: bytes) -> str:
    with Image.open(BytesIO(jpeg)) as picture:
        picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=80)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def escape(text: str) -> str:
    """Text that a Markdown reader shows as it is, on one line."""
    one_line = " ".join(text.split())
    return _LINE_START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", one_line))
