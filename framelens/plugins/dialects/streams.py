"""Streams of engines and gateways in the shape that OpenAI declares.

They leave out the empty line after an event or write a field's name twice, split a character over two events, send a
whole message or bare text in place of a delta, the text as a list of parts, reasoning under several names, and the
whole answer again after its pieces (MiniMax). Older versions of llama.cpp have a field `error`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from framelens.plugin.chat import StreamDialect, read_json

_REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
"""Where engines put the text of a model's reasoning."""
_REASONING_PARTS = ("thinking", "reasoning", "reasoning.text", "reasoning.summary")
_FIRST_HALF = re.compile(r'(?<!\\)(\\u[dD][89abAB][0-9a-fA-F]{2})(?=")')
_SECOND_HALF = re.compile(r'(?<=")(?=\\u[dD][c-fC-F][0-9a-fA-F]{2})')
"""Escapes of half a character at the end and at the beginning of a string."""


class AnyStream(StreamDialect):
    """Reader of a stream in any dialect."""

    def __init__(self) -> None:
        self._pending = ""  # data of the event that is being read
        self._half = ""  # the escape of half a character, whose other half is in the next event
        self._answer = ""

    def lines(self, line: str) -> list[str]:
        """Return the lines that a line means."""
        if line.startswith("error:"):
            return ["event: error", line.replace("error", "data", 1)]
        while line.startswith("data:") and line[5:].lstrip().startswith("data:"):
            line = line[5:].lstrip()
        is_data = line.startswith("data:")
        before, self._pending = self._pending, line[5:] if is_data else self._pending if line else ""
        is_cut = before.lstrip().startswith("{") and read_json(before) is None
        if is_data and is_cut:
            self._pending = f"{before}\n{self._pending}"
        return ["", line] if is_data and before and not is_cut else [line]

    def data(self, text: str) -> str:
        """Return the data of an event, with a character that was split over two events joined in the second."""
        if self._half:
            text, self._half = _SECOND_HALF.sub(self._half.replace("\\", r"\\"), text, count=1), ""
        if match := _FIRST_HALF.search(text):
            self._half, text = match[0], text[: match.start()] + text[match.end() :]
        return text

    def choice(self, choice: Mapping[str, Any]) -> dict[str, Any]:
        """Return a choice with a delta of strings, without the text of earlier choices if it has a whole message."""
        delta = choice.get("delta") or choice.get("message")
        if not isinstance(delta, dict):
            delta = {"content": delta or choice.get("text")}
        text, reasoning = _content(delta.get("content"))
        apart = (delta.get(name) for name in _REASONING)
        reasoning = next((thoughts for thoughts in apart if thoughts and isinstance(thoughts, str)), reasoning)
        reasoning = reasoning or _content(delta.get("reasoning_details"))[1]
        called = delta.get("function_call")
        calls = [{"index": 0, "type": "function", "function": called}] if isinstance(called, dict) else None
        text = text or delta.get("refusal") or ""
        if not choice.get("delta") and self._answer and text.startswith(self._answer):
            text, reasoning = text.removeprefix(self._answer), ""
        self._answer += text
        calls = delta.get("tool_calls") or calls
        return {**choice, "delta": {**delta, "content": text, "reasoning_content": reasoning, "tool_calls": calls}}


def _content(content: object) -> tuple[str, str]:
    """Return text and reasoning in the content of a message, which may be a list of parts."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else "", ""
    text, reasoning = "", ""
    for part in content:
        if isinstance(part, dict) and part.get("type") in _REASONING_PARTS:
            thoughts = next((part[name] for name in ("thinking", "reasoning", "text", "summary") if part.get(name)), "")
            reasoning += _content(thoughts)[0]
        else:
            text += _content(part.get("text") if isinstance(part, dict) else part)[0]
    return text, reasoning
