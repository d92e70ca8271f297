"""Orientation, cropping and pixel aspects of pictures."""

import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from framelens.video.readers import READERS, track_header
from framelens.video.readers.base import FrameReader, Image
from framelens.video.readers.geometry import Crop, Orientation, shown_size
from framelens.video.readers.pyav import AvReader
from framelens.video.seeking import AccurateSeeker
from tests.kinds import scenes
from tests.media import COLOURS, solid, with_clean_aperture, write_video

Open = Callable[[Path], FrameReader]
CORNERS = ("red", "green", "blue", "white")  # top left and right, bottom left and right, as stored


@pytest.fixture(params=sorted(READERS))
def opened(request: pytest.FixtureRequest) -> Open:
    return READERS[request.param]


def corners(width: int = 160, height: int = 96) -> Image:
    image = solid((0, 0, 0), width, height)
    for place, name in enumerate(CORNERS):
        row, column = divmod(place, 2)
        rows = slice(row * height // 2, (row + 1) * height // 2)
        image[rows, column * width // 2 : (column + 1) * width // 2] = COLOURS[name]
    return image


def corners_of(shown: Image) -> tuple[str, ...]:
    height, width = shown.shape[:2]
    found = []
    for row, column in ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)):
        pixel = shown[int(row * height), int(column * width), ::-1].astype(int)
        found.append(min(CORNERS, key=lambda name: int(np.abs(pixel - np.array(COLOURS[name])).sum())))
    return tuple(found)


def write_turned(path: Path, rotation: int, *, is_mirrored: bool) -> Path:
    """Write a video whose matrix mirrors it left to right, then rotates it clockwise."""
    turn = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[rotation]
    a, b, c, d = (number << 16 for number in turn)
    if is_mirrored:
        a, b = -a, -b
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.set_display_matrix((a, b, 0, c, d, 0, 0, 0, 1 << 30))
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(corners(), "rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turned(rotation: int, *, is_mirrored: bool) -> tuple[str, ...]:
    """Return the corners that FFmpeg's automatic rotation shows: `hflip`, then `transpose=clock` once a quarter."""
    places = np.array(CORNERS).reshape(2, 2)
    places = places[:, ::-1] if is_mirrored else places
    return tuple(str(name) for name in np.rot90(places, -rotation // 90).reshape(-1))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_all_eight_orientations_are_shown(
    opened: Open, tmp_path: Path, rotation: int, *, is_mirrored: bool, suffix: str
) -> None:
    path = write_turned(tmp_path / f"turned.{suffix}", rotation, is_mirrored=is_mirrored)
    with opened(path) as reader:
        shown = next(iter(reader.frames())).upright(1280)
        info = reader.info
    assert (info.rotation_degrees, info.is_mirrored) == (rotation, is_mirrored)
    assert shown.shape[:2] == (info.height, info.width) == ((160, 96) if rotation % 180 else (96, 160))
    assert corners_of(shown) == turned(rotation, is_mirrored=is_mirrored)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_ffmpeg_rotates_pictures_alike(tmp_path: Path, rotation: int, *, is_mirrored: bool) -> None:
    path, picture = write_turned(tmp_path / "turned.mp4", rotation, is_mirrored=is_mirrored), tmp_path / "shown.png"
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "1", str(picture)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    theirs = cv2.imread(str(picture))
    with AvReader(path) as reader:
        ours = next(iter(reader.frames())).upright(1280)
    assert theirs is not None and corners_of(np.asarray(theirs)) == corners_of(ours)
    assert theirs.shape == ours.shape


def test_a_seek_shows_mirrored_pictures_mirrored(tmp_path: Path) -> None:
    path = write_turned(tmp_path / "turned.mp4", 90, is_mirrored=True)
    with AvReader(path) as reader:
        info = reader.info
    with AccurateSeeker(info) as seeker:
        assert corners_of(seeker.at(0.04).upright(1280)) == turned(90, is_mirrored=True)


def test_orientation_nearest_to_a_matrix_is_taken() -> None:
    assert Orientation.of_matrix(1, 0, 0, 1) == Orientation()
    assert Orientation.of_matrix(0.05, 1, -1, 0.05) == Orientation(90)
    assert Orientation.of_matrix(-2, 0, 0, 1) == Orientation(0, is_mirrored=True)
    assert Orientation.of_matrix(0, 0, 0, 0) == Orientation()


def test_non_square_pixels_set_display_size() -> None:
    assert shown_size(720, 576, 64 / 45) == (1024, 576)
    assert shown_size(720, 480, 8 / 9) == (720, 540)
    assert Orientation(90).size(1920, 1080) == (1080, 1920)


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "options"), [("libx264", {"bf": "3"}), ("mpeg2video", {"bf": "2"})])
def test_pixel_aspect_follows_each_frame(tmp_path: Path, codec: str, options: dict[str, str]) -> None:
    parts = b""
    for aspect in (Fraction(16, 15), Fraction(64, 45)):
        path = tmp_path / f"{aspect.numerator}.ts"
        images = [solid(COLOURS["red"], 720, 576)] * 10
        parts += write_video(path, images, codec=codec, options=options, pixel_aspect=aspect).read_bytes()
    whole = tmp_path / "whole.ts"
    whole.write_bytes(parts)
    with AvReader(whole) as reader:
        widths = [picture.upright(4000).shape[1] for picture in reader.frames()]
    assert widths == [768] * 10 + [1024] * 10


