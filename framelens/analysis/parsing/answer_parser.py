"""Parser of model answers in any form, finished or still growing.

`parse_answer` parses a finished answer into findings, chapters and the rest. It never raises and drops nothing
silently: deviations from the form are fixed where that is safe, else kept unchanged, and named in `troubles` or in the
issues of a finding. Only numbers of frames that were sent are citations, and only times of these frames are passed on
as facts.

In an entry of a list, a frame number may be written as 3, "3", "frame 3", "1-3" or in a list; a time in its place is an
issue. Values without a field of their own are kept in the text.

`partial_text` makes a growing answer readable for display only. It is called for every few pieces that arrive, so it
goes through the text once.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from framelens.analysis.parsing.tolerant_json import TolerantJson, canonical, find, is_answer, is_entry, is_schema
from framelens.analysis.prompts.schema import Scope
from framelens.analysis.prompts.templates import Field, Template
from framelens.core import citations
from framelens.core.domain import Chapter, Finding, Subject

__all__ = ["ParsedAnswer", "parse_answer", "partial_text"]
_FRAME_KEYS = ("first_frame", "frames", "frame", "frame_numbers", "frame_number", "start_frame", "帧", "帧编号")
_TEXT_KEYS = ("text", "description", "content", "sentence", "summary")
_TIME = re.compile(r"\d\s*[.:：]\s*\d|\d\s*(?:s\b|sec|秒|分)", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d{1,15}(?:\.\d{1,9})?")
_UNSAID = ("…", "...", "null", "none", "n/a")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\s]+")
_DECLINED = re.compile(
    r"\W*(?:(?:I['’]m|I am|we['’]re) (?:\w+ )?sorry|sorry|I apologi[sz]e|unfortunately)?\b.{0,24}?\bI"
    r"(?:['’]m| am)? (?:can(?:not| not|['’]?t)|won['’]t|unable to|not able to|(?:must|have to) decline)"
    r"(?: \w+){0,2}? ?(?:help|assist|comply|fulfil|provide|answer|respond|continue|engage|discuss|do (?:that|this|so))"
    r"|\W*(?:你好|您好)?[，,。！]?(?:非常|很|十分)?(?:抱歉|对不起|不好意思)?[，,。]?(?:但|作为[^，,]{1,20}[，,])?我?"
    r"(?:暂时|目前)?(?:无法|不能|没有?办法|不便)(?:为您|为你|继续|直接)?(?:回答|提供|协助|帮助|满足|完成|处理|给到|讨论|回应)",
    re.IGNORECASE,
)
"""Beginning of an answer that declines the request, as a model's safety training words it."""
_CONTINUED = re.compile(
    r"\bhowever\b|\bbut (?:I can\b(?!['’]t| not)|the\b|in\b|here\b)|不过|但是?(?!我?[无不])", re.IGNORECASE
)
_LONGEST_DECLINED = 240
_MOST_NUMBERS = 512  # frame numbers of an entry
_DEEPEST = 6  # nested lists and objects


