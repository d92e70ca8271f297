"""The words of every request: what stands before and behind the frames of a chunk, and what joins the answers of
several.

Before the frames stands what all chunks and questions share, so that an engine's prefix cache holds it from chunk to
chunk; behind them everything that changes from question to question, so that it holds the frames as well. The texts are
in app.i18n and in the templates; the form of the answer is in app.analysis.prompts.schema.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.analysis.planning.time_parsing import has_range
from app.analysis.prompts.schema import Scope, own_words, shared_words
from app.analysis.prompts.template_parser import Template
from app.core.domain import AnalysisRequest, ChunkResult, Cue, Finding, Keyframe, Language, Subject, clock
from app.i18n import t
from app.i18n.facts import mark

# What is carried along must not push the frames out of a small context.
MOST_KNOWN = 12
MOST_KNOWN_CHARACTERS = 160
MOST_EARLIER_CHARACTERS = 800
MOST_CUE_CHARACTERS = 3000
# What is usually carried along; it may be up to the limits above.
_USUAL_KNOWN, _USUAL_NAME, _USUAL_LOOK, _USUAL_STORY = 4, 24, 60, 250
_CITATIONS = frozenset({"frame_not_sent", "no_frame", "own_time"})


def scope_of(num_chunks: int) -> Scope:
    """What a chunk's answer has to hold: that of a single chunk is about the whole video."""
    return "part" if num_chunks > 1 else "whole"


def system_prompt(language: Language, scope: Scope) -> str:
    """The system message of every request of this scope: only what is visible, resting on frame numbers, people by
    their looks; and the form of the answer.
    """
    return "\n".join([t("prompt.system", language), shared_words(language, scope)])


def chunk_question(
    request: AnalysisRequest,
    template: Template,
    frames: Sequence[Keyframe],
    num_chunks: int,
    *,
    known: Sequence[Subject] = (),
    earlier: Sequence[str] = (),
    cues: Sequence[Cue] = (),
) -> str:
    """What follows the frames of one of `num_chunks` chunks.

    `known` are who and what was seen before, `earlier` the sentences on the chunk before, `cues` what was said during
    this one; of each, as much as fits the limits above.
    """
    language, scope = request.language, scope_of(num_chunks)
    parts = [template.ask.of(language), *_question(request, scope), *_place(request, frames, num_chunks)]
    parts += [*_known(known, language), *_earlier(earlier, language), *_cues(cues, frames, language)]
    if not frames:
        parts.append(t("prompt.answer", language))
    return "\n".join([*parts, _form(request, template, scope, [frame.number for frame in frames])])


def join_question(
    request: AnalysisRequest, template: Template, parts: Sequence[ChunkResult], *, cues_note: str = ""
) -> str:
    """The request that joins several parts into one account; it is sent without pictures.

    A part is an answer on frames or the account of an earlier round. `cues_note` says what is known of the sound.
    """
    language = request.language
    accounts = [account(part, template, language) for part in parts]
    told = [t("prompt.join", language), template.join.of(language), *_question(request, "join"), cues_note]
    numbers = sorted({number for part in parts for number in part.frames})
    form = _form(request, template, "join", numbers)
    return "\n\n".join([*accounts, "\n".join([*(one for one in told if one), form])])


def account(part: ChunkResult, template: Template, language: Language) -> str:
    """What stands for one part where parts are joined: its findings and what is said of it as a whole, with frames.

    What could not be verified is left out, except where nothing else is left of the part; then it is marked.
    """
    said = [*part.findings, *part.overview, *part.reply]
    keep_all = not any(_is_borne_out(finding) for finding in said) and not part.chapters
    lines = [t("prompt.part_head", language, first=part.frames[0], last=part.frames[-1])] if part.frames else []
    lines += _lines(part.findings, template, language, keep_all)
    for head, findings in (("whole_head", part.overview), ("reply_head", part.reply)):
        if told := _lines(findings, template, language, keep_all):
            lines += [t(f"prompt.{head}", language), *told]
    if part.chapters:
        lines.append(t("prompt.chapters_head", language))
        lines += [
            t("prompt.chapter", language, frame=one.first_frame, title=one.title, text=one.text).strip()
            for one in part.chapters
        ]
    return "\n".join(lines)


def usual_words(request: AnalysisRequest, template: Template) -> tuple[str, str]:
    """System message and question of a part as long as they usually get: what the room for frames is reckoned with."""
    rules = t("prompt.system", request.language)
    known = [Subject(rules[:_USUAL_NAME], rules[:_USUAL_LOOK])] * _USUAL_KNOWN
    part = chunk_question(request, template, (), 2, known=known, earlier=[rules[:_USUAL_STORY]])
    whole = chunk_question(request, template, (), 1)
    of_part, of_whole = system_prompt(request.language, "part"), system_prompt(request.language, "whole")
    return max((of_part, part), (of_whole, whole), key=lambda words: len("".join(words)))


