"""Prompts of all requests: the text before and after the frames of a chunk, and the request that joins answers.

The text that all chunks and questions share comes before the frames, so that the engine's prefix cache holds it from
chunk to chunk. Everything that changes with the question comes after them, so that the cache holds the frames, too. The
texts are in framelens.i18n and in the templates; the form of the answer is in framelens.analysis.prompts.schema.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from framelens.analysis.planning.time_parsing import has_range
from framelens.analysis.prompts.schema import Scope, own_form, shared_form
from framelens.analysis.prompts.templates import Template
from framelens.core.domain import AnalysisRequest, ChunkResult, Cue, Finding, Keyframe, Language, Subject
from framelens.core.units import clock
from framelens.i18n import catalogue, in_language, t
from framelens.i18n.formatting import mark, time_mark

# Limits of the context of earlier chunks, so that it leaves room for frames in a small context.
MOST_KNOWN = 12
MOST_KNOWN_CHARACTERS = 160
MOST_EARLIER_CHARACTERS = 800
MOST_CUE_CHARACTERS = 3000
MOST_READ_CHARACTERS = 4000
# Usual amount of that context: subjects, and characters of a name, a look and the story.
_USUAL_KNOWN, _USUAL_NAME, _USUAL_LOOK, _USUAL_STORY = 4, 24, 60, 250
_SENT_TEXTS = ("prompt.", "facts.", "reason.", "colour.", "place.")
"""Tables of i18n whose texts are sent to models; the facts are sent in text mode."""
_CITATIONS = frozenset({"frame_not_sent", "no_frame", "own_time"})


def digest(language: Language) -> str:
    """Return the SHA-256 in hex of all texts that prompts in this language are made of; templates have their own."""
    texts = {key: text for key, text in catalogue(language).items() if key.startswith(_SENT_TEXTS)}
    return hashlib.sha256(json.dumps(texts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def scope_of(num_chunks: int) -> Scope:
    """Return the scope of a chunk's answer; a single chunk covers the whole video."""
    return "part" if num_chunks > 1 else "whole"


def system_prompt(scope: Scope) -> str:
    """Return the system message of every request of this scope.

    It asks for visible facts only, with frame numbers and people named by their looks, and gives the answer's form.
    """
    return "\n".join([t("prompt.system"), shared_form(scope)])


def chunk_question(
    request: AnalysisRequest,
    template: Template,
    frames: Sequence[Keyframe],
    num_chunks: int,
    *,
    subjects: Sequence[Subject] = (),
    earlier: Sequence[str] = (),
    cues: Sequence[Cue] = (),
    texts: Mapping[int, Sequence[str]] | None = None,
) -> str:
    """Return the text after the frames of one of `num_chunks` chunks.

    Args:
        request: Request of the analysis.
        template: Its template.
        frames: Frames of the chunk.
        num_chunks: Number of chunks of the analysis.
        subjects: Subjects of earlier chunks; cut to the limits above.
        earlier: Sentences on the previous chunk; cut to the limits above.
        cues: Speech during this chunk; cut to the limits above.
        texts: What was read on frames, by their numbers; cut to the limits above.
    """
    with in_language(request.language):
        scope = scope_of(num_chunks)
        parts = [template.ask.text, *_question(request), *_extent(request, frames, num_chunks)]
        parts += [*_subjects(subjects), *_earlier(earlier), *_text_lines(texts or {}, frames), *_cues(cues, frames)]
        if not frames:
            parts.append(t("prompt.answer"))
        return "\n".join([*parts, _form(template, scope, [frame.number for frame in frames])])


def join_question(request: AnalysisRequest, template: Template, parts: Sequence[ChunkResult]) -> str:
    """Return the request that joins several parts into one account; it is sent without pictures.

    Args:
        request: Request of the analysis.
        template: Its template.
        parts: Answers on frames, or the accounts of an earlier round.
    """
    with in_language(request.language):
        accounts = [account(part, template) for part in parts]
        instructions = [t("prompt.join"), template.join.text, *_question(request)]
        numbers = sorted({number for part in parts for number in part.frames})
        form = _form(template, "join", numbers)
        return "\n\n".join([*accounts, "\n".join([*(text for text in instructions if text), form])])


def account(part: ChunkResult, template: Template) -> str:
    """Return the text of a part in a join: its findings, overview and chapters, with frames.

    Unverified findings are left out, unless the part has no others; then they are marked.
    """
    statements = [*part.findings, *part.overview]
    keep_all = not any(_is_borne_out(finding) for finding in statements) and not part.chapters
    lines = [t("prompt.part_head", first=part.frames[0], last=part.frames[-1])] if part.frames else []
    lines += _lines(part.findings, template, keep_all)
    if quoted := _lines(part.overview, template, keep_all):
        lines += [t("prompt.whole_head"), *quoted]
    if part.chapters:
        lines.append(t("prompt.chapters_head"))
        lines += [
            t("prompt.chapter", frame=chapter.first_frame, title=chapter.title, text=chapter.text).strip()
            for chapter in part.chapters
        ]
    return "\n".join(lines)


def usual_prompt(request: AnalysisRequest, template: Template) -> tuple[str, str]:
    """Return a system message and question of usual length, for the estimate of the room left for frames."""
    with in_language(request.language):
        rules = t("prompt.system")
        subjects = [Subject(rules[:_USUAL_NAME], rules[:_USUAL_LOOK])] * _USUAL_KNOWN
        part = chunk_question(request, template, (), 2, subjects=subjects, earlier=[rules[:_USUAL_STORY]])
        whole = chunk_question(request, template, (), 1)
        of_part, of_whole = system_prompt("part"), system_prompt("whole")
        return max((of_part, part), (of_whole, whole), key=lambda prompt: len("".join(prompt)))


