"""Protocol between worker and parent: events and errors as a JSON header, then the raw pictures it refers to.

A message is: u32 header length, header, then the blobs, all big-endian; the header is {"value": …, "blobs": [sizes]}.
Only the classes named here can be received, so a worker that a malformed file has compromised can send nothing else.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import BinaryIO

from app.core import domain, errors
from app.video.keyframes.strategies import Fetched, Known

_LENGTH = struct.Struct(">I")
# Larger than any message of an intact worker. Chosen by hand; not tuned.
_MAX_HEADER_BYTES = 64 << 20
_MAX_BLOB_BYTES = 256 << 20

_VALUES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        domain.VideoInfo,
        domain.Shot,
        domain.Boundary,
        domain.Measures,
        domain.Stretch,
        domain.Keyframe,
        domain.ScreenText,
        domain.ColourArea,
        domain.FrameFacts,
        domain.Notice,
        domain.DecodeSummary,
        domain.Probed,
        domain.SurveyProgress,
        domain.KeyframeFound,
        domain.OpeningChosen,
        domain.KeyframesChosen,
        domain.FactsMeasured,
        domain.Noticed,
        Known,
        Fetched,
        domain.Cue,
        domain.Transcript,
        domain.SoundPiece,
    )
}
_ERRORS: dict[str, type[errors.AppError]] = {cls.__name__: cls for cls in (errors.InputError, errors.DecodeError)}


def _pack(value: object, blobs: list[bytes]) -> object:
    if isinstance(value, errors.AppError):
        return {"$error": type(value).__name__, "key": value.key, "values": _pack(value.values, blobs)}
    if is_dataclass(value) and not isinstance(value, type):
        packed = {field.name: _pack(getattr(value, field.name), blobs) for field in fields(value)}
        return {"$": type(value).__name__, "fields": packed}
    if isinstance(value, bytes):
        blobs.append(value)
        return {"$blob": len(blobs) - 1}
    if isinstance(value, Path):
        return {"$path": str(value)}
    if isinstance(value, tuple | list):
        return [_pack(item, blobs) for item in value]
    if isinstance(value, dict):
        return {"$dict": {str(key): _pack(item, blobs) for key, item in value.items()}}
    return value


def _unpack(value: object, blobs: list[bytes]) -> object:
    if isinstance(value, list):
        return tuple(_unpack(item, blobs) for item in value)
    if not isinstance(value, dict):
        return value
    if "$blob" in value:
        return blobs[value["$blob"]]
    if "$path" in value:
        return Path(value["$path"])
    if "$dict" in value:
        return {key: _unpack(item, blobs) for key, item in value["$dict"].items()}
    if "$error" in value:
        values = _unpack(value["values"], blobs)
        return _ERRORS[value["$error"]](value["key"], **values if isinstance(values, dict) else {})
    return _VALUES[value["$"]](**{name: _unpack(item, blobs) for name, item in value["fields"].items()})


def send(stream: BinaryIO, value: object) -> None:
    """Write one event or error and flush."""
    blobs: list[bytes] = []
    packed = _pack(value, blobs)
    header = json.dumps({"value": packed, "blobs": [len(blob) for blob in blobs]}).encode()
    stream.write(_LENGTH.pack(len(header)) + header)
    for blob in blobs:
        stream.write(blob)
    stream.flush()


def private_output() -> BinaryIO:
    """Return standard output for messages only, and redirect what libraries print to standard error."""
    private = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(private, "wb")


def receive(stream: BinaryIO) -> object | None:
    """Return the next event or error (as a value, not raised), or None at the end of the stream.

    Raises:
        EOFError: A message is incomplete.
        KeyError: A message names an unknown class.
        TypeError: The fields of a message don't fit its class.
        ValueError: A message isn't in this protocol.
    """
    start = stream.read(_LENGTH.size)
    if not start:
        return None
    if len(start) < _LENGTH.size:
        raise EOFError("a message ends in its length")
    header = json.loads(_read(stream, _LENGTH.unpack(start)[0], _MAX_HEADER_BYTES))
    return _unpack(header["value"], [_read(stream, size, _MAX_BLOB_BYTES) for size in header["blobs"]])


def _read(stream: BinaryIO, size: int, limit: int) -> bytes:
    if not 0 <= size <= limit:
        raise ValueError(f"a part of {size} bytes; at most {limit} are expected")
    data = stream.read(size)
    if len(data) < size:
        raise EOFError(f"a message ends after {len(data)} of {size} bytes")
    return data