def element(kind: int, *parts: bytes | int) -> bytes:
    """Build an element of Matroska."""
    body = b"".join(part if isinstance(part, bytes) else part.to_bytes(4) for part in parts)
    return kind.to_bytes((kind.bit_length() + 7) // 8) + (len(body) | 1 << 56).to_bytes(8) + body


def write_matroska(path: Path, image: Image, *video: bytes) -> Path:
    """Write a picture as JPEG, with further elements of its track."""
    data = cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()
    size = (element(0xB0, image.shape[1]), element(0xBA, image.shape[0]))
    track = element(
        0xAE,
        element(0xD7, 1),
        element(0x73C5, 1),
        element(0x83, 1),
        element(0x86, b"V_MJPEG"),
        element(0xE0, *size, *video),
    )
    block = element(0xA3, b"\x81\x00\x00\x80" + data)
    path.write_bytes(
        element(0x1A45DFA3, element(0x4282, b"matroska"), element(0x4287, 4), element(0x4285, 2))
        + element(
            0x18538067,
            element(0x1549A966, element(0x2AD7B1, 1_000_000)),
            element(0x1654AE6B, track),
            element(0x1F43B675, element(0xE7, 0), block),
        )
    )
    return path


def bordered() -> Image:
    """Return corners of 120 x 64 within gray: 8 left, 32 right, 20 above, 12 below."""
    image = solid((128, 128, 128))
    image[20:84, 8:128] = corners(120, 64)
    return image


CROPPED = (element(0x54CC, 8), element(0x54DD, 32), element(0x54BB, 20), element(0x54AA, 12))


def test_cropping_of_matroska_is_applied(opened: Open, tmp_path: Path) -> None:
    path = write_matroska(tmp_path / "cropped.mkv", bordered(), *CROPPED)
    with opened(path) as reader:
        picture = next(iter(reader.frames()))
        assert (reader.info.width, reader.info.height) == (120, 64)
    shown = picture.upright(1280)
    assert shown.shape == (64, 120, 3)
    assert corners_of(shown) == CORNERS
    assert shown[2, 2, 2] > 200 > 60 > shown[2, 2, 0]  # red up to its edge
    assert int(picture.luma()[88, 158]) > 200  # white in the survey, too


def test_display_size_is_that_of_the_cropped_picture(opened: Open, tmp_path: Path) -> None:
    display = (element(0x54B0, 16), element(0x54BA, 4), element(0x54B2, 3))
    path = write_matroska(tmp_path / "wide.mkv", bordered(), *CROPPED, *display)
    with opened(path) as reader:
        assert (reader.info.width, reader.info.height) == (256, 64)
        assert next(iter(reader.frames())).upright(1280).shape == (64, 256, 3)


@pytest.mark.slow
def test_clean_aperture_of_mp4_is_applied(opened: Open, tmp_path: Path) -> None:
    path = write_video(tmp_path / "clap.mp4", [bordered()] * 3)
    with_clean_aperture(path, 120, 1, 64, 1, -12, 1, 4, 1)
    with opened(path) as reader:
        shown = next(iter(reader.frames())).upright(1280)
        assert (reader.info.width, reader.info.height) == (120, 64)
    assert corners_of(shown) == CORNERS


def test_a_crop_that_leaves_nothing_is_ignored(tmp_path: Path) -> None:
    path = write_matroska(tmp_path / "none.mkv", bordered(), element(0x54CC, 100), element(0x54DD, 100))
    assert track_header.read(path).crop == Crop()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_header_cut_off_gives_no_error(tmp_path: Path, share: float) -> None:
    path = write_matroska(tmp_path / "whole.mkv", bordered(), *CROPPED)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * 400)])
    track_header.read(path)


