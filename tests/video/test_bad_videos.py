"""Files that are no whole video: each is a sentence of its own, or a report of what could be read."""

from pathlib import Path

import pytest
from PIL import Image

from framelens.core.errors import DecodeError, InputError
from framelens.i18n import LANGUAGES, error_text, notice_text
from framelens.video.extractor import probe
from tests.media import cut_short, moving, textured, with_damage, write_sound, write_video
from tests.video.conftest import Chosen


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        probe(path)
    for language in LANGUAGES:
        assert path.name in error_text(caught.value, language)
    return caught.value


@pytest.mark.slow
def test_text_under_a_videos_name_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "note.mp4"
    path.write_text("this is only text\n" * 100)
    assert refused(path).key == "video_not_a_video"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("note.txt", "video_other_file"),
        ("data.json", "video_other_file"),
        ("noname", "video_other_file"),
        ("subtitles.srt", "video_is_subtitles"),
        ("字幕.ASS", "video_is_subtitles"),
        ("film.sup", "video_is_subtitles"),
    ],
)
def test_other_files_are_named_as_what_they_are(tmp_path: Path, name: str, key: str) -> None:
    path = tmp_path / name
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n" * 50)
    error = refused(path)
    assert error.key == key
    assert "name ends" not in error_text(error, "en") and "尽管" not in error_text(error, "zh")


@pytest.mark.slow
def test_a_playlist_cannot_make_the_server_read_another_file(tmp_path: Path, moving_video: Path) -> None:
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{moving_video}\n#EXT-X-ENDLIST\n")
    assert refused(playlist).key == "video_is_playlist"
    script = tmp_path / "list.ffconcat"
    script.write_text(f"ffconcat version 1.0\nfile '{moving_video}'\n")
    assert refused(script).key == "video_other_file"


@pytest.mark.slow
def test_segment_and_playlist_of_a_stream_are_named(tmp_path: Path) -> None:
    data = bytearray(write_video(tmp_path / "whole.mp4", moving(5), muxer={"movflags": "dash"}).read_bytes())
    (tmp_path / "part.mp4").write_bytes(data[data.index(b"moof") - 4 :])
    (tmp_path / "manifest.mpd").write_text('<?xml version="1.0"?>\n<MPD type="static"></MPD>\n')
    assert refused(tmp_path / "part.mp4").key == "video_is_segment"
    assert refused(tmp_path / "manifest.mpd").key == "video_is_playlist"


@pytest.mark.slow
def test_sound_without_a_picture_is_said_to_be_that(tmp_path: Path) -> None:
    assert refused(write_sound(tmp_path / "tone.m4a")).key == "video_audio_only"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["picture.png", "picture.jpg", "picture.bmp", "picture.webp", "picture.gif", "p.mp4"])
def test_a_still_image_is_said_to_be_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Image.fromarray(textured(1)).save(path, format="PNG" if name == "p.mp4" else None)
    assert refused(path).key == "video_is_image"


@pytest.mark.slow
def test_an_animated_webp_is_named(tmp_path: Path) -> None:
    first, second = (Image.fromarray(textured(number)) for number in (1, 2))
    first.save(tmp_path / "moving.webp", save_all=True, append_images=[second], duration=100)
    assert refused(tmp_path / "moving.webp").key == "video_webp_animated"


@pytest.mark.slow
def test_an_animated_gif_is_a_video(tmp_path: Path, chosen: Chosen) -> None:
    path = write_video(tmp_path / "moving.gif", moving(20), codec="gif", pixel_format="rgb8", rate=10)
    assert probe(path).codec == "gif"
    assert chosen(path, 4).decode.frames_decoded == 20


@pytest.mark.slow
@pytest.mark.parametrize(("count", "is_read"), [(1, False), (10, True)])
def test_sequence_of_heif_is_a_video(tmp_path: Path, count: int, is_read: bool) -> None:
    path = write_video(tmp_path / "burst.mp4", moving(count), muxer={"brand": "heic"}).rename(tmp_path / "burst.heics")
    if is_read:
        assert probe(path).num_frames_from_header == count
    else:
        assert refused(path).key == "video_is_image"