def exact_prompt(
    request: AnalysisRequest,
    template: Template,
    frames: Sequence[Keyframe],
    num_chunks: int,
    *,
    known: Sequence[Subject] = (),
    earlier: Sequence[str] = (),
    cues: Sequence[Cue] = (),
) -> list[tuple[str, str]]:
    """(role, text) of each message as it is sent, with a placeholder where each picture stands.

    Where no frames are chosen yet, two stand for them, without their times.
    """
    language = request.language
    shown = [(frame.number, mark(frame, language)) for frame in frames]
    shown = shown or [(number, t("prompt.mark", language, number=number, time="…")) for number in (1, 2)]
    lines = [line for number, written in shown for line in (written, t("prompt.picture", language, number=number))]
    asked = frames or _stand_ins(request)
    question = chunk_question(request, template, asked, num_chunks, known=known, earlier=earlier, cues=cues)
    return [("system", system_prompt(language, scope_of(num_chunks))), ("user", "\n".join([*lines, question]))]


def _stand_ins(request: AnalysisRequest) -> list[Keyframe]:
    """Two frames, at the ends of the range that was asked for."""
    start, end = request.selection.start_seconds, request.selection.end_seconds
    times = (start, start if end is None else end)
    return [Keyframe(number, 0, seconds, "asked", 1, 0, 0, b"") for number, seconds in enumerate(times, 1)]


def _question(request: AnalysisRequest, scope: Scope) -> list[str]:
    asked = request.question.strip()
    key = "prompt.question_part" if scope == "part" else "prompt.question"
    return [t(key, request.language, question=asked)] if asked else []


def _place(request: AnalysisRequest, frames: Sequence[Keyframe], num_chunks: int) -> list[str]:
    language, said = request.language, []
    if has_range(request.selection) and frames:
        first, last = clock(frames[0].time_seconds), clock(frames[-1].time_seconds)
        said.append(t("prompt.range", language, first=first, last=last))
    if num_chunks > 1 and frames:
        said.append(t("prompt.part", language, first=frames[0].number, last=frames[-1].number))
    return said


def _form(request: AnalysisRequest, template: Template, scope: Scope, numbers: Sequence[int]) -> str:
    example = (numbers[0], numbers[1] if len(numbers) > 1 else numbers[0]) if numbers else (1, 2)
    return own_words(template, request.language, scope, with_reply=bool(request.question.strip()), frames=example)


def _known(known: Sequence[Subject], language: Language) -> list[str]:
    """The latest of them, a line each."""
    lines = [
        t("prompt.known_one", language, name=_short(one.name, MOST_KNOWN_CHARACTERS // 2),
          look=_short(one.look, MOST_KNOWN_CHARACTERS))
        for one in known[-MOST_KNOWN:]
    ]  # fmt: skip
    return [t("prompt.known", language), *lines] if lines else []


def _earlier(earlier: Sequence[str], language: Language) -> list[str]:
    """The last sentences, as many as there is room for."""
    lines: list[str] = []
    room = MOST_EARLIER_CHARACTERS
    for text in reversed(earlier):
        if room <= 0:
            break
        lines.insert(0, "- " + _short(text, room))
        room -= len(text)
    return [t("prompt.earlier", language), *lines] if lines else []


def _cues(cues: Sequence[Cue], frames: Sequence[Keyframe], language: Language) -> list[str]:
    """What was said, a line for each frame that is nearest to something said; what is longest is cut first."""
    near: dict[int, list[str]] = {}
    for cue in cues if frames else ():
        frame = min(range(len(frames)), key=lambda place: abs(frames[place].time_seconds - cue.start_seconds))
        near.setdefault(frame, []).append(cue.text)
    texts = {place: " ".join(" ".join(said).split()) for place, said in sorted(near.items())}
    most = _level([len(text) for text in texts.values()], MOST_CUE_CHARACTERS)
    lines = [
        t("prompt.cue", language, mark=mark(frames[place], language), text=_short(text, most))
        for place, text in texts.items()
        if text
    ]
    return [t("prompt.cues", language), *lines] if lines else []


def _level(lengths: Sequence[int], room: int) -> int:
    """The length to which texts must be cut so that all of them together take at most `room`."""
    for count, length in zip(range(len(lengths), 0, -1), sorted(lengths), strict=True):
        if length * count > room:
            return max(room // count, 1)
        room -= length
    return max(lengths, default=0)


def _lines(findings: Sequence[Finding], template: Template, language: Language, keep_all: bool) -> list[str]:
    names = {field.key: field.name.of(language) for field in template.fields}
    lines = []
    for finding in findings:
        if not (keep_all or _is_borne_out(finding)):
            continue
        fields = t("prompt.fields_joint", language).join(
            t("prompt.field", language, name=names.get(key, key), value=value) for key, value in finding.fields.items()
        )
        frames = ", ".join(map(str, finding.frames))
        key = "prompt.line_fields" if fields else "prompt.line"
        line = t(key, language, frames=frames, fields=fields, text=finding.text)
        lines.append(line if _is_borne_out(finding) else t("prompt.line_unverified", language, line=line))
    return lines


def _is_borne_out(finding: Finding) -> bool:
    return _CITATIONS.isdisjoint(finding.issues)


def _short(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"
