"""What a plugin knows of engines other than vLLM; nothing without the plugin `dialects`.

Every engine is spoken to as a plain OpenAI-compatible server. A dialect adds to what is understood of its answers, and
where it is found on this machine. It doesn't change what is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from framelens import registry

Meaning = Literal[
    "pictures", "picture_count", "single_picture", "picture_size", "picture_shape", "image", "bytes", "quota", "busy",
    "filter", "key", "model", "format", "value", "context", "tools", "path", "gateway", "timeout", "place", "template",
    "crash", "roles",
]  # fmt: skip
"""What is refused: pictures at all, so many pictures, more than one, a picture of this size, one this narrow, an
unreadable picture, so many bytes, an account without credit, a request at this moment, these contents, the key, the
model's name, a schema or an unknown field, the value of an option, so many tokens, tools, the path of the address, a
place on Earth or the law; or a proxy can't reach the engine, or doesn't wait longer for it; or no prompt can be made,
since the model's chat template is missing or broken; or the process of the model has
ended; or the order of user and assistant, or the system role."""
Rule = tuple[Meaning, *tuple[str, ...]]
MarkKind = Literal["open", "close", "begin", "answer", "channel", "end", "drop"]
Ask = Callable[..., Any]
"""Sends a path, and JSON if there is any, to an engine, and returns the parsed answer."""
AskModels = Callable[[Ask], Iterable[tuple[str, bool | None]]]


@dataclass(frozen=True)
class Marks:
    """Marks within answers, as regular expressions.

    Attributes:
        rows: Each mark with what it does: it opens or closes reasoning; it begins the answer, "answer" as a heading;
            it opens a channel of reasoning, which "end" closes; or it is dropped.
        hint: Matches in a text with any of these marks.
        unfinished: Matches the end of a text that may be the beginning of one.
        heading: Matches the heading of reasoning at the beginning of a text whose answer has a heading, too.
    """

    rows: tuple[tuple[MarkKind, str], ...]
    hint: str
    unfinished: str
    heading: str = r"(?!)"


@dataclass(frozen=True)
class LocalServer:
    """An engine that is looked for on this machine.

    Attributes:
        product: Its name.
        port: Its usual port.
        ask_models: Yields the names of its models, and which of them see, None if it doesn't say; gets what
            asks it. May raise what a failed request or an unexpected answer raises.
    """

    product: str
    port: int
    ask_models: AskModels


class StreamDialect:
    """Reader of one stream; this one takes it as OpenAI and vLLM send it."""

    def lines(self, line: str) -> list[str]:
        """Return the lines that a line means."""
        return [line]

    def data(self, text: str) -> str:
        """Return the data of an event as one JSON value."""
        return text

    def choice(self, choice: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a choice of an event, or of a whole answer, with the strings that OpenAI declares."""
        return choice


@dataclass(frozen=True)
class Dialects:
    """Dialects of engines.

    Attributes:
        refusals: Rules as in `framelens.llm.refusal_wordings`, which are tried first.
        marks: Marks within answers.
        servers: Engines that may run on this machine.
        stream: Returns the reader of a stream.
    """

    refusals: tuple[Rule, ...] = ()
    marks: Marks | None = None
    servers: tuple[LocalServer, ...] = ()
    stream: Callable[[], StreamDialect] = StreamDialect


@cache
def dialects() -> Dialects:
    """Return the dialects that the first plugin with any knows."""
    first: Dialects = next(registry.results("dialects"), Dialects())
    return first