class _FindingParser:
    """Parser of an answer's entries. `note_odd` is called for each deviation from the form."""

    def __init__(self, times: Mapping[int, float], note_odd: Callable[[], None]) -> None:
        self._times = times
        self._note_odd = note_odd

    def findings(self, items: list[Any], fields: Sequence[Field]) -> tuple[Finding, ...]:
        """Return the findings on single frames without duplicates; a bare line starts with its frame: "3: …"."""
        return self._read(items, fields, citations.findings)

    def statements(self, items: list[Any]) -> tuple[Finding, ...]:
        """Return the statements on several frames; a number before a bare line counts lines, not frames."""
        return self._read(items, (), citations.statements)

    def _read(
        self,
        items: list[Any],
        fields: Sequence[Field],
        lines: Callable[[str, Mapping[int, float]], tuple[Finding, ...]],
    ) -> tuple[Finding, ...]:
        findings: list[Finding] = []
        for item in _flat_items(items):
            if isinstance(item, dict):
                findings += self._finding(item, fields)
            else:
                self._note_odd()
                pieces = item.splitlines() if isinstance(item, str) else [item]
                findings += lines("\n".join(map(_as_line, pieces)), self._times)
        once: dict[object, Finding] = {}
        for finding in findings:
            once.setdefault((finding.text, finding.frames, tuple(finding.fields.items())), finding)
        return tuple(once.values())

    def _finding(self, item: Mapping[str, Any], fields: Sequence[Field]) -> Iterator[Finding]:
        entries = _folded_keys(item)
        own, issues = self.frames(next((entries.pop(key) for key in _FRAME_KEYS if key in entries), []))
        values: dict[str, str] = {}
        for field in fields:
            names = [name for name in (field.key, field.name.en.lower(), field.name.zh) if name in entries]
            value, is_known = self._field(field, entries.pop(names[0]) if names else None)
            if value:
                values[field.key] = value
            issues += [] if is_known else ["unknown_value"]
        text = next((line for key in _TEXT_KEYS if key in entries and (line := _as_line(entries.pop(key)))), "")
        extras = [f"{key}: {line}" if key else line for key, value in entries.items() if (line := _as_line(value))]
        if extras:
            self._note_odd()
        text = (
            f"{text} ({'; '.join(extras)})"
            if text and extras
            else text or "; ".join(extras) or ", ".join(values.values())
        )
        if text:
            quoted = [field.key for field in fields if field.quoted]
            yield citations.finding(text, own, self._times, fields=values, quoted=quoted, issues=issues)

    def _field(self, field: Field, value: Any) -> tuple[str, bool]:
        """Return the value in the language of the context, and whether the field allows it."""
        line = _as_line(value)
        if field.kind == "number":
            return line, not line or bool(_NUMBER.fullmatch(line))
        if field.kind == "text" or not line:
            return line, True
        for choice in field.choices:
            if _fold_name(line) in {_fold_name(name) for name in (choice.name.zh, choice.name.en, choice.key)}:
                return choice.name.text, True
        return line, False

    def frames(self, value: Any, depth: int = 0) -> tuple[list[int], list[str]]:
        """Return the frame numbers in `value`, and their issues: "own_time" for a time in place of a number."""
        if isinstance(value, (list, tuple, dict)) and depth < _DEEPEST:
            if depth > 0 or isinstance(value, dict):
                self._note_odd()
            entries = list(value.values()) if isinstance(value, dict) else value
            read = [self.frames(entry, depth + 1) for entry in entries[:_MOST_NUMBERS]]
            return sorted({number for own, _ in read for number in own}), [
                issue for _, issues in read for issue in issues
            ]
        if isinstance(value, int) and not isinstance(value, bool):
            if depth == 0:
                self._note_odd()
            return [value], []
        if value is None or isinstance(value, bool):
            return [], []
        self._note_odd()
        if isinstance(value, float) and math.isfinite(value) and value.is_integer():
            return [int(value)], []
        text = _as_line(value)
        if cited := citations.cited_in(text):
            return cited, []
        if _TIME.search(text):
            return [], ["own_time"]
        return citations.numbers_in(text)[:_MOST_NUMBERS], []


def _declines(text: str) -> bool:
    """Return whether the whole answer only declines the request."""
    is_short = len(text) <= _LONGEST_DECLINED and not citations.cited_in(text)
    return is_short and bool(_DECLINED.match(text)) and not _CONTINUED.search(text)


