"""Separator of a model's reasoning from its answer, and of the markers of chat templates from both.

Engines without a parser for a model's reasoning send it within the answer: between tags, before a closing tag whose
opening tag was part of the prompt, or in a channel of its own (gpt-oss). Reasoning without an end has no answer after
it. A surplus closing tag without text after it leaves the answer before it. Each family of models has its own marks; a
new family is a new row of a table.

A mark that is part of the model's description is left alone: in quotes, in the middle of a sentence, or in a string of
a JSON answer.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from framelens.llm.dialects import Marks, dialects

_NAMES = r"(?:think|thinking|thought|reason|reasoning|analysis)"
_MARKS = Marks(
    rows=(
        ("drop", rf"<{_NAMES} ?/>"),
        ("open", rf"<{_NAMES}>"),
        ("close", rf"</{_NAMES}>"),
        ("drop", r"\A\s*assistant(?:[:：][ \t]*|[ \t]*\n)"),
        ("drop", r"(?:<\|(?:im_end|eot_id|end)\|>|<end_of_turn>)\s*"
                 r"(?:<\|(?:im_start|start_header_id)\|>|<start_of_turn>|<\|)(?:user|system)\b[\s\S]*"
                 r"|(?<=\S)<\|user\|>[\s\S]*"),  # turns that the model has invented after its own
        ("drop", r"(?:<\|im_start\|>|<\|(?:start_header_id|header_start)\|>)(?:assistant)?"
                 r"(?:<\|(?:end_header_id|header_end)\|>)?"),
        ("drop", r"(?:\A|(?<=\n)|(?<=>))<answer>|</answer>(?=\s*(?:\Z|\n|<))"),
        ("drop", r"<\|[A-Za-z_][\w ]{0,40}\|>|<｜[\w▁]{1,40}｜>|\[/?INST\]"),
        ("drop", r"</?(?:s|eos|bos|end_of_turn|start_of_turn)>(?:model\n)?"),
    ),
    hint=r"<|\A\s*assistant|\[/?INST",
    unfinished=r"<[/|｜\w▁ ]{0,60}|\[/?\w{0,9}|\bassistant\w{0,5}|(?:<\|[^<>]*\|>)+[\w ]*",
)  # fmt: skip
"""What chat templates write, and the tags around reasoning that most models use."""


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Compile the marks, their hint, the beginning of one at the end of a text, and the heading of reasoning."""
    extra = dialects().marks or Marks((), r"(?!)", r"(?!)")
    rows = enumerate((*extra.rows, *_MARKS.rows))
    return (
        re.compile("|".join(f"(?P<{kind}{row}>{pattern})" for row, (kind, pattern) in rows), re.IGNORECASE),
        re.compile(f"{_MARKS.hint}|{extra.hint}", re.IGNORECASE),
        re.compile(rf"(?:{_MARKS.unfinished}|{extra.unfinished})\Z"),
        re.compile(extra.heading, re.IGNORECASE),
    )


_JSON_START = re.compile(r"\s*(?:```\w*\s*)?(?=[{\[])")
_ANSWER_START = re.compile(r"\s*(?:```\w*\s*)?(?=\{|\[\s*\{)")
_OBJECT = re.compile(r"\{\s*\"|\[\s*\{\s*\"")
_WITHIN_JSON = re.compile(r"(?:[\[{,]|\"\s*:)\s*\Z")
_FENCE_END = re.compile(r"\s*(?:```\s*)?")
_DECODER = json.JSONDecoder(strict=False)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_QUOTES = "\"'`“”‘’「」『』《》"
_WITHIN = re.compile(r" ?[,.;:，。、；)]| (?:tags?|and|or|is|are|appears?|at|in|on|as|with)\b")
"""Text that follows a mark within a sentence."""


@dataclass(frozen=True)
class SplitAnswer:
    """A whole text of a model, split."""

    answer: str
    reasoning: str = ""


def split_reasoning(text: str) -> SplitAnswer:
    """Split a text, finished or still growing, into answer and reasoning.

    >>> split_reasoning("It could be a cat.</think>A square moves.").answer
    'A square moves.'
    """
    marks = list(_marks(text))
    if not marks:
        return SplitAnswer(text)
    splitter = _Splitter()
    at = 0
    for kind, match in marks:
        splitter.add(text[at : match.start()])
        splitter.mark(kind)
        at = match.end()
    splitter.add(text[at:])
    return splitter.result()


def answer_in(reasoning: str) -> str:
    """Return the answer within reasoning that an engine sent apart, in place of an answer: its last JSON, else "".

    vLLM's parsers of reasoning do so with the whole answer of a model that doesn't reason, LM Studio and Ollama with an
    answer behind a sentence. JSON that isn't valid, perhaps as it was cut off, counts if there is no other.
    """
    whole, broken, at = "", "", 0
    while opening := _OBJECT.search(reasoning, at):
        at = opening.end()
        if _WITHIN_JSON.search(reasoning[: opening.start()]):
            continue
        try:
            _, at = _DECODER.raw_decode(reasoning, opening.start())
            whole = reasoning[opening.start() : at]
        except (ValueError, RecursionError):
            broken = broken or reasoning[opening.start() :]
    return whole or broken


def unfinished_mark(text: str) -> int:
    """Return the number of characters at the end of a growing text that may be the beginning of a mark."""
    match = _patterns()[2].search(text)
    return len(text) - match.start() if match else 0


