"""Files joined byte by byte of which the first alone is read, with a notice."""

from pathlib import Path

import pytest

from framelens.core.events import KeyframesChosen
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.readers import open_reader
from framelens.video.readers.base import boxes
from framelens.video.seeking import pictures_at
from tests.media import moving, write_video

_FRAGMENTS = {"movflags": "frag_keyframe"}
_OWN_PLACES = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
_SHORT_GROUPS = {"preset": "ultrafast", "g": "10"}


def _part(path: Path, codec: str, muxer: dict[str, str], *, seed: int, start_seconds: float = 0.0) -> bytes:
    options = _SHORT_GROUPS if codec == "libx264" else None
    pictures = moving(25, seed=seed)
    write_video(path, pictures, codec=codec, options=options, muxer=muxer, start_seconds=start_seconds)
    return path.read_bytes()


def _chosen(path: Path) -> KeyframesChosen:
    return next(one for one in extract(path, ExtractOptions(2)) if isinstance(one, KeyframesChosen))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec", "muxer"),
    [
        ("joined.mp4", "libx264", {}),
        ("joined.mp4", "libx264", _FRAGMENTS),  # its bytes count from the beginning of the second file
        ("joined.mp4", "libx264", _OWN_PLACES),  # FFmpeg leaves out the first second of the second file
        ("joined.flv", "libx264", {}),
        ("joined.wmv", "wmv2", {}),
        ("joined.mxf", "mpeg2video", {}),  # FFmpeg gives all pictures of the second file the same time
        ("joined.wtv", "mpeg2video", {}),
    ],
)
def test_second_file_is_named_with_its_place(name: str, codec: str, muxer: dict[str, str], tmp_path: Path) -> None:
    parts = [_part(tmp_path / f"{seed}-{name}", codec, muxer, seed=seed) for seed in (1, 2)]
    (tmp_path / name).write_bytes(b"".join(parts))
    decode = _chosen(tmp_path / name).decode
    found = {notice.key: notice.values for notice in decode.notices}
    assert (decode.frames_decoded, found) == (25, {"second_video": {"time": "0:01.0"}})
    assert not _chosen(tmp_path / f"1-{name}").decode.notices


@pytest.mark.slow
def test_live_stream_with_repeated_headers_is_read_whole(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    data = _part(whole, "libx264", _OWN_PLACES, seed=1)
    starts = [start for kind, start, _ in boxes(whole) if kind == b"moof"]
    (tmp_path / "live.mp4").write_bytes(data[: starts[1]] + data[: starts[0]] + data[starts[1] :])
    decode = _chosen(tmp_path / "live.mp4").decode
    assert (decode.frames_decoded, [notice.key for notice in decode.notices]) == (25, [])


def test_pictures_of_the_second_file_are_never_taken(tmp_path: Path) -> None:
    parts = [_part(tmp_path / f"{seed}.mxf", "mpeg2video", {}, seed=seed) for seed in (1, 2)]
    (tmp_path / "joined.mxf").write_bytes(b"".join(parts))
    with open_reader(tmp_path / "joined.mxf") as reader:
        info = reader.info
    assert [one.index for one in pictures_at(info, "pyav", [0.48, 0.96])] == [12, 24]