def _folded_keys(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry with its keys in lower case and underscores for spaces."""
    return {_as_line(key).lower().replace(" ", "_"): value for key, value in item.items()}


def _flat_items(items: list[Any], depth: int = 0) -> Iterator[Any]:
    """Yield the items of nested lists, without None."""
    for item in items:
        if isinstance(item, list) and depth < _DEEPEST:
            yield from _flat_items(item, depth + 1)
        elif item is not None:
            yield item


def _fold_name(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _as_line(value: Any, depth: int = 0) -> str:
    """Return any value as a clean line; "" for a placeholder such as the "…" of the form itself."""
    if isinstance(value, (list, dict)):
        if depth == _DEEPEST:
            return "…"
        entries = value.items() if isinstance(value, dict) else (("", item) for item in value)
        pairs = ((_as_line(key), _as_line(item, depth + 1)) for key, item in entries)
        return ", ".join(f"{key}: {line}" if key else line for key, line in pairs if line)
    if isinstance(value, float):
        value = int(value) if value.is_integer() and abs(value) < 1e15 else value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**18:
        return "…"
    text = "" if value is None else _CONTROL.sub(" ", str(value)).strip()
    return "" if text.lower() in _UNSAID else text


_NUMBERS = re.compile(r"[\d\s,，、–—~-]+")
_LONGEST_TITLE = 120  # characters
_OWN_MARKS = re.compile(
    r"[✅☑✔✓❌✖⚠\ufe0f]|\b(?:verified|confirmed|checked) by FrameLens\b\s*[:：]?"
    r"|[经由]?\s*FrameLens\s*已?(?:核实|验证|确认)[:：]?",
    re.IGNORECASE,
)
"""Signs and words by which a model would speak for the program, which alone says what was verified."""
_BEGINNING = re.compile(r"(?:```(?:json)?\s*)?(?:\{\s*(?:[\"'“]|\Z)|\[\s*\{|\{?\Z)|```\w*\s*\Z")
_SHOWN_FRAME_KEYS = ("frames", "frame", "first_frame")


@dataclass(frozen=True)
class ParsedAnswer:
    """Parsed answer. `troubles` are keys under `trouble.` in i18n that name what is wrong with the answer itself."""

    findings: tuple[Finding, ...] = ()
    overview: tuple[Finding, ...] = ()
    subjects: tuple[Subject, ...] = ()
    title: str = ""
    chapters: tuple[Chapter, ...] = ()
    reply: tuple[Finding, ...] = ()
    troubles: tuple[str, ...] = ()


def parse_answer(
    text: str,
    scope: Scope,
    template: Template,
    times: Mapping[int, float],
    end_seconds: float,
    shot_starts: Sequence[float] = (),
) -> ParsedAnswer:
    """Parse the answer `text`; never raises.

    Args:
        text: Whole answer of the model, without its reasoning.
        scope: Kind of the request.
        template: Template of the analysis, which defines the fields of findings.
        times: Seconds of the frames that were sent, by number.
        end_seconds: End of the last chapter.
        shot_starts: Starts of the shots in seconds. A chapter whose first frame is the first that was sent of a shot
            begins with the shot.
    """
    return _AnswerParser(scope, template, times, end_seconds, shot_starts).read(text.replace("\ufeff", "").strip())


class _AnswerParser:
    def __init__(
        self,
        scope: Scope,
        template: Template,
        times: Mapping[int, float],
        end_seconds: float,
        shot_starts: Sequence[float],
    ) -> None:
        self._rest = "overview" if scope == "join" else "findings"  # the list for entries without a known key
        self._fields = template.fields
        self._times = times
        self._end_seconds = end_seconds
        self._shot_starts = shot_starts
        self._entries = _FindingParser(times, lambda: self._note("odd_form"))
        self._troubles: dict[str, None] = {}

    def read(self, text: str) -> ParsedAnswer:
        keys = {name.lower() for field in self._fields for name in (field.key, field.name.en, field.name.zh)}
        parsed = find(text, keys)
        if parsed is None:
            reading = self._prose(text)
        elif is_schema(parsed.value):
            self._note("not_json")
            reading = ParsedAnswer()
        else:
            self._note("odd_form", parsed.is_odd)
            reading = self._answer(self._arrange(parsed.value))
        is_empty = not (reading.findings or reading.overview or reading.reply or reading.chapters)
        self._note("half_json", parsed is not None and parsed.is_cut and not is_empty)
        self._note("unclear", parsed is not None and parsed.is_unclear and not is_empty)
        self._note("empty", is_empty)
        return ParsedAnswer(**{**vars(reading), "troubles": tuple(self._troubles)})

    def _note(self, trouble: str, is_so: bool = True) -> None:
        if is_so:
            self._troubles[trouble] = None

    def _prose(self, text: str) -> ParsedAnswer:
        self._note("not_json", bool(text))
        text = "\n".join(map(_as_line, text.splitlines()))
        if _declines(text):
            return ParsedAnswer()
        if self._rest == "overview":
            return ParsedAnswer(overview=citations.statements(text, self._times))
        findings, overview = citations.read(text, self._times)
        return ParsedAnswer(findings, overview)

    def _answer(self, parts: Mapping[str, list[Any]]) -> ParsedAnswer:
        return ParsedAnswer(
            findings=self._entries.findings(parts.get("findings", []), self._fields),
            overview=self._entries.statements(parts.get("overview", [])),
            subjects=self._subjects(parts.get("subjects", [])),
            title=self._title(" ".join(filter(None, dict.fromkeys(map(_as_line, parts.get("title", [])))))),
            chapters=self._chapters(parts.get("chapters", [])),
            reply=self._entries.statements(parts.get("reply", [])),
        )

    # ---- lists of the answer

    def _arrange(self, value: Any, depth: int = 0) -> dict[str, list[Any]]:
        """Return the lists of an answer by their keys; entries without a known key count as findings."""
        parts: dict[str, list[Any]] = {}
        if isinstance(value, list):
            self._note("odd_form")
            for item in value:
                is_whole = not is_entry(item) and is_answer(item) and depth < _DEEPEST
                _add(parts, self._arrange(item, depth + 1) if is_whole else {self._rest: [item]})
        elif not isinstance(value, dict) or is_entry(value):
            self._note("odd_form")
            _add(parts, {self._rest: [value]})
        else:
            is_alone = not any(map(canonical, value))
            for key, item in value.items():
                _add(parts, self._part(key, item, depth, is_alone=is_alone))
        return parts

    def _part(self, key: str, value: Any, depth: int, *, is_alone: bool) -> dict[str, list[Any]]:
        """Return the lists under a key; a key without entries or a frame's number says nothing beside known keys."""
        if list_name := canonical(key):
            self._note("odd_form", list_name != key)
            return {self._rest if list_name == "findings" else list_name: self._as_items(value, list_name)}
        self._note("odd_form", bool(_as_line(value)))
        if not is_entry(value) and is_answer(value) and depth < _DEEPEST:
            return self._arrange(value, depth + 1)
        has_entries = is_entry(value) or (isinstance(value, list) and any(map(is_entry, value)))
        if not _as_line(value) or not (is_alone or has_entries or _numbers_of(key)):
            return {}
        return {self._rest: self._under(key, value)}

    def _as_items(self, value: Any, key: str) -> list[Any]:
        if isinstance(value, list):
            return value
        self._note("odd_form", key != "title" or not isinstance(value, str))
        if isinstance(value, dict) and not is_entry(value) and key not in ("title", "chapters"):
            if key == "subjects":
                return [value] if "name" in value else [{"name": k, "look": v} for k, v in value.items()]
            return [item for name, entry in value.items() for item in self._under(name, entry)]
        return [value]

    def _under(self, key: str, value: Any) -> list[Any]:
        """Return the entries under a key of the model's own, which may be the number of a frame."""
        if isinstance(value, list) and any(map(is_entry, value)):
            return value
        numbers = _numbers_of(key)
        if isinstance(value, dict):
            return [{"frames": numbers, **value} if numbers else {**value, "": key}]
        return [{"frames": numbers, "text": value} if numbers else f"{key}: {_as_line(value)}"]

    # ---- subjects, chapters and title

    def _subjects(self, items: list[Any]) -> tuple[Subject, ...]:
        subjects: dict[str, Subject] = {}
        for item in _flat_items(items):
            if isinstance(item, dict):
                entries = {key.strip().lower(): _as_line(value) for key, value in item.items()}
                name, look = entries.pop("name", ""), entries.pop("look", "")
                look = "; ".join(filter(None, [look, *entries.values()]))
            else:
                self._note("odd_form")
                name, _, look = re.sub(r"[:：]", ":", _as_line(item), count=1).partition(":")
            subject = Subject(self._without_times(name.strip() or look), self._without_times(look.strip()))
            if subject.name:
                subjects.setdefault(subject.name, subject)
        return tuple(subjects.values())

    def _chapters(self, items: list[Any]) -> tuple[Chapter, ...]:
        """Return the chapters in time order, from 0 to the end without gaps; chapters with the same start are merged.

        Equal chapters count once.
        """
        started: dict[int, tuple[str, str]] = {}
        for number, title, text in dict.fromkeys(map(self._chapter, _flat_items(items))):
            if number not in self._times:
                self._note("chapter_frame")
            elif number in started:
                before, earlier = started[number]
                started[number] = before, " ".join(filter(None, [earlier, title, text]))
            elif title or text:
                started[number] = title, text
        numbers = sorted(started, key=lambda number: self._times[number])
        starts = [0.0, *map(self._chapter_start, numbers[1:])]
        edges = [*starts, max(self._end_seconds, *starts)] if numbers else []
        ranges = pairwise(edges)
        return tuple(Chapter(*started[number], number, *edge) for number, edge in zip(numbers, ranges, strict=True))

    def _chapter_start(self, number: int) -> float:
        """Return the start of the frame's shot if no earlier frame is of that shot, else the frame's time."""
        time = self._times[number]
        before = max((other for other in self._times.values() if other < time), default=-1.0)
        return max((start for start in self._shot_starts if before < start <= time), default=time)

    def _chapter(self, item: Any) -> tuple[int, str, str]:
        """Return the number of the first frame (-1 if unclear), title and text."""
        if isinstance(item, dict):
            entries = _folded_keys(item)
            own, _ = self._entries.frames([next((entries[key] for key in _FRAME_KEYS if key in entries), None)])
            return own[0] if own else -1, self._title(_as_line(entries.get("title"))), self._line(entries.get("text"))
        self._note("odd_form")
        for finding in citations.findings(_as_line(item), self._times)[:1]:
            return finding.frames[0] if finding.frames else -1, self._without_times(finding.text), ""
        return -1, "", ""

    def _line(self, value: Any) -> str:
        return self._without_times(_as_line(value))

    def _title(self, line: str) -> str:
        """Return the title without marks of ours, cut if the model repeats itself; the stored answer keeps it whole."""
        title = self._without_times(_OWN_MARKS.sub("", line).strip())
        return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1].rstrip()}…"

    def _without_times(self, text: str) -> str:
        """Remove times that match no frame, since this text can't be marked as unverified."""
        cleaned = citations.without_own_times(text, self._times)
        self._note("chapter_time", cleaned != text)
        return cleaned


