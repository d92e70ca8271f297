"""Streaming splitter of a JSON report into text and pictures, with limits on the memory that either can take."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import IO

from app.core.domain import MOST_FRAMES
from app.core.errors import InputError

MOST_TEXT_BYTES = 64 << 20
"""Limit for one report without its pictures. The largest that FrameLens writes, 256 frames in as many requests, has
some 10 MB."""
MOST_PICTURE_BYTES = 8 << 20
"""Limit for one picture. Pure noise of 1280 x 1280 pixels has 1.5 MB at the quality at which frames are stored."""
_MOST_TEXT_OF_ALL = 1 << 30
_MOST_PICTURES_OF_ALL = 2 << 30
"""Limits for all reports of one file. Chosen by hand; not tuned."""
_MOST_GAIN = 4
"""Bytes of pictures allowed per byte of the file, with a wide margin: JPEGs hardly get smaller in a ZIP, which undoes
the third that Base64 adds."""
_CHUNK = 1 << 20
_PICTURE = re.compile(rb'"picture"\s{0,16}:\s{0,16}"data:image/jpeg;base64,')
_LONGEST_MATCH = 80  # more than the 66 bytes that _PICTURE can match


@dataclass
class Budget:
    """Bytes that the reports of one file may still unpack to."""

    text: int
    pictures: int

    @classmethod
    def for_file(cls, num_bytes: int) -> Budget:
        """Return the budget for a file of this size.

        A library exports up to 500 reports of some 10 MB as one ZIP, so the limits for a whole file are wider than
        those for each report in it.
        """
        return cls(_MOST_TEXT_OF_ALL, _MOST_PICTURES_OF_ALL + _MOST_GAIN * num_bytes)

    def take(self, *, text: int = 0, picture: int = 0, name: str) -> None:
        """Spend bytes of the budget.

        Raises:
            InputError: "report_too_large", if the budget is exceeded.
        """
        self.text -= text
        self.pictures -= picture
        if min(self.text, self.pictures) < 0:
            raise too_large(name)


def too_large(name: str) -> InputError:
    """Return the error for a report beyond the limits."""
    return InputError("report_too_large", name=name, megabytes=MOST_TEXT_BYTES >> 20)


def split(stream: IO[bytes], *, name: str, budget: Budget) -> tuple[bytes, list[bytes]]:
    """Return the text of a report and the JPEGs of its keyframes.

    In the text, "#0", "#1" … replace the Base64 of the pictures. Quotation marks within the strings of a report are
    escaped, so the beginning of a picture cannot be part of a string.

    Args:
        stream: The unpacked JSON.
        name: The file's name, for errors.
        budget: The bytes that the file may still unpack to.

    Raises:
        InputError: The text or a picture is too large, there are too many pictures, or one is not valid Base64.
    """
    text, pictures = bytearray(), list[bytes]()
    encoded: bytearray | None = None
    pending = b""
    while chunk := stream.read(_CHUNK):
        pending += chunk
        while pending:
            if encoded is not None:
                piece, quote, rest = pending.partition(b'"')
                encoded += piece
                budget.take(picture=len(piece), name=name)
                if len(encoded) > MOST_PICTURE_BYTES * 4 // 3:
                    raise too_large(name)
                pending = quote + rest
                if not quote:
                    break
                pictures.append(_decoded(encoded, name))
                text += b"#%d" % (len(pictures) - 1)
                encoded = None
            found = _PICTURE.search(pending)
            if found and len(pictures) == MOST_FRAMES:
                raise InputError("report_too_many_frames", name=name, most=MOST_FRAMES)
            end = found.end() if found else max(0, len(pending) - _LONGEST_MATCH)
            text += pending[:end]
            budget.take(text=end, name=name)
            pending = pending[end:]
            if len(text) > MOST_TEXT_BYTES:
                raise too_large(name)
            if not found:
                break
            encoded = bytearray()
    text += pending
    return bytes(text), pictures


def _decoded(encoded: bytearray, name: str) -> bytes:
    try:
        return base64.b64decode(encoded.replace(b"\\/", b"/"), validate=True)
    except binascii.Error as error:
        raise InputError("report_damaged", name=name, place="keyframes", reason=str(error)) from error