def test_dolby_vision_profile_of_mp4_is_read(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [solid(COLOURS["blue"])] * 3)
    data = path.read_bytes()
    place = data.index(b"btrt")  # a box as large as a record of Dolby Vision may be
    path.write_bytes(data[:place] + b"dvcC" + bytes([1, 0, 5 << 1]) + data[place + 7 :])
    assert track_header.read(path).dolby_vision_profile == 5
    with AvReader(path) as reader:
        assert reader.info.dynamic_range == "Dolby Vision profile 5"
        assert not reader.info.is_tone_mapped


def test_dolby_vision_profile_of_matroska_is_read(tmp_path: Path) -> None:
    def element(kind: str, content: bytes) -> bytes:
        return bytes.fromhex(kind) + bytes([0x80 | len(content)]) + content

    mapping = element("41e4", element("41e7", b"dvcC") + element("41ed", bytes([1, 0, 5 << 1, 8])))
    video = element("e0", element("b0", b"\x40") + element("ba", b"\x30"))
    tracks = element("1654ae6b", element("ae", element("83", b"\x01") + video + mapping))
    path = tmp_path / "a.mkv"
    path.write_bytes(element("1a45dfa3", b"") + element("18538067", tracks))
    assert track_header.read(path).dolby_vision_profile == 5


def test_asking_for_an_orientation_does_not_keep_the_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", [corners()])
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    num_references = sys.getrefcount(frame)
    assert Orientation.of(frame) == Orientation()
    assert sys.getrefcount(frame) == num_references


TURNED_LEFT = bytes.fromhex("00000007 06 2f03 080009 80")
"""SEI message of a display orientation of 90 degrees that persists, with its length before it as in MP4."""