def _numbers_of(key: str) -> list[int]:
    return citations.cited_in(key) or (citations.numbers_in(key) if _NUMBERS.fullmatch(key) else [])


def _add(parts: dict[str, list[Any]], added: Mapping[str, list[Any]]) -> None:
    for key, values in added.items():
        parts[key] = [*parts.get(key, []), *values]


def partial_text(text: str) -> str:
    """Return the readable text of the growing answer `text`, a line per entry; prose is unchanged."""
    return _shown(text).encode("utf-8", "replace").decode()  # half of an escaped pair is no character


def _shown(text: str) -> str:
    beginning = _BEGINNING.search(text)
    if not beginning or beginning.start() == len(text):
        return text
    value = TolerantJson(text, text.find("{" if "{" in beginning[0] else "[", beginning.start())).value()
    if not isinstance(value, (dict, list)):
        return text[: beginning.start()].rstrip()
    lines = [text[: beginning.start()].rstrip(), *_lines(value)]
    return "\n".join(line for line in lines if line)


def _lines(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > 4:
        return
    if isinstance(value, list):
        for item in value:
            yield from _lines(item, depth + 1)
    elif isinstance(value, str):
        yield value
    elif not isinstance(value, dict):
        return
    elif not is_entry(value) and any(map(canonical, value)):
        for item in value.values():
            yield from _lines(item, depth + 1)
    elif line := _line(value):
        yield line


def _line(entry: dict[str, Any]) -> str:
    """Return a line for an entry, like "3, 4: moves · left · A man walks."."""
    numbers = [number for key in _SHOWN_FRAME_KEYS for number in _as_list(entry.get(key))]
    values = [value for key, value in entry.items() if key not in _SHOWN_FRAME_KEYS]
    joined = " · ".join(
        str(value) for value in values if isinstance(value, (str, int, float)) and value not in ("", "…")
    )
    frames = ", ".join(str(number) for number in numbers)
    return f"{frames}: {joined}" if frames and joined else joined


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