@pytest.mark.slow
def test_a_recording_without_its_index_is_explained(tmp_path: Path, moving_video: Path) -> None:
    error = refused(cut_short(moving_video, tmp_path / "broken.mp4", 0.5))
    assert isinstance(error, DecodeError)
    assert error.key == "video_index_missing"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_truncated_file_gives_what_it_holds_and_says_how_much(tmp_path: Path, chosen: Chosen, suffix: str) -> None:
    muxer = {"movflags": "faststart"} if suffix == "mp4" else {}
    codec = "mpeg4" if suffix == "avi" else "libx264"
    whole = write_video(tmp_path / f"whole.{suffix}", moving(100), muxer=muxer, codec=codec)
    result = chosen(cut_short(whole, tmp_path / f"cut.{suffix}", 0.6), 4)
    assert chosen(whole, 4).decode.notices == ()
    assert 10 < result.decode.frames_decoded < 90
    assert len(result.keyframes) == 4
    notice = next(notice for notice in result.decode.notices if notice.key == "truncated")
    assert notice.values["declared"] == "0:04.0"
    for language in LANGUAGES:
        assert "0:04.0" in notice_text(notice, language)


@pytest.mark.slow
def test_damage_in_the_middle_is_skipped_with_a_notice(tmp_path: Path, chosen: Chosen) -> None:
    whole = write_video(tmp_path / "whole.mp4", moving(100, 320, 192), muxer={"movflags": "faststart"})
    result = chosen(with_damage(whole, tmp_path / "damaged.mp4"), 4)
    assert result.decode.frames_decoded > 50
    assert result.decode.readable_seconds > 3.5
    assert [notice.key for notice in result.decode.notices] == ["damaged_frames"]


@pytest.mark.slow
def test_file_whose_last_part_is_empty_says_how_much(tmp_path: Path, chosen: Chosen) -> None:
    """Downloads make a file as long as it will be, and fill it."""
    whole = write_video(tmp_path / "whole.mp4", moving(100), muxer={"movflags": "faststart"})
    data = whole.read_bytes()
    (tmp_path / "part.mp4").write_bytes(data[: len(data) * 2 // 3] + bytes(len(data) - len(data) * 2 // 3))
    notices = chosen(tmp_path / "part.mp4", 2).decode.notices
    assert [notice.key for notice in notices] == ["truncated", "damaged_frames"]
    assert notices[0].values["declared"] == "0:04.0" and notices[0].values["readable"] < "0:03.5"


@pytest.mark.slow
@pytest.mark.parametrize(("speed", "said"), [(0x00010000, []), (0x00008000, ["edit_speeds"]), (0, ["edit_speeds"])])
def test_an_edit_with_another_speed_is_named(tmp_path: Path, chosen: Chosen, speed: int, said: list[str]) -> None:
    path = write_video(tmp_path / "edited.mp4", moving(10))
    data = bytearray(path.read_bytes())
    place = data.index(b"elst") + 12  # after the version and the number of edits: duration, media time, speed
    data[place + 8 : place + 12] = speed.to_bytes(4)
    path.write_bytes(data)
    found = chosen(path, 2).decode
    assert (found.frames_decoded, [notice.key for notice in found.notices]) == (10, said)


@pytest.mark.slow
@pytest.mark.parametrize("length", [8, 12, 20])
def test_an_edit_list_that_is_cut_off_is_none(tmp_path: Path, chosen: Chosen, length: int) -> None:
    path = write_video(tmp_path / "short.mp4", moving(10))
    data = bytearray(path.read_bytes())
    place = data.index(b"elst") - 4
    size = int.from_bytes(data[place : place + 4])
    data[place : place + 4] = length.to_bytes(4)
    data[place + length : place + size] = (size - length).to_bytes(4) + b"free" + bytes(size - length - 8)
    path.write_bytes(data)
    assert chosen(path, 2).decode.notices == ()


@pytest.mark.slow
def test_a_video_of_which_nothing_can_be_decoded_is_an_error(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", moving(10), muxer={"movflags": "faststart"})
    data = bytearray(whole.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    path = tmp_path / "hollow.mp4"
    path.write_bytes(bytes(data))
    assert refused(path).key == "video_no_frames"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ['it\'s "quoted".mp4', "two\nlines.mp4", "视频 文件.mp4", "%d.mp4", "-v.mp4", "http:x.mp4"]
)
def test_any_name_works(tmp_path: Path, moving_video: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).write_bytes(moving_video.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert probe(tmp_path / name).name == name
    assert probe(Path(name)).name == name