def test_orientation_in_h264_holds_for_the_coded_sequence(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.mp4", [corners(320, 240)] * 12, options={"g": "6", "bf": "2"})
    path = tmp_path / "turned.mp4"
    with av.open(str(plain)) as before, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(before.streams.video[0])
        for number, packet in enumerate(before.demux(video=0)):
            if packet.size:
                changed = av.Packet((b"" if number else TURNED_LEFT) + bytes(packet))
                changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
                changed.stream, changed.is_keyframe = stream, packet.is_keyframe
                container.mux(changed)
    with AvReader(path) as reader:
        info = reader.info
        assert [picture.upright(320).shape[:2] for picture in reader.frames()] == [(320, 240)] * 6 + [(240, 320)] * 6
    with AccurateSeeker(info) as seeker:
        assert [seeker.at(number / 25).upright(320).shape[0] for number in (3, 8, 4)] == [320, 240, 320]


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """The boxes of an MP4 file: kind, and the places of the box, of its content and of its end."""
    while start < end:
        size, kind = struct.unpack_from(">I4s", data, start)
        yield kind, start, start + 8, start + size
        start += size


def table_of(path: Path) -> tuple[dict[bytes, bytes], list[bytes]]:
    """The boxes of the sample table of an MP4 file with a single track, and its samples."""
    data = path.read_bytes()
    start, end = 0, len(data)
    for wanted in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        start, end = next((inner, after) for kind, _, inner, after in boxes(data, start, end) if kind == wanted)
    table = {kind: data[inner:after] for kind, _, inner, after in boxes(data, start, end)}
    with av.open(str(path)) as container:
        return table, [bytes(packet) for packet in container.demux(video=0) if packet.size]


def box(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def joined(first: Path, second: Path, path: Path) -> Path:
    """A track with the samples of two files without B-frames, each file with its own description."""
    data, (one, samples), (other, more) = first.read_bytes(), table_of(first), table_of(second)
    count = len(samples) + len(more)
    number = struct.Struct(">I").pack

    def table(place: int) -> bytes:
        return box(
            b"stbl",
            box(b"stsd", number(0), number(2), one[b"stsd"][8:], other[b"stsd"][8:]),
            box(b"stts", number(0), number(1), number(count), one[b"stts"][12:16]),
            box(b"stss", number(0), number(2), number(1), number(len(samples) + 1)),
            box(b"stsc", struct.pack(">8I", 0, 2, 1, len(samples), 1, 2, len(more), 2)),
            box(b"stsz", number(0), number(0), number(count), *(number(len(one)) for one in (*samples, *more))),
            box(b"stco", struct.pack(">4I", 0, 2, place, place + sum(map(len, samples)))),
        )

    def copied(start: int, end: int, place: int) -> bytes:
        parts = b""
        for kind, begin, inner, after in boxes(data, start, end):
            if kind in (b"moov", b"trak", b"mdia", b"minf"):
                parts += box(kind, copied(inner, after, place))
            elif kind in (b"mvhd", b"tkhd", b"mdhd"):  # twice the duration
                body = bytearray(data[inner:after])
                at = 20 if kind == b"tkhd" else 16
                struct.pack_into(">I", body, at, 2 * struct.unpack_from(">I", body, at)[0])
                parts += box(kind, bytes(body))
            elif kind != b"edts":
                parts += table(place) if kind == b"stbl" else data[begin:after]
        return parts

    kinds = {kind: (begin, after) for kind, begin, _, after in boxes(data, 0, len(data))}
    head = data[slice(*kinds[b"ftyp"])]
    size = len(copied(*kinds[b"moov"], 0))
    path.write_bytes(head + copied(*kinds[b"moov"], len(head) + size + 8) + box(b"mdat", *samples, *more))
    return path


@pytest.mark.slow
def test_each_description_of_samples_has_its_pixel_aspect(tmp_path: Path) -> None:
    options = {"bf": "0", "g": "50", "preset": "ultrafast"}
    square = write_video(tmp_path / "a.mp4", [corners(160, 96)] * 10, options=options)
    wide = write_video(tmp_path / "b.mp4", [corners(320, 240)] * 10, options=options, pixel_aspect=Fraction(4, 3))
    with AvReader(joined(square, wide, tmp_path / "c.mp4")) as reader:
        shapes = [picture.upright(4000).shape[1::-1] for picture in reader.frames()]
        assert (reader.info.width, reader.info.height) == (160, 96)
    assert shapes == [(160, 96)] * 10 + [(427, 240)] * 10


def exif_of(orientation: int) -> bytes:
    """Return the JPEG segment (APP1) with which a camera says how a picture is turned."""
    entries = struct.pack("<HHHIHHI", 1, 0x112, 3, 1, orientation, 0, 0)
    content = b"Exif\0\0II*\0" + struct.pack("<I", 8) + entries
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


@pytest.mark.parametrize(("orientation", "rotation"), [(1, 0), (6, 90), (3, 180), (8, 270)])
def test_exif_of_motion_jpeg_turns_pictures(tmp_path: Path, orientation: int, rotation: int) -> None:
    plain, path = tmp_path / "plain.avi", tmp_path / "camera.avi"
    write_video(plain, scenes(4), codec="mjpeg", pixel_format="yuvj420p", options={})
    with av.open(str(plain)) as before, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(before.streams.video[0])
        for packet in before.demux(video=0):
            if packet.size:
                data = bytes(packet)
                marked = av.Packet(data[:2] + exif_of(orientation) + data[2:])
                marked.pts, marked.dts, marked.time_base = packet.pts, packet.dts, packet.time_base
                marked.stream = stream
                container.mux(marked)
    with AvReader(path) as reader:
        assert reader.info.rotation_degrees == rotation
        assert len(list(reader.frames())) == 4
