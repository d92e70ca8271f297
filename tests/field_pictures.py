"""H.264 video of field pictures (PAFF), which no encoder here writes: each macroblock holds its samples as they are.

The syntax follows ITU-T H.264, 7.3: a sequence and a picture parameter set, and slices of I_PCM macroblocks.
"""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, RATE = 160, 96, 25
_TICKS = 90_000
_BLOCK, _I_PCM, _I_SLICES = 16, 25, 7
Plane = NDArray[np.uint8]


class _Bits:
    """Bits of a NAL unit, written as numbers of a fixed length or as Exp-Golomb codes."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def put(self, *pairs: tuple[int, int]) -> None:
        """Write (value, number of bits) pairs."""
        self._parts += [f"{value:0{length}b}" for value, length in pairs]

    def code(self, *values: int) -> None:
        """Write unsigned Exp-Golomb codes."""
        for value in values:
            digits = f"{value + 1:b}"
            self._parts.append("0" * (len(digits) - 1) + digits)

    def taken(self, *, ends: bool) -> bytes:
        """Return what was written, filled up to whole bytes, and begin again; a NAL unit ends with a 1."""
        text = "".join(self._parts) + "1" * ends
        self._parts = []
        text += "0" * (-len(text) % 8)
        return bytes(int(text[place : place + 8], 2) for place in range(0, len(text), 8))


def write_fields(path: Path, *, num_frames: int = 50, apart: bool) -> Path:
    """Write a bar that moves to the right with every field; the second of every two frames is disposable.

    Args:
        path: The ending of its name says the container.
        num_frames: An even number.
        apart: Whether each field has a packet of its own, as in broadcasts, and not both of a frame together.
    """
    order = [0, *(number for last in range(2, num_frames, 2) for number in (last, last - 1)), num_frames - 1]
    head = _parameter_sets()
    whole = head + _field(0, 0, 0, is_first=True, is_kept=True) + _field(0, 1, 0, is_first=False, is_kept=True)
    with av.open(io.BytesIO(whole), format="h264") as model, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(model.streams.video[0])
        stream.time_base = Fraction(1, _TICKS)
        num_kept = 0
        for place, number in enumerate(order):
            is_kept = number % 2 == 0
            fields = [
                _field(number, parity, num_kept, is_first=not place and not parity, is_kept=is_kept)
                for parity in (0, 1)
            ]
            num_kept += is_kept
            fields[0] = fields[0] if place else head + fields[0]
            for data, parity in zip(fields, (0, 1), strict=True) if apart else [(b"".join(fields), 0)]:
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(1, _TICKS)
                packet.pts, packet.dts = (_ticks(2 * one + parity) for one in (number, place - 1))
                packet.is_keyframe = not place and not parity
                container.mux(packet)
    return path


def _ticks(fields: int) -> int:
    return fields * _TICKS // (2 * RATE)


def _nal_unit(head: int, payload: bytes) -> bytes:
    """Return a NAL unit with its start code; a 3 keeps such codes out of its payload."""
    escaped, zeros = bytearray(), 0
    for value in payload:
        if zeros >= 2 and value <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(value)
        zeros = 0 if value else zeros + 1
    return b"\x00\x00\x00\x01" + bytes([head]) + bytes(escaped)


def _parameter_sets() -> bytes:
    bits = _Bits()
    bits.put((77, 8), (0, 8), (40, 8))  # Main profile, level 4
    bits.code(0, 4, 0, 4, 2)  # its number; 8 bits count frames, 8 bits their order; two frames are referred to
    bits.put((0, 1))
    bits.code(WIDTH // _BLOCK - 1, HEIGHT // (2 * _BLOCK) - 1)
    bits.put((0b0010, 4))  # fields are allowed, pairs of macroblocks aren't
    bits.put((0b100001, 6), (1, 32), (2 * RATE, 32), (0b1, 1), (0, 4))  # only the rate is described further
    sequence = _nal_unit(0x67, bits.taken(ends=True))
    bits.code(0, 0)
    bits.put((0, 2))
    bits.code(0, 0, 0)
    bits.put((0, 3))
    bits.code(0, 0, 0)
    bits.put((0b100, 3))
    return sequence + _nal_unit(0x68, bits.taken(ends=True))


def _field(number: int, parity: int, num_kept: int, *, is_first: bool, is_kept: bool) -> bytes:
    """Return the NAL unit of the upper (0) or lower (1) field of a frame."""
    bits = _Bits()
    bits.code(0, _I_SLICES, 0)
    bits.put((num_kept % 256, 8), (1, 1), (parity, 1))
    if is_first:
        bits.code(0)
    bits.put(((2 * number + parity) % 256, 8))
    if is_kept:
        bits.put((0, 2 if is_first else 1))
    bits.code(0, 1)  # the usual step of quantisation; no loop filter
    payload = bytearray()
    for block in _blocks(number, parity):
        bits.code(_I_PCM)
        payload += bits.taken(ends=False) + block
    payload += bits.taken(ends=True)
    return _nal_unit((0x60 if is_kept else 0) | (5 if is_first else 1), bytes(payload))


def _blocks(number: int, parity: int) -> Iterator[bytes]:
    """Yield the samples of each macroblock of a field, luma first."""
    luma: Plane = np.full((HEIGHT // 2, WIDTH), 60, np.uint8)
    left = (4 * number + 2 * parity) % (WIDTH - 40)
    luma[:, left : left + 40] = 220
    for top in range(0, HEIGHT // 2, _BLOCK):
        for start in range(0, WIDTH, _BLOCK):
            yield luma[top : top + _BLOCK, start : start + _BLOCK].tobytes() + bytes([128]) * (_BLOCK**2 // 2)
