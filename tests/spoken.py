"""Writes small videos with a sound track and subtitle tracks, each with the start that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from av.stream import Disposition
from numpy.typing import NDArray

from tests.media import COLOURS, solid

RATE = 16_000
Sound = NDArray[np.int16]
Line = tuple[float, float, str]


@dataclass(frozen=True)
class Track:
    """Subtitles: (start, end, text) in seconds, written with `codec` as the raw bytes of that kind of track."""

    lines: Sequence[Line]
    codec: str = "mov_text"
    language: str = ""
    is_default: bool = False
    title: str = ""
    encoding: str = "utf-8"


def tone(seconds: float, hertz: float = 440.0, loud: int = 8000) -> Sound:
    return (loud * np.sin(np.arange(round(seconds * RATE)) * 2 * np.pi * hertz / RATE)).astype(np.int16)


def quiet(seconds: float) -> Sound:
    """No sound at all."""
    return np.zeros(round(seconds * RATE), np.int16)


def write_spoken(
    path: Path,
    *,
    seconds: float = 4.0,
    picture_start: float = 0.0,
    sound: Sound | None = None,
    sound_start: float = 0.0,
    sound_codec: str = "pcm_s16le",
    tracks: Sequence[Track] = (),
    muxer: Mapping[str, str] | None = None,
) -> Path:
    """A video of a single colour, 10 frames a second, beginning at `picture_start` on the container's clock."""
    with av.open(str(path), "w", options=dict(muxer or {})) as container:
        picture = container.add_stream("libx264", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        picture.options = {"preset": "ultrafast", "bf": "0"}
        speaker = container.add_stream(sound_codec, rate=RATE, layout="mono") if sound is not None else None
        written = [_add_track(container, track) for track in tracks]
        for stream, track in zip(written, tracks, strict=True):
            for line in track.lines:
                container.mux(_packet(stream, track, line))
        for index in range(round(seconds * 10)):
            frame = av.VideoFrame.from_ndarray(solid(COLOURS["blue"], 64, 48), format="rgb24")
            frame.pts, frame.time_base = index + round(picture_start * 10), Fraction(1, 10)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if speaker is not None and sound is not None:
            for place in range(0, len(sound), RATE):
                block = av.AudioFrame.from_ndarray(sound[place : place + RATE].reshape(1, -1), "s16", "mono")
                block.sample_rate, block.time_base = RATE, Fraction(1, RATE)
                block.pts = place + round(sound_start * RATE)
                container.mux(speaker.encode(block))
            container.mux(speaker.encode(None))
    return path


def write_surround(path: Path, channel: int, codec: str = "pcm_s16le", layout: str = "7.1") -> Path:
    """Two seconds of a picture, and sound with a tone in `channel` alone."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        speaker = container.add_stream(codec, rate=RATE, layout=layout)
        for _ in range(20):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(solid(COLOURS["blue"], 64, 48), format="rgb24")))
        container.mux(picture.encode(None))
        channels = np.zeros((2 * RATE, av.AudioLayout(layout).nb_channels), np.int16)
        channels[:, channel] = tone(2)
        block = av.AudioFrame.from_ndarray(channels.reshape(1, -1), "s16", layout)
        block.sample_rate, block.pts, block.time_base = RATE, 0, Fraction(1, RATE)
        container.mux([*speaker.encode(block), *speaker.encode(None)])
    if path.suffix == ".mov":  # the order of the channels in Apple's MPEG_7_1_C: the sides before the back
        data = path.read_bytes()
        path.write_bytes(data.replace(bytes.fromhex("00010000 0000063f"), bytes.fromhex("00800008 00000000")))
    return path


def write_programmes(path: Path, *sounds: Sound | None) -> Path:
    """A transport stream of several programmes, each with a picture and the sound given for it, if any."""
    parts, entries = [], b""
    for number, sound in enumerate(sounds, 1):
        muxer = {"mpegts_service_id": number, "mpegts_start_pid": 256 * number, "mpegts_pmt_start_pid": 4096 + number}
        options = {name: str(value) for name, value in muxer.items()}
        one = path.with_name(f"{number}.ts")
        data = write_spoken(one, sound=sound, sound_codec="mp2", muxer=options).read_bytes()
        packets = [data[place : place + 188] for place in range(0, len(data), 188)]
        parts.append([packet for packet in packets if int.from_bytes(packet[1:3], "big") & 0x1FFF > 31])
        entries += number.to_bytes(2, "big") + (0xE000 | 4096 + number).to_bytes(2, "big")
    table = b"\0" + (0xB000 | len(entries) + 9).to_bytes(2, "big") + b"\0\1\xc1\0\0" + entries
    head = b"\x47\x40\0\x10\0" + table + _check(table)
    mixed = [packet for several in zip_longest(*parts) for packet in several if packet]
    path.write_bytes(head.ljust(188, b"\xff") + b"".join(mixed))
    return path


def _check(table: bytes) -> bytes:
    """The checksum of a table in a transport stream (ISO/IEC 13818-1, annex A)."""
    value = 0xFFFFFFFF
    for byte in table:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value >> 31 else value << 1) & 0xFFFFFFFF
    return value.to_bytes(4, "big")


def _add_track(container: av.container.OutputContainer, track: Track) -> av.subtitles.stream.SubtitleStream:
    stream = container.add_stream(track.codec)
    stream.time_base = Fraction(1, 1000)
    stream.codec_context.time_base = Fraction(1, 1000)
    stream.codec_context.subtitle_header = _ASS_HEADER
    if track.language:
        stream.metadata["language"] = track.language
    if track.title:
        stream.metadata["title"] = track.title
    stream.disposition = Disposition.default if track.is_default else Disposition(0)
    return stream


_ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
"""Every encoder of subtitles asks for it, though the packets are written here."""


def _packet(stream: av.subtitles.stream.SubtitleStream, track: Track, line: Line) -> Packet[av.stream.Stream]:
    start, end, text = line
    data = text.encode(track.encoding)
    if track.codec == "mov_text":
        data = len(data).to_bytes(2, "big") + data
    if track.codec == "ass":
        data = b"0,0,Default,,0,0,0,," + data
    packet = Packet(data)
    packet.stream = stream
    packet.time_base = Fraction(1, 1000)
    packet.pts = packet.dts = round(start * 1000)
    packet.duration = round((end - start) * 1000)
    packet.is_keyframe = True
    return packet


def captioned(text: str, *codes: int) -> list[bytes]:
    """Pairs of bytes of closed captions (CEA-608, channel 1): control codes, each sent twice, then the text."""
    pairs = [pair for code in codes for pair in [bytes([0x14, code])] * 2]
    padded = text.encode("ascii") + b"\0" * (len(text) % 2)
    return [
        bytes(_with_parity(one) for one in pair)
        for pair in (*pairs, *(padded[i : i + 2] for i in range(0, len(padded), 2)))
    ]


def _with_parity(byte: int) -> int:
    return byte | 0x80 * (byte.bit_count() % 2 == 0)


def digital_captions(block: bytes, service: int = 1) -> bytes:
    """A packet of CEA-708 with a block of a service, as the bytes that belong to a picture."""
    data = bytes([service << 5 | len(block)]) + block
    size = (len(data) + 2) // 2
    packet = (bytes([size]) + data).ljust(2 * size, b"\0")
    pairs = [packet[place : place + 2] for place in range(0, len(packet), 2)]
    return b"".join(bytes([0xFF if number == 0 else 0xFE]) + pair for number, pair in enumerate(pairs))


def write_captioned(
    path: Path,
    timed: Sequence[tuple[float, list[bytes]]],
    *,
    seconds: float,
    codec: str,
    digital: Mapping[int, bytes] | None = None,
) -> Path:
    """A video of 25 frames a second with B-frames, whose pictures carry pairs of closed captions from a time on.

    `digital` has blocks of CEA-708 by the pictures that carry them.
    """
    queue = {round(start * 25) + place: pair for start, pairs in timed for place, pair in enumerate(pairs)}
    with av.open(str(path), "w") as container:
        picture = container.add_stream(codec, rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        picture.options = {"bf": "2"}
        for index in range(round(seconds * 25)):
            frame = av.VideoFrame.from_ndarray(solid(COLOURS["blue"], 64, 48), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            for packet in picture.encode(frame):
                container.mux(_with_captions(packet, queue, codec, digital or {}))
        for packet in picture.encode(None):
            container.mux(_with_captions(packet, queue, codec, digital or {}))
    return path


def _with_captions(packet: Packet, queue: Mapping[int, bytes], codec: str, digital: Mapping[int, bytes]) -> Packet:
    assert packet.pts is not None
    number = round(float(packet.pts * packet.time_base) * 25)
    triples = b"\xfc" + queue.get(number, b"\x80\x80") + b"\xf9\x00\x00\xfa\x00\x00"
    if number in digital:
        triples += digital_captions(digital[number])
    data, user = bytes(packet), b"GA94\x03" + bytes([0x40 | len(triples) // 3]) + b"\xff" + triples + b"\xff"
    if codec == "mpeg2video":
        place = data.index(b"\0\0\1\1")  # the first slice
        data = data[:place] + b"\0\0\1\xb2" + user + data[place:]
    else:
        unit = bytes([6, 4, len(user) + 3]) + b"\xb5\x00\x31" + user.replace(b"\0\0\2", b"\0\0\3\2") + b"\x80"
        data = (
            (b"\0\0\0\1" if data[2:4] in (b"\0\1", b"\1\t") or data[:3] == b"\0\0\1" else len(unit).to_bytes(4, "big"))
            + unit
            + data
        )
    changed = Packet(data)
    changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
    changed.stream, changed.is_keyframe = packet.stream, packet.is_keyframe
    return changed
