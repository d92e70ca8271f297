"""Subtitle files beside a video: the report names an assumed encoding, and what is read identifies an analysis."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    assert [(one.key, one.values) for one in notices] == [
        ("subtitles_encoding", {"name": "film.ja.srt", "encoding": "Shift-JIS"})
    ]


@pytest.mark.slow
def test_unknown_encoding_is_named_and_track_used(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mp4", seconds=0.5)
    (tmp_path / "film.srt").write_bytes(bytes(range(128, 256)) * 20)
    transcript, notices = subtitles_of(path, "zh")
    assert transcript is None
    assert [(one.key, one.values) for one in notices] == [("subtitles_encoding_unknown", {"name": "film.srt"})]


def test_named_file_changes_the_digest(tmp_path: Path) -> None:
    given = tmp_path / "draft.srt"
    given.write_text("first")
    first = digest_beside(tmp_path / "film.mp4", given)
    given.write_text("second")
    assert len({"", digest_beside(tmp_path / "film.mp4"), first, digest_beside(tmp_path / "film.mp4", given)}) == 3


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("none.srt", "path_missing"),
        (".", "subtitles_not_a_file"),
        ("film.mp4", "subtitles_not_known"),
        ("film.stl", "subtitles_form_not_read"),
    ],
)
def test_a_file_without_subtitles_is_refused(tmp_path: Path, name: str, key: str) -> None:
    for written in ("film.mp4", "film.stl"):
        (tmp_path / written).write_bytes(b"x")
    with pytest.raises(InputError) as caught:
        check_subtitle_file(tmp_path / name)
    assert caught.value.key == key