def exact_prompt(
    request: AnalysisRequest, template: Template, frames: Sequence[Keyframe], num_chunks: int
) -> list[tuple[str, str]]:
    """Return (role, text) of each message exactly as sent, with a placeholder for each picture.

    If no frames are chosen yet, two examples without times take their place.
    """
    with in_language(request.language):
        shown = [(frame.number, mark(frame)) for frame in frames]
        shown = shown or [(number, time_mark(number, "…")) for number in (1, 2)]
        lines = [line for number, written in shown for line in (written, t("prompt.picture", number=number))]
        question = chunk_question(request, template, frames or _stand_ins(request), num_chunks)
        return [("system", system_prompt(scope_of(num_chunks))), ("user", "\n".join([*lines, question]))]


def speech_near(cues: Sequence[Cue], frames: Sequence[Keyframe]) -> list[tuple[Keyframe, str]]:
    """Return the frames with speech, each with the text of the cues that start nearest to it."""
    near: dict[int, list[str]] = {}
    for cue in cues if frames else ():
        frame = min(range(len(frames)), key=lambda index: abs(frames[index].time_seconds - cue.start_seconds))
        near.setdefault(frame, []).append(cue.text)
    return [(frames[index], " ".join(" ".join(texts).split())) for index, texts in sorted(near.items())]


def _stand_ins(request: AnalysisRequest) -> list[Keyframe]:
    """Return two example frames, at both ends of the requested range."""
    start, end = request.selection.start_seconds, request.selection.end_seconds
    times = (start, start if end is None else end)
    return [Keyframe(number, 0, seconds, "asked", 1, 0, 0, b"") for number, seconds in enumerate(times, 1)]


def _question(request: AnalysisRequest) -> list[str]:
    question = request.question.strip()
    return [t("prompt.question", question=question)] if question else []


def _extent(request: AnalysisRequest, frames: Sequence[Keyframe], num_chunks: int) -> list[str]:
    lines = []
    if has_range(request.selection) and frames:
        first, last = clock(frames[0].time_seconds), clock(frames[-1].time_seconds)
        lines.append(t("prompt.range", first=first, last=last))
    if num_chunks > 1 and frames:
        lines.append(t("prompt.part", first=frames[0].number, last=frames[-1].number))
    return lines


def _form(template: Template, scope: Scope, numbers: Sequence[int]) -> str:
    example = (numbers[0], numbers[1] if len(numbers) > 1 else numbers[0]) if numbers else (1, 2)
    return own_form(template, scope, frames=example)


def _subjects(subjects: Sequence[Subject]) -> list[str]:
    """Return the latest subjects, a line each, with their heading."""
    lines = [
        t("prompt.known_one", name=_short(subject.name, MOST_KNOWN_CHARACTERS // 2),
          look=_short(subject.look, MOST_KNOWN_CHARACTERS))
        for subject in subjects[-MOST_KNOWN:]
    ]  # fmt: skip
    return [t("prompt.known"), *lines] if lines else []


def _earlier(earlier: Sequence[str]) -> list[str]:
    """Return the last sentences that fit, with their heading."""
    lines: list[str] = []
    budget = MOST_EARLIER_CHARACTERS
    for text in reversed(earlier):
        if budget <= 0:
            break
        lines.insert(0, "- " + _short(text, budget))
        budget -= len(text)
    return [t("prompt.earlier"), *lines] if lines else []


def _cues(cues: Sequence[Cue], frames: Sequence[Keyframe]) -> list[str]:
    """Return the speech, a line for each frame nearest to a cue; the longest lines are cut first."""
    texts = speech_near(cues, frames)
    most = _level([len(text) for _, text in texts], MOST_CUE_CHARACTERS)
    lines = [t("prompt.cue", mark=mark(frame), text=_short(text, most)) for frame, text in texts if text]
    return [t("prompt.cues"), *lines] if lines else []


def _text_lines(texts: Mapping[int, Sequence[str]], frames: Sequence[Keyframe]) -> list[str]:
    """Return what was read, a line for each frame with text of its own; the longest lines are cut first."""
    rows: dict[str, Keyframe] = {}
    for frame in frames:
        rows.setdefault(" / ".join(texts.get(frame.number, ())), frame)
    rows.pop("", None)
    most = _level(list(map(len, rows)), MOST_READ_CHARACTERS)
    lines = [t("prompt.read_one", mark=mark(frame), text=_short(text, most)) for text, frame in rows.items()]
    return [t("prompt.read"), *lines] if lines else []


def _level(lengths: Sequence[int], budget: int) -> int:
    """Return the length to which texts must be cut so that together they take at most `budget` characters."""
    for count, length in zip(range(len(lengths), 0, -1), sorted(lengths), strict=True):
        if length * count > budget:
            return max(budget // count, 1)
        budget -= length
    return max(lengths, default=0)


def _lines(findings: Sequence[Finding], template: Template, keep_all: bool) -> list[str]:
    names = {field.key: field.name.text for field in template.fields}
    lines = []
    for finding in findings:
        if not (keep_all or _is_borne_out(finding)):
            continue
        fields = t("prompt.fields_joint").join(
            t("prompt.field", name=names.get(key, key), value=value) for key, value in finding.fields.items()
        )
        frames = ", ".join(map(str, finding.frames))
        key = "prompt.line_fields" if fields else "prompt.line"
        line = t(key, frames=frames, fields=fields, text=finding.text)
        lines.append(line if _is_borne_out(finding) else t("prompt.line_unverified", line=line))
    return lines


def _is_borne_out(finding: Finding) -> bool:
    return _CITATIONS.isdisjoint(finding.issues)


def _short(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"
