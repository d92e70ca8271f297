r"""Output of commands to the terminal, cleaned so that no text from outside controls the terminal.

Names of files, answers of models, tags and imported reports may hold control characters, with which a terminal changes
its title, moves its cursor or types in the user's place. They are shown as escapes such as `\u001b`, which mean the
same character in JSON.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from framelens.core.files import readable

if TYPE_CHECKING:
    from rich.console import Console

_CODES = (*range(32), *range(127, 160), 0x61C, 0x200E, 0x200F)
"""Control characters, and bidirectional marks in addition to the marks that `core.files.readable` escapes."""
_CONTROLS = {code: f"\\u{code:04x}" for code in _CODES if chr(code) not in "\n\t"}
_BLANKS_AT_ENDS = re.compile(r" +(?=\n|$)")
_REDRAW = "\r\033[K"


def clean(text: str) -> str:
    """Return text with control characters, except line breaks and tabs, and bidirectional marks escaped."""
    return readable(text.replace("\r\n", "\n")).translate(_CONTROLS)


class _CleanStream:
    """A text stream that cleans its text. All other attributes are the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self.raw = stream

    def write(self, text: str) -> int:
        return self.raw.write(clean(text))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


class _MessageStream(_CleanStream):
    """Standard error, whose messages are discarded once they can't be written: a full disk doesn't end the work."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            raise
        except OSError:
            discard(self.raw)
            return len(text)


def discard(stream: TextIO) -> None:
    """Discard the output of a stream from now on: otherwise Python's final flush fails."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def clean_streams() -> Iterator[None]:
    """Clean the text that is written to standard output and standard error within the context."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = cast(TextIO, _CleanStream(before[0])), cast(TextIO, _MessageStream(before[1]))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def write_document(document: bytes) -> None:
    """Write JSON to standard output, cleaned like text but in UTF-8 whatever the terminal's encoding is."""
    sys.stdout.flush()
    _raw(sys.stdout).buffer.write(clean(document.decode()).encode())
    sys.stdout.flush()


def redraw(line: str) -> None:
    """Write a line on standard error over the previous line; "" only removes it."""
    stream = _raw(sys.stderr)
    stream.write(f"{_REDRAW}{clean(line)}")
    stream.flush()


def console(*, to_errors: bool = False, width: int | None = None) -> Console:
    """Return a console that cleans the texts of tables and bars and draws them with its own controls.

    Lines of tables don't end in blanks.
    """
    from rich.console import Console, ConsoleOptions, RenderableType  # most commands start without it
    from rich.segment import Segment
    from rich.table import Table

    class CleanConsole(Console):
        def print(self, *objects: Any, **options: Any) -> None:
            if not any(isinstance(item, Table) for item in objects):
                super().print(*objects, **options)
                return
            with self.capture() as captured:
                super().print(*objects, **options)
            self.file.write(_BLANKS_AT_ENDS.sub("", captured.get()))

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich itself would end the program with exit code 1

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(clean(segment.text), segment.style)

    return CleanConsole(file=_raw(sys.stderr if to_errors else sys.stdout), highlight=False, width=width)


def _raw(stream: TextIO) -> TextIO:
    return stream.raw if isinstance(stream, _CleanStream) else stream
