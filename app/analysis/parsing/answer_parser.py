"""Parser of model answers in any form, finished or still growing.

`parse_answer` parses a finished answer into findings, chapters and the rest. It never raises and drops nothing
silently: deviations from the form are fixed where that is safe, else kept unchanged, and named in `troubles` or in the
issues of a finding. Only numbers of frames that were sent are citations, and only times of these frames are passed on
as facts.

`partial_text` makes a growing answer readable for display only. It is called for every few pieces that arrive, so it
goes through the text once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from app.analysis.parsing import citations
from app.analysis.parsing.finding_parser import DEEPEST, FRAME_KEYS, FindingParser, as_line, flat, folded_keys
from app.analysis.parsing.tolerant_json import TolerantJson, canonical, find, is_answer, is_entry, without_thoughts
from app.analysis.prompts.schema import Scope
from app.analysis.prompts.templates import Template
from app.core import Chapter, Finding, Language, Subject

__all__ = ["ParsedAnswer", "parse_answer", "partial_text"]
_NUMBERS = re.compile(r"[\d\s,，、–—~-]+")
_LONGEST_TITLE = 120  # characters; chosen by hand, not tuned
_BEGINNING = re.compile(r"(?:```(?:json)?\s*)?(?:\{\s*(?:[\"'“]|\Z)|\[\s*\{|\{?\Z)|```\w*\s*\Z")
_FRAME_KEYS = ("frames", "frame", "first_frame")


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
    text: str, scope: Scope, template: Template, language: Language, times: Mapping[int, float], end_seconds: float
) -> ParsedAnswer:
    """Parse the answer `text`; never raises.

    Args:
        text: Whole answer of the model.
        scope: Kind of the request.
        template: Template of the analysis, which defines the fields of findings.
        language: Language of the report.
        times: Seconds of the frames that were sent, by number.
        end_seconds: End of the last chapter.
    """
    return _AnswerParser(scope, template, language, times, end_seconds).read(without_thoughts(text))


class _AnswerParser:
    def __init__(
        self, scope: Scope, template: Template, language: Language, times: Mapping[int, float], end_seconds: float
    ) -> None:
        self._rest = "overview" if scope == "join" else "findings"  # the list for entries without a known key
        self._fields = template.fields
        self._times = times
        self._end_seconds = end_seconds
        self._entries = FindingParser(language, times, lambda: self._note("odd_form"))
        self._troubles: dict[str, None] = {}

    def read(self, text: str) -> ParsedAnswer:
        found = find(text)
        if found is None:
            reading = self._prose(text)
        else:
            self._note("half_json", found.is_cut)
            self._note("odd_form", found.is_odd)
            reading = self._answer(self._arranged(found.value))
        self._note("empty", not (reading.findings or reading.overview or reading.reply or reading.chapters))
        return ParsedAnswer(**{**vars(reading), "troubles": tuple(self._troubles)})

    def _note(self, trouble: str, is_so: bool = True) -> None:
        if is_so:
            self._troubles[trouble] = None

    def _prose(self, text: str) -> ParsedAnswer:
        self._note("not_json", bool(text))
        text = "\n".join(map(as_line, text.splitlines()))
        if self._rest == "overview":
            return ParsedAnswer(overview=citations.statements(text, self._times))
        findings, overview = citations.read(text, self._times)
        return ParsedAnswer(findings, overview)

    def _answer(self, parts: Mapping[str, list[Any]]) -> ParsedAnswer:
        return ParsedAnswer(
            findings=self._entries.findings(parts.get("findings", []), self._fields),
            overview=self._entries.statements(parts.get("overview", [])),
            subjects=self._subjects(parts.get("subjects", [])),
            title=self._title(" ".join(filter(None, map(as_line, parts.get("title", []))))),
            chapters=self._chapters(parts.get("chapters", [])),
            reply=self._entries.statements(parts.get("reply", [])),
        )

    # ---- lists of the answer

    def _arranged(self, value: Any, depth: int = 0) -> dict[str, list[Any]]:
        """Return the lists of an answer by their keys; values without a known key count as findings."""
        parts: dict[str, list[Any]] = {}
        if isinstance(value, list):
            self._note("odd_form")
            for one in value:
                is_whole = not is_entry(one) and is_answer(one) and depth < DEEPEST
                _add(parts, self._arranged(one, depth + 1) if is_whole else {self._rest: [one]})
        elif not isinstance(value, dict) or is_entry(value):
            self._note("odd_form")
            _add(parts, {self._rest: [value]})
        else:
            for key, one in value.items():
                _add(parts, self._part(key, one, depth))
        return parts

    def _part(self, key: str, value: Any, depth: int) -> dict[str, list[Any]]:
        if known := canonical(key):
            self._note("odd_form", known != key)
            return {self._rest if known == "findings" else known: self._listed(value, known)}
        self._note("odd_form", bool(as_line(value)))
        if not is_entry(value) and is_answer(value) and depth < DEEPEST:
            return self._arranged(value, depth + 1)
        return {self._rest: self._under(key, value)} if as_line(value) else {}

    def _listed(self, value: Any, key: str) -> list[Any]:
        if isinstance(value, list):
            return value
        self._note("odd_form", key != "title" or not isinstance(value, str))
        if isinstance(value, dict) and not is_entry(value) and key not in ("title", "chapters"):
            if key == "subjects":
                return [value] if "name" in value else [{"name": k, "look": v} for k, v in value.items()]
            return [item for name, one in value.items() for item in self._under(name, one)]
        return [value]

    def _under(self, key: str, value: Any) -> list[Any]:
        """Return the entries under a key of the model's own, which may be the number of a frame."""
        if isinstance(value, list) and any(map(is_entry, value)):
            return value
        numbers = citations.cited_in(key) or (citations.numbers_in(key) if _NUMBERS.fullmatch(key) else [])
        if isinstance(value, dict):
            return [{"frames": numbers, **value} if numbers else {**value, "": key}]
        return [{"frames": numbers, "text": value} if numbers else f"{key}: {as_line(value)}"]

    # ---- subjects, chapters and title

    def _subjects(self, items: list[Any]) -> tuple[Subject, ...]:
        found: dict[str, Subject] = {}
        for item in flat(items):
            if isinstance(item, dict):
                given = {key.strip().lower(): as_line(value) for key, value in item.items()}
                name, look = given.pop("name", ""), given.pop("look", "")
                look = "; ".join(filter(None, [look, *given.values()]))
            else:
                self._note("odd_form")
                name, _, look = re.sub(r"[:：]", ":", as_line(item), count=1).partition(":")
            subject = Subject(self._untimed(name.strip() or look), self._untimed(look.strip()))
            if subject.name:
                found.setdefault(subject.name, subject)
        return tuple(found.values())

    def _chapters(self, items: list[Any]) -> tuple[Chapter, ...]:
        """Return the chapters in time order, from 0 to the end without gaps; those with one start are merged."""
        started: dict[int, tuple[str, str]] = {}
        for number, title, text in map(self._chapter, flat(items)):
            if number not in self._times:
                self._note("chapter_frame")
            elif number in started:
                before, said = started[number]
                started[number] = before, " ".join(filter(None, [said, title, text]))
            elif title or text:
                started[number] = title, text
        numbers = sorted(started, key=lambda number: self._times[number])
        starts = [0.0, *(self._times[number] for number in numbers[1:])]
        edges = [*starts, max(self._end_seconds, *starts)] if numbers else []
        ranges = pairwise(edges)
        return tuple(Chapter(*started[number], number, *edge) for number, edge in zip(numbers, ranges, strict=True))

    def _chapter(self, item: Any) -> tuple[int, str, str]:
        """Return the number of the first frame (-1 if unclear), title and text."""
        if isinstance(item, dict):
            given = folded_keys(item)
            own, _ = self._entries.frames([next((given[key] for key in FRAME_KEYS if key in given), None)])
            return own[0] if own else -1, self._title(as_line(given.get("title"))), self._line(given.get("text"))
        self._note("odd_form")
        for finding in citations.findings(as_line(item), self._times)[:1]:
            return finding.frames[0] if finding.frames else -1, self._untimed(finding.text), ""
        return -1, "", ""

    def _line(self, value: Any) -> str:
        return self._untimed(as_line(value))

    def _title(self, line: str) -> str:
        """Return the title, cut if the model repeats itself; the stored answer keeps it whole."""
        title = self._untimed(line)
        return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1].rstrip()}…"

    def _untimed(self, text: str) -> str:
        """Remove times that are not those of frames, since this text can't be marked as unverified."""
        kept = citations.without_own_times(text, self._times)
        self._note("chapter_time", kept != text)
        return kept


def _add(parts: dict[str, list[Any]], more: Mapping[str, list[Any]]) -> None:
    for key, values in more.items():
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
        for one in value:
            yield from _lines(one, depth + 1)
    elif isinstance(value, str):
        yield value
    elif not isinstance(value, dict):
        return
    elif not is_entry(value) and any(map(canonical, value)):
        for one in value.values():
            yield from _lines(one, depth + 1)
    elif line := _line(value):
        yield line


def _line(entry: dict[str, Any]) -> str:
    """Return one line for an entry, like "3, 4: moves · left · A man walks."."""
    numbers = [one for key in _FRAME_KEYS for one in _as_list(entry.get(key))]
    values = [value for key, value in entry.items() if key not in _FRAME_KEYS]
    words = " · ".join(str(one) for one in values if isinstance(one, (str, int, float)) and one not in ("", "…"))
    frames = ", ".join(str(number) for number in numbers)
    return f"{frames}: {words}" if frames and words else words


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
