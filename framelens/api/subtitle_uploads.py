"""Uploaded subtitle files: paired with uploaded videos by their names, and put beside them, where they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from framelens.core.errors import InputError
from framelens.core.files import safe_file_name
from framelens.core.units import human_size
from framelens.store.videos.video_repository import VideoRepository
from framelens.video.subtitles.discovery import (
    MOST_SUBTITLE_BYTES,
    SUBTITLE_SUFFIXES,
    is_subtitle_name,
    subtitle_belongs,
)


@dataclass(frozen=True)
class PairedUploads:
    """Uploads whose subtitle files have been put beside their videos.

    Attributes:
        video_ids: Ids of the videos.
        alone: Names of subtitles without a video, which were deleted.
    """

    video_ids: tuple[str, ...]
    alone: tuple[str, ...] = ()


def pair_uploads(videos: VideoRepository, ids: Sequence[str]) -> PairedUploads:
    """Put each subtitle file of some uploads beside the video whose name it begins with, or beside the only video.

    Raises:
        InputError: An upload is unknown, or a subtitle file is too large.
    """
    names = {upload_id: videos.name(upload_id) for upload_id in ids}
    shown = tuple(name for name in names if not is_subtitle_name(names[name]))
    alone = []
    for subtitle in (name for name in names if name not in shown):
        if owner := _owner_of(names[subtitle], {upload_id: names[upload_id] for upload_id in shown}):
            attach_subtitles(videos, owner, [subtitle])
        else:
            videos.drop_upload(videos.path(subtitle))
            alone.append(names[subtitle])
    return PairedUploads(shown, tuple(alone))


def check_subtitles(videos: VideoRepository, ids: Sequence[str]) -> None:
    """Check that complete uploads are subtitle files.

    Raises:
        InputError: An upload is unknown, incomplete, too large, or not a subtitle file.
    """
    for upload_id in ids:
        upload = videos.upload(videos.finish(upload_id))
        if not is_subtitle_name(upload.name):
            raise InputError("subtitles_not_known", name=upload.name, known=SUBTITLE_SUFFIXES)
        if upload.size_bytes > MOST_SUBTITLE_BYTES:
            most = human_size(MOST_SUBTITLE_BYTES)
            raise InputError("subtitles_too_large", name=upload.name, most=most)


def attach_subtitles(videos: VideoRepository, video_id: str, ids: Sequence[str]) -> None:
    """Put uploaded subtitle files beside an uploaded video, under names that belong to it.

    Raises:
        InputError: As `check_subtitles`, or the video is not an upload.
    """
    check_subtitles(videos, ids)
    for upload_id in ids:
        name = _name_beside(videos.name(upload_id), videos.path(video_id))
        videos.attach(video_id, upload_id, _free_name(videos.path(video_id).with_name(name), videos.path(upload_id)))


def _owner_of(name: str, videos: dict[str, str]) -> str | None:
    """Return the id of the video with the longest name that a subtitle file begins with, or of the only video."""
    owners = [video_id for video_id, shown in videos.items() if subtitle_belongs(name, shown)]
    only = next(iter(videos)) if len(videos) == 1 else None
    return max(owners, key=lambda video_id: len(videos[video_id]), default=only)


def _name_beside(name: str, path: Path) -> str:
    """Return the name under which a subtitle file is found beside the video at `path`."""
    clean = safe_file_name(name)
    if subtitle_belongs(clean, path.name):
        return clean
    tagged = f"{path.stem}.{clean}"  # English.srt
    return tagged if subtitle_belongs(tagged, path.name) else path.stem + Path(clean).suffix


def _free_name(path: Path, source: Path) -> str:
    """Return the name of `path`, with a number if another file has that name."""
    free, number = path, 1
    while free.exists() and free != source:
        number += 1
        free = path.with_name(f"{path.stem}.{number}{path.suffix}")
    return free.name
