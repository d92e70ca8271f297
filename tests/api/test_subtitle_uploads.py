"""Uploaded subtitles are put beside the videos that they belong to."""

from pathlib import Path

import pytest

from framelens.api.subtitle_uploads import attach_subtitles, pair_uploads
from framelens.core.errors import InputError
from framelens.store.videos.video_repository import VideoRepository
from framelens.video.subtitles.discovery import files_beside


@pytest.fixture
def videos(tmp_path: Path) -> VideoRepository:
    return VideoRepository(tmp_path / "data", (), tmp_path / "sample.mp4")


def complete(videos: VideoRepository, name: str) -> str:
    upload = videos.create_upload(name, 1)
    with videos.part(upload.id, 0) as part:
        part.write(b"x")
    return videos.finish(upload.id)


def beside(videos: VideoRepository, video_id: str) -> list[str]:
    return [one.label for one in files_beside(videos.path(video_id)) if one.is_used]


def test_subtitles_are_paired_by_name(videos: VideoRepository) -> None:
    names = ("film.mp4", "film 2.mp4", "film 2.zh-Hans.srt", "FILM.en.forced.vtt", "other.ass")
    ids = {name: complete(videos, name) for name in names}
    paired = pair_uploads(videos, list(ids.values()))
    assert paired.video_ids == (ids["film.mp4"], ids["film 2.mp4"]) and paired.alone == ("other.ass",)
    assert beside(videos, ids["film.mp4"]) == ["FILM.en.forced.vtt"]
    assert beside(videos, ids["film 2.mp4"]) == ["film 2.zh-Hans.srt"]
    with pytest.raises(InputError):
        videos.path(ids["other.ass"])


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("gbk字幕.srt", "film.gbk字幕.srt"),
        ("the final version.srt", "film.srt"),
        ("English.srt", "film.English.srt"),
        ("zh-Hans.ass", "film.zh-Hans.ass"),
    ],
)
def test_subtitles_of_the_only_video_get_its_name(videos: VideoRepository, name: str, kept: str) -> None:
    video, words = complete(videos, "film.mp4"), complete(videos, name)
    assert pair_uploads(videos, [words, video]).video_ids == (video,)
    assert beside(videos, video) == [kept]


def test_subtitles_with_other_names_do_not_replace_each_other(videos: VideoRepository) -> None:
    ids = [complete(videos, name) for name in ("film.mp4", "the final version.srt", "another final version.srt")]
    for _ in range(2):  # the browser may send the same uploads again
        pair_uploads(videos, ids)
        assert sorted(beside(videos, ids[0])) == ["film.2.srt", "film.srt"]


def test_videos_and_large_files_are_no_subtitles(videos: VideoRepository) -> None:
    # Videos are not attached.
    video = complete(videos, "film.mp4")
    with pytest.raises(InputError) as caught:
        attach_subtitles(videos, video, [complete(videos, "film.mkv")])
    assert caught.value.key == "subtitles_not_known"
    # Subtitles larger than those of any video are refused.
    video, upload = complete(videos, "film.mp4"), videos.create_upload("film.srt", (16 << 20) + 1)
    with videos.part(upload.id, 0) as part:
        part.write(bytes((16 << 20) + 1))
    with pytest.raises(InputError) as caught:
        attach_subtitles(videos, video, [upload.id])
    assert caught.value.key == "subtitles_too_large"
