"""Subtitle files beside a video: the report names an assumed encoding, and what is read identifies an analysis."""

from collections.abc import Callable
from pathlib import Path

import pytest

from framelens.core.domain import Cue
from framelens.core.errors import InputError
from framelens.video.extractor import subtitles_of
from framelens.video.subtitles.discovery import check_subtitle_file, digest_beside
from tests.spoken import write_spoken
from tests.video.subtitles.test_encodings import JAPANESE, srt


@pytest.mark.slow
def test_the_assumed_encoding_is_named(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mp4", seconds=6)
    (tmp_path / "film.ja.srt").write_bytes(srt(JAPANESE).encode("cp932"))
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and [cue.text for cue in transcript.cues] == JAPANESE
    assert [(notice.key, notice.values) for notice in notices] == [
        ("subtitles_encoding", {"name": "film.ja.srt", "encoding": "Shift-JIS"})
    ]


@pytest.mark.slow
def test_unknown_encoding_is_named_and_track_used(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mp4", seconds=0.5)
    (tmp_path / "film.srt").write_bytes(bytes(range(128, 256)) * 20)
    transcript, notices = subtitles_of(path, "zh")
    assert transcript is None
    assert [(notice.key, notice.values) for notice in notices] == [("subtitles_encoding_unknown", {"name": "film.srt"})]


def test_named_file_changes_the_digest(tmp_path: Path) -> None:
    given = tmp_path / "draft.srt"
    given.write_text("first")
    first = digest_beside(tmp_path / "film.mp4", given)
    given.write_text("second")
    assert len({digest_beside(tmp_path / "film.mp4"), first, digest_beside(tmp_path / "film.mp4", given)}) == 3


def test_reading_further_forms_changes_the_digest(tmp_path: Path, use_plugins: Callable[..., None]) -> None:
    digests = []
    for plugins in ({"captions": {"parts": {"subtitles": "captions:forms"}}}, {}):
        use_plugins(**plugins)
        digests.append(digest_beside(tmp_path / "film.mp4"))
    assert digests[0] == "" != digests[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("film.txt", "[5][15]Hello\n[20][30]there\n"),
        ("film.txt", "1\n00:00:00,500 --> 00:00:01,500\nHello\n\n2\n00:00:02,000 --> 00:00:03,000\nthere\n"),
        ("film.txt", "[00:00.500 --> 00:01.500]  Hello\n[00:02.000 --> 00:03.000]  there\n"),
    ],
)
def test_an_ending_of_many_forms_is_read_by_its_beginning(tmp_path: Path, name: str, text: str) -> None:
    path = write_spoken(tmp_path / "film.mp4", seconds=4)
    (tmp_path / name).write_text(text)
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and transcript.cues == (Cue(0.5, 1.5, "Hello"), Cue(2.0, 3.0, "there"))
    assert notices == () and check_subtitle_file(tmp_path / name) == tmp_path / name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("film.txt", "Filmed at home.\n"),
        ("film.xml", "<nfo>1</nfo>"),
        ("film.info.json", '{"id": "x", "chapters": [{"start_time": 0.0}], "segments": []}'),
        ("film.tsv", "name\tvalue\n"),
        ("film.zip", "PK"),
    ],
)
def test_notes_with_the_video_s_name_are_no_subtitles(tmp_path: Path, name: str, text: str) -> None:
    path = write_spoken(tmp_path / "film.mp4", seconds=1)
    (tmp_path / name).write_text(text)
    assert subtitles_of(path, "en") == (None, ())
    assert digest_beside(path) == digest_beside(tmp_path / "elsewhere" / "film.mp4")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("none.srt", "path_missing"),
        (".", "subtitles_not_a_file"),
        ("film.mp4", "subtitles_not_known"),
        ("film.stl", "subtitles_form_not_read"),
        ("film.srt.gz", "subtitles_form_not_read"),
    ],
)
def test_a_file_without_subtitles_is_refused(tmp_path: Path, name: str, key: str) -> None:
    for written in ("film.mp4", "film.stl", "film.srt.gz"):
        (tmp_path / written).write_bytes(b"x")
    with pytest.raises(InputError) as caught:
        check_subtitle_file(tmp_path / name)
    assert caught.value.key == key
