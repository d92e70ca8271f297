"""Disposable frames: which packets don't reach the decoder, and that leaving them out changes no other frame."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet
from av.video.frame import PictureType

from framelens.video.readers.packets import DisplayOrder, NalUnits, demuxed

_ENCODERS = {
    "h264": ("libx264", {"bf": "3", "b_strategy": "0"}),
    "hevc": ("libx265", {"x265-params": "bframes=3:b-adapt=0:log-level=none"}),
}


@pytest.fixture(
    params=[("h264", ".mp4"), ("h264", ".ts"), ("hevc", ".mp4"), ("hevc", ".ts")], ids=lambda it: "".join(it)
)
def coded(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A moving picture with frames on which no other depends, with and without lengths before its NAL units."""
    codec, suffix = request.param
    encoder, options = _ENCODERS[codec]
    noise = np.random.default_rng(1).integers(0, 255, (112, 400), np.uint8)
    path = tmp_path / f"coded{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 192, 112, "yuv420p"
        for number in range(40):
            image = noise[:, 3 * number : 3 * number + 192]
            frame = av.VideoFrame.from_ndarray(np.dstack([image] * 3), format="rgb24")
            frame.pict_type = PictureType.NONE  # the encoder decides
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded(path: Path, *, leaves_out: bool) -> tuple[dict[int | None, bytes], int]:
    """Decode with FFmpeg's own skipping; return the pictures by their time, and how many packets were left out."""
    pictures: dict[int | None, bytes] = {}
    num_left_out = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONREF"
        units = NalUnits(stream.codec_context.name, stream.codec_context.extradata)
        for packet in container.demux(stream):
            if leaves_out and packet.size and units.is_disposable(packet):
                num_left_out += 1
                continue
            for frame in packet.decode():
                pictures[frame.pts] = frame.to_ndarray().tobytes()
    return pictures, num_left_out


def test_packets_left_out_change_no_other_frame(coded: Path) -> None:
    found, num_left_out = decoded(coded, leaves_out=True)
    assert num_left_out >= 5
    assert found == decoded(coded, leaves_out=False)[0]
    assert len(found) + num_left_out == 40


def test_packet_that_is_cut_off_reaches_the_decoder() -> None:
    units = NalUnits("h264", b"\x01\x64\x00\x1f\xff")
    whole = b"\x00\x00\x00\x05\x01abcd"
    assert units.is_disposable(Packet(whole))
    assert not units.is_disposable(Packet(whole[:-1]))
    assert not units.is_disposable(Packet(b"\x00\x00\x00\x05\x41abcd"))  # others refer to it


@pytest.mark.parametrize("version", [0, 2])
def test_unknown_record_sends_all_packets_to_the_decoder(version: int) -> None:
    packet = Packet(b"\x00\x00\x01\x00\x02" + bytes(255))  # its length looks like a start code
    record = bytes([1, *[0] * 20, 3, 0])
    assert not NalUnits("hevc", record).is_disposable(packet)
    assert not NalUnits("hevc", bytes([version]) + record[1:]).is_disposable(packet)
    assert NalUnits("hevc", b"\x00\x00\x00\x01\x40\x01").is_disposable(packet)


@pytest.mark.parametrize("kind", [7, 8])
def test_packet_with_parameters_reaches_the_decoder(kind: int) -> None:
    units = NalUnits("h264", None)
    slices = b"\x00\x00\x01\x01abcd"
    assert units.is_disposable(Packet(b"\x00\x00\x01\x06ab" + slices))
    assert not units.is_disposable(Packet(b"\x00\x00\x01" + bytes([kind]) + b"ab" + slices))


def test_frames_of_the_same_time_are_counted_one_by_one() -> None:
    order = DisplayOrder(0.001)
    for pts in (0, 40, 40, 80, 120, 120, 160):
        order.note(pts, is_whole=False)
    assert [order.place(pts, is_whole=False) for pts in (0, 40, 40, 80, 120, 120, 160)] == list(range(7))


def test_parts_that_overlap_are_counted_one_after_the_other() -> None:
    order = DisplayOrder(0.001)
    for number, pts in enumerate((0, 80, 40, 120, 80, 160, 120, 200)):
        order.note(pts, is_whole=number in (0, 4))
    shown = ((0, True), (40, False), (80, False), (80, True), (160, False), (200, False))
    assert [order.place(pts, is_whole=is_whole) for pts, is_whole in shown] == [0, 1, 2, 4, 6, 7]


class _Stored:
    """A packet of Theora; PyAV's library has no encoder for it."""

    stream = SimpleNamespace(index=0, type="data", codec_context=SimpleNamespace(name="theora"))
    pts = dts = None

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bytes__(self) -> bytes:
        return self._data


def test_headers_of_a_joined_theora_are_no_frames() -> None:
    stored = [_Stored(first + b"theora") for first in (b"\x3f", b"\x80", b"\x81", b"\x82", b"\x00")] + [_Stored(b"")]
    container: Any = SimpleNamespace(format=SimpleNamespace(name="ogg"), demux=lambda: stored)
    assert [bytes(one)[:1] for one in demuxed(container)] == [b"\x3f", b"\x00", b""]