class _Splitter:
    def __init__(self) -> None:
        self._texts: list[tuple[bool, str]] = []  # whether a text is between marks of reasoning, and the text
        self._inside: str = ""
        self._start = 0
        self._stray = 0  # the start if an answer follows a closing mark without an opening mark
        self._has_answer = False
        self._has_reasoning = False  # before the answer

    def add(self, text: str) -> None:
        if text.strip() and not self._inside:
            if self._stray > self._start:  # the opening mark was part of the prompt
                self._begin()
            self._has_answer = True
        self._texts.append((bool(self._inside), text))

    def mark(self, kind: str) -> None:
        if self._inside:
            if kind in ("close", "begin") or (kind == "end" and self._inside == "channel"):
                self._inside = ""
                self._has_reasoning |= not self._has_answer
        elif kind in ("open", "channel"):
            self._inside = kind
        elif kind in ("close", "begin"):
            self._stray = len(self._texts)
            if kind == "begin":
                self._begin()

    def result(self) -> SplitAnswer:
        if self._stray > self._start and not self._has_reasoning:
            answer = self._join_texts(is_reasoning=False)
            if _json_end(answer, 0) != len(answer):
                self._begin()
        answer, reasoning = (self._join_texts(is_reasoning=is_reasoning) for is_reasoning in (False, True))
        return SplitAnswer(answer, reasoning)

    def _begin(self) -> None:
        """Begin the answer after the last stray mark: all text before it is reasoning."""
        self._start, self._has_answer, self._has_reasoning = self._stray, False, True

    def _join_texts(self, *, is_reasoning: bool) -> str:
        texts = enumerate(self._texts)
        return "".join(text for at, (inside, text) in texts if (inside or at < self._start) == is_reasoning).strip()


def _marks(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield the marks of a text in their order, without marks that the text only mentions."""
    mark, hint, _, heading = _patterns()
    matches = list(mark.finditer(text)) if hint.search(text) else []
    if not matches:
        return
    inside, start, shown = "", 0, -1
    strings, end = _strings(text, 0), _json_end(text, 0)
    for number, match in enumerate(matches):
        kind = _kind(match)
        if kind == "answer":
            if inside or start or not (heading.match(text) or _ANSWER_START.match(text, match.end())):
                continue
            kind = "begin"
        if not inside and any(first < match.start() and match.end() < last for first, last in strings):
            continue
        if kind in ("open", "close", "begin", "channel") and _is_quoted(text, match, is_answer=not inside):
            continue
        if kind in ("close", "begin") and not inside and shown >= 0 and _continues(text, shown, match):
            continue
        if kind in ("open", "channel"):
            if inside or not (
                _begins(text, start, match.start())
                or _is_after(text, end, match.start())
                or _is_idle(text, matches[number:])
            ):
                shown = match.end()
                continue
            inside = kind
        elif kind in ("close", "begin") or (kind == "end" and inside == "channel"):
            inside, start = "", match.end()
            strings, end = _strings(text, start), _json_end(text, start)
        elif kind == "drop" and not inside and text[start : match.start()].strip() == "":
            start = match.end()  # a mark before the answer
            strings, end = _strings(text, start), _json_end(text, start)
        elif kind == "drop" and not inside and _is_after(text, end, match.start()):
            end = match.end()
        yield kind, match


def _kind(match: re.Match[str]) -> str:
    return (match.lastgroup or "").rstrip("0123456789")


def _begins(text: str, start: int, index: int) -> bool:
    """Return whether reasoning may begin at `index`: at the start of the answer, or of a line."""
    return not text[start:index].strip() or text[:index].rstrip(" \t").endswith("\n")


def _is_after(text: str, end: int, index: int) -> bool:
    """Return whether only blanks are between the `end` of a JSON answer, -1 without an answer, and `index`."""
    return 0 <= end <= index and not text[end:index].strip()


def _is_idle(text: str, marks: list[re.Match[str]]) -> bool:
    """Return whether the first two marks hold no reasoning, and nothing but marks follows them."""
    if len(marks) < 2 or _kind(marks[1]) != "close":
        return False
    gaps = (text[mark.end() : after.start()] for mark, after in pairwise(marks))
    return not any(map(str.strip, gaps)) and not text[marks[-1].end() :].strip()


def _json_end(text: str, start: int) -> int:
    """Return the end of the JSON answer at `start`, with its code fence; -1 if it isn't complete."""
    opening = _ANSWER_START.match(text, start)
    if not opening:
        return -1
    try:
        _, end = _DECODER.raw_decode(text, opening.end())
    except (ValueError, RecursionError):
        return -1
    fence = _FENCE_END.match(text, end)
    return fence.end() if fence else end


def _strings(text: str, start: int) -> list[tuple[int, int]]:
    """Return the ranges of the strings if the text from `start` on is JSON; a line break in a string ends it."""
    opening = _JSON_START.match(text, start)
    return [match.span() for match in _STRING.finditer(text, opening.end())] if opening else []


def _continues(text: str, shown: int, match: re.Match[str]) -> bool:
    """Return whether a sentence continues after a pair of marks in it, the first of which ends at `shown`."""
    return "\n" not in text[shown : match.start()] and (
        text[match.end() : match.end() + 1] in tuple(_QUOTES) or bool(_WITHIN.match(text, match.end()))
    )


def _is_quoted(text: str, match: re.Match[str], *, is_answer: bool) -> bool:
    """Return whether a mark is quoted: between quotation marks, or within a sentence."""
    before, after = text[max(0, match.start() - 2) : match.start()], text[match.end() : match.end() + 1]
    if before[-1:] and before[-1:] in _QUOTES and after and after in _QUOTES:
        return True
    return is_answer and before[-1:] == " " and before[:1].isalnum() and bool(_WITHIN.match(text, match.end()))
