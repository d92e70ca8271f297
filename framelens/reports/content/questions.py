"""Section of a report with the questions that were asked about the video, and the model's answers.

Nothing in a model's text becomes a link: frames that it cites are listed below it with their decoder times.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import chain

from framelens.core.domain import Analysis, Keyframe, ReportedAnswer, ReportedConversation, ReportedPicture, Usage
from framelens.core.files import single_line
from framelens.core.units import clock
from framelens.i18n import t
from framelens.i18n.formatting import exactly
from framelens.reports.content.document import (
    Block,
    Heading,
    Line,
    Paragraph,
    PictureBlock,
    Span,
    ThumbnailRow,
    plain_text,
    text_line,
)
from framelens.reports.content.labels import clocks, local_minute, marks, moment, printable, shareable_text
from framelens.reports.content.searches import BriefSearch, found_by_search, search_table

_MOST_BRIEF_PICTURES = 4
"""Most pictures below an answer in a short document: a row."""
_SHOWN_SETTINGS = ("temperature", "top_p", "max_tokens", "context_tokens", "repetition_penalty", "seed")


def answer_to_question(
    conversation: ReportedConversation | None,
    frames: Iterable[Keyframe],
    key: str = "reply",
    *,
    is_brief: bool = False,
    is_live: bool = False,
) -> Iterator[Block]:
    """Yield the answer to the request's question with its evidence; nothing without a question.

    If the answer is unusable, the reason comes before its text, unless `is_brief`.

    Args:
        conversation: The conversation with the answer.
        frames: The keyframes of the analysis.
        key: Anchor of the heading, for a document with two such headings.
        is_brief: Leave out the tables of searches.
        is_live: The answer may still be written; say only why it failed.
    """
    if conversation is None or not conversation.answers:
        return
    answer = conversation.answers[0]
    if is_live and answer.state == "stopped" and not answer.why:
        answer = replace(answer, state="complete")
    pictures = {picture.number: picture for picture in conversation.pictures}
    keyframes = {frame.number: frame for frame in frames}
    if content := list((_brief_blocks if is_brief else _answer_blocks)(answer, pictures, keyframes)):
        yield Heading(2, text_line(t("report.reply")), key)
        yield from content


def questions_section(analysis: Analysis, *, is_brief: bool = False) -> Iterator[Block]:
    """Yield the blocks of the section; nothing without a conversation.

    Args:
        analysis: The analysis.
        is_brief: Leave out how the answers were made and the tables of searches, but no doubts.
    """
    if not analysis.conversations:
        return
    prefix = "brief-" if is_brief else ""  # a document has both sections
    yield Heading(2, text_line(t("report.questions")), f"{prefix}questions")
    keyframes = {frame.number: frame for frame in analysis.keyframes}
    for position, conversation in enumerate(analysis.conversations, start=1):
        name = single_line(conversation.name)
        heading = Span(f"{name} · {local_minute(conversation.created)}", "quoted")
        yield Heading(3, (heading,), f"{prefix}conversation-{position}")
        if conversation.videos and not is_brief:
            names = t("facts.list").join(conversation.videos)
            yield Paragraph(text_line(t("report.questions_videos", names=names)))
        pictures = {picture.number: picture for picture in conversation.pictures}
        for number, answer in enumerate(conversation.answers, start=1):
            render = _brief_answer if is_brief else _answer
            yield from render(number, answer, pictures, keyframes)


def _answer(
    number: int,
    answer: ReportedAnswer,
    pictures: Mapping[int, ReportedPicture],
    keyframes: Mapping[int, Keyframe],
) -> Iterator[Block]:
    yield Paragraph((Span(t("report.questions_one", n=number), "strong"), Span(f" {answer.question}", "quoted")))
    yield from _pictures("report.questions_images", answer.images, pictures, keyframes)
    if answer.versions > 1:
        yield Paragraph(text_line(t("report.questions_versions", n=answer.versions - 1)), "info")
    yield from _answer_blocks(answer, pictures, keyframes)
    if made_with := " · ".join(_made_with(answer)):
        yield Paragraph(text_line(made_with))


def _answer_blocks(
    answer: ReportedAnswer,
    pictures: Mapping[int, ReportedPicture],
    keyframes: Mapping[int, Keyframe],
) -> Iterator[Block]:
    if not answer.is_usable:
        yield from _incomplete(answer)
    yield from _text(answer, answer.answer.strip())
    for search in answer.searches:
        yield from search_table(search)
    if answer.is_usable:
        yield from _incomplete(answer)
    yield from _pictures("report.questions_cited", answer.cited, pictures, keyframes)
    for doubt in doubts(answer.unknown_frames, answer.own_times):
        yield Paragraph(text_line(doubt), "warning")
    for notice in answer.notices:
        yield Paragraph(text_line(shareable_text(notice)), notice.level)


def _incomplete(answer: ReportedAnswer) -> Iterator[Block]:
    for why in why_incomplete(answer):
        yield Paragraph(text_line(why), "error" if answer.state == "failed" else "warning")


def _brief_answer(
    number: int,
    answer: ReportedAnswer,
    pictures: Mapping[int, ReportedPicture],
    keyframes: Mapping[int, Keyframe],
) -> Iterator[Block]:
    yield Paragraph((Span(t("report.questions_one", n=number), "strong"), Span(f" {answer.question}", "quoted")))
    yield from _brief_blocks(answer, pictures, keyframes)


def _brief_blocks(
    answer: ReportedAnswer,
    pictures: Mapping[int, ReportedPicture],
    keyframes: Mapping[int, Keyframe],
) -> Iterator[Block]:
    results, rest = found_by_search(answer)
    for result in results:
        yield Paragraph(result.summary)
        yield from _row_of(_at_starts(result, pictures, keyframes))
        yield from [Paragraph(result.looked, "quiet")] if plain_text(result.looked) else []
    yield from _text(answer, rest)
    for why in (*why_incomplete(answer), *doubts(answer.unknown_frames, answer.own_times)):
        yield Paragraph(text_line(why), "warning")
    shown = {(result.search.video, at) for result in results for at in result.edges}
    left = [pictures[number] for number in answer.cited if number in pictures]
    left = [picture for picture in left if (picture.video, picture.time_seconds) not in shown]
    yield from _row_of([_picture(picture, keyframes.get(picture.keyframe)) for picture in left], _MOST_BRIEF_PICTURES)


def _text(answer: ReportedAnswer, text: str) -> Iterator[Block]:
    """Yield the text of an answer; what people changed in it is marked line by line."""
    if not answer.lines:
        line: Line = (Span(text, "said"),)
    else:
        lines = (
            (Span(f"{'' if index == 0 else chr(10)}{said.text}", "said"), *marks(said))
            for index, said in enumerate(answer.lines)
        )
        line = tuple(chain.from_iterable(lines))
    if text:
        yield Paragraph(line, "answer")


def _at_starts(
    result: BriefSearch, pictures: Mapping[int, ReportedPicture], keyframes: Mapping[int, Keyframe]
) -> Iterator[PictureBlock]:
    """Yield a picture of each interval, which leads to the start of the interval, with the time below it."""
    video, starts = result.search.video, result.starts
    by_time = {
        picture.time_seconds: picture for picture in pictures.values() if picture.video == video and not picture.name
    }
    for picture in (by_time[at] for at in starts if at in by_time):
        drawn = _picture(picture, keyframes.get(picture.keyframe))
        yield replace(drawn, caption=f"{single_line(video)} {clock(picture.time_seconds)}".strip())


def _row_of(drawn: Iterable[PictureBlock], most: int | None = None) -> Iterator[Block]:
    if shown := tuple(picture for picture in drawn if picture.jpeg)[:most]:
        yield ThumbnailRow(shown)


def why_incomplete(answer: ReportedAnswer) -> Iterator[str]:
    """Yield why the answer was stopped or failed, if it was."""
    if answer.state != "complete":
        yield shareable_text(answer.why) if answer.why else t(f"report.questions_{answer.state}")


def doubts(unknown_frames: Sequence[int], own_times: Sequence[str]) -> Iterator[str]:
    """Yield the frames and times that an answer names without the support of a picture."""
    if unknown_frames:
        yield t("ask.unknown_frames", frames=t("facts.list").join(map(str, unknown_frames)))
    if own_times:
        yield t("ask.own_times", times=t("facts.list").join(map(printable, own_times)))


def cited(conversation: ReportedConversation, answer: ReportedAnswer) -> list[ReportedPicture]:
    """List the pictures that an answer of the conversation cites."""
    by_number = {picture.number: picture for picture in conversation.pictures}
    return [by_number[number] for number in answer.cited if number in by_number]


def _pictures(
    key: str,
    numbers: Iterable[int],
    pictures: Mapping[int, ReportedPicture],
    keyframes: Mapping[int, Keyframe],
) -> Iterator[Block]:
    """Yield a line that names the pictures of these numbers, and the pictures."""
    shown = [pictures[number] for number in numbers if number in pictures]
    if not shown:
        return
    names = [
        span
        for index, picture in enumerate(shown)
        for span in (*([Span(t("facts.list"))] if index else []), *_name(picture))
    ]
    yield Paragraph((Span(f"{t(key)} "), *names))
    yield from _row_of(_picture(picture, keyframes.get(picture.keyframe)) for picture in shown)


def _name(picture: ReportedPicture) -> Line:
    if picture.name:
        return (Span(f"[{picture.number}] {single_line(picture.name)}", "quoted"),)
    if picture.video:
        return (Span(f"[{picture.number}] {single_line(picture.video)} {clock(picture.time_seconds)}", "quoted"),)
    return (Span(f"[{picture.number}] ", "quoted"), moment(picture.time_seconds))


def _picture(picture: ReportedPicture, keyframe: Keyframe | None) -> PictureBlock:
    alt = plain_text(_name(picture))
    if keyframe:
        size, jpeg = (keyframe.width, keyframe.height), keyframe.jpeg
    else:
        size, jpeg = _size(picture.jpeg), picture.jpeg
    number, at = (keyframe.number if keyframe else 0), (None if picture.video or picture.name else picture.time_seconds)
    caption = f"[{picture.number}] {clocks([at])[0]}" if at is not None else ""
    return PictureBlock(number, picture.time_seconds, *size, jpeg, alt, at, caption)


def _size(jpeg: bytes) -> tuple[int, int]:
    from PIL import Image  # a slow import, which most reports don't need

    if not jpeg:
        return 1, 1
    with Image.open(BytesIO(jpeg)) as header:
        return header.size


def _made_with(answer: ReportedAnswer) -> Iterator[str]:
    """Yield the model, the number of pictures that it was sent, the settings, and the tokens and time of the answer."""
    if answer.model:
        yield t("report.by_model", model=answer.model)
    if answer.mode == "messages":
        yield t("report.questions_sent", n=len(answer.pictures))
    elif answer.mode == "text":
        yield t("report.mode_text")
    if answer.described:
        yield t("report.questions_described", n=len(answer.described))
    settings = answer.settings if answer.model else {}
    yield from (
        f"{t(f'ask.page.{name}')} {settings[name]}" for name in _SHOWN_SETTINGS if settings.get(name) is not None
    )
    if prompt := settings.get("system_prompt"):
        yield f"{t('ask.page.system_prompt')}: {single_line(str(prompt))}"
    if answer.usage != Usage():
        yield f"{answer.usage.prompt_tokens:,} + {answer.usage.completion_tokens:,} tokens"
    if answer.seconds:
        yield exactly(answer.seconds)
