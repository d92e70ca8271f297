"""Codec of dataclasses: JSON for the store and for reports, and MessagePack for messages between our processes.

Whatever is read is checked by the annotations of its class. Fields that the class doesn't have, which a later version
may add, are ignored. JSON may have passed through other programs: there, 2.0 and "2" are integers, too. A path survives
even if it isn't UTF-8.
"""

from __future__ import annotations

import re
import struct
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import msgspec
from msgspec import json, msgpack

from framelens.core import errors
from framelens.core.files import readable, restored, storable
from framelens.core.units import rounded_time

T = TypeVar("T")
Other = TypeVar("Other")
_SIZE = struct.Struct(">Q")
_MOST_BYTES = 2 << 30
"""Larger than any message of an intact process."""
_FIELDS = ("__struct_fields__", "__dataclass_fields__", "model_fields")
"""Where msgspec, dataclasses and pydantic keep the names of a class's fields."""
_WORDS_OF_TIME = frozenset({"seconds", "time", "times", "start", "end"})
_HALF = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}(?P<other>\\u[dD][c-fC-F][0-9a-fA-F]{2})?"
    r"|\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"""An escape of half a character in JSON with its other half, if that follows; or a backslash."""
_reading = threading.Lock()
_were_read: set[object] = set()


@dataclass(frozen=True)
class Failure:
    """Form of an AppError in the store and in messages."""

    kind: str
    key: str
    values: dict[str, str | int | float | bool | None]

    @classmethod
    def of(cls, error: errors.AppError) -> Failure:
        """Build the form of an error."""
        simple = (int, float, type(None))
        values = {
            name: value if isinstance(value, simple) else readable(str(value)) for name, value in error.values.items()
        }
        return cls(type(error).__name__, error.key, values)

    def as_error(self) -> errors.AppError:
        """Return the error with its original class, or as a plain AppError if that class no longer exists."""
        kind = getattr(errors, self.kind, None)
        kind = kind if isinstance(kind, type) and issubclass(kind, errors.AppError) else errors.AppError
        error = kind.__new__(kind)
        errors.AppError.__init__(error, self.key, **self.values)
        return error


def valid_escapes(text: str) -> str:
    r"""Return JSON that others wrote without escapes of half a character, which no text can hold.

    >>> valid_escapes(r'"\ud83d and \ud83d\ude00"')
    '"\\ufffd and \\ud83d\\ude00"'
    """
    if "\\ud" not in text and "\\uD" not in text:
        return text
    return _HALF.sub(lambda match: match[0] if match["other"] or match[0] == r"\\" else r"\ufffd", text)


def _plain_value(value: object) -> object:
    if isinstance(value, Path):
        return str(storable(value))
    if hasattr(value, "item"):  # a number of NumPy
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be encoded")


def _convert(kind: type, value: object) -> object:
    if isinstance(value, kind):
        return value
    if issubclass(kind, Path) and isinstance(value, str):
        return restored(Path(value))
    raise TypeError(f"a {type(value).__name__} is no {kind.__name__}")


def _prepare_class(kind: type[T]) -> type[T]:
    """Have msgspec read the annotations of a class and its parts, in one thread at a time; return the class.

    msgspec 0.22 puts what it reads on the class before it is complete. A thread that decodes such a class meanwhile
    ends the process with a segmentation fault.
    """
    if kind not in _were_read:
        with _reading:
            msgpack.Decoder(kind, dec_hook=_convert)
        _were_read.add(kind)
    return kind


def to_json(value: object) -> str:
    """Return a value as JSON. Raises ValueError for text that isn't Unicode."""
    return json.encode(value, enc_hook=_plain_value).decode()


def from_json(text: str | bytes, kind: type[T]) -> T:
    """Return a value of this class from JSON. Raises ValueError if the text is no such value."""
    return json.decode(text, type=_prepare_class(kind), dec_hook=_convert, strict=False)


def to_builtins(value: object) -> Any:
    """Return a value as dictionaries, lists and so on, as a JSON library takes them."""
    return msgspec.to_builtins(value, enc_hook=_plain_value, str_keys=True)


def to_document(value: object) -> Any:
    """Return a value as `to_builtins` does, with times in whole microseconds: for files, answers and standard output.

    Times are the numbers in fields with a word of time in their name. The floating-point value of a time, which finds
    its frame again, has digits that mean nothing to readers: 0.48000000000000004.
    """
    return _without_noise(to_builtins(value), is_time=False)


def _without_noise(value: object, *, is_time: bool) -> object:
    match value:
        case dict():
            return {
                name: _without_noise(inner, is_time=not _WORDS_OF_TIME.isdisjoint(name.split("_")))
                for name, inner in value.items()
            }
        case list() | tuple():
            return [_without_noise(inner, is_time=is_time) for inner in value]
        case float() if is_time:
            return rounded_time(value)
    return value


def from_builtins(value: object, kind: type[T]) -> T:
    """Return a value of this class from what a JSON library returns. Raises ValueError if it doesn't fit."""
    return msgspec.convert(
        value, _prepare_class(kind), dec_hook=_convert, strict=False, str_keys=True, from_attributes=True
    )


def build(kind: type[T], *sources: object, **values: object) -> T:
    """Build an object from `values`, and its other fields from attributes of the same name of the sources.

    Parts of a source are converted to the classes that the object has in their place; a pydantic model converts them
    itself. Raises ValueError if a part can't be converted.
    """
    names = next(getattr(kind, attribute) for attribute in _FIELDS if hasattr(kind, attribute))
    parts = {name: getattr(source, name) for source in sources for name in names if hasattr(source, name)} | values
    if validate := getattr(kind, "model_validate", None):
        return cast("T", validate(parts, from_attributes=True))
    return from_builtins(parts, kind)


def send(stream: BinaryIO, value: object) -> None:
    """Write a message and flush."""
    data = msgpack.encode((type(value).__name__, value), enc_hook=_plain_value)
    stream.write(_SIZE.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO, kind: type[T], *others: type[Other]) -> T | Other | None:
    """Return the next message, or None at the end of the stream.

    Only these classes can be received: a process that a malformed file has compromised can send nothing else.

    Raises:
        EOFError: A message is incomplete.
        ValueError: A message is too large, of another class, or has fields that don't fit its class.
    """
    if not (start := stream.read(_SIZE.size)):
        return None
    if len(start) < _SIZE.size:
        raise EOFError("a message ends in its size")
    if (size := _SIZE.unpack(start)[0]) > _MOST_BYTES:
        raise ValueError(f"a message of {size} bytes; at most {_MOST_BYTES} are expected")
    if len(data := stream.read(size)) < size:
        raise EOFError(f"a message ends after {len(data)} of {size} bytes")
    kinds: tuple[type[T] | type[Other], ...] = (kind, *others)
    try:
        name, body = msgpack.decode(data, type=tuple[str, msgspec.Raw])
        if not (matching := next((candidate for candidate in kinds if candidate.__name__ == name), None)):
            raise ValueError(f"a message of the class {name[:60]!r}")
        return msgpack.decode(body, type=_prepare_class(matching), dec_hook=_convert)
    except RecursionError as error:
        raise ValueError("a message is too deep") from error
