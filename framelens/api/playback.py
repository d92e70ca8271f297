"""Videos that the page plays with a report: the file itself if pages may read it, or a copy dropped there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from framelens.core.errors import InputError

if TYPE_CHECKING:
    from framelens.analysis.inputs.extraction_cache import ExtractionCache
    from framelens.jobs.queue import Jobs
    from framelens.jobs.snapshot import JobSnapshot
    from framelens.store.videos.video_repository import VideoRepository


def video_for(videos: VideoRepository, jobs: Jobs, job: JobSnapshot) -> str | None:
    """Return the id of the video that pages may play with the report of `job`, or None if they may read no video.

    Pages may read the file of a report from the command line or another machine if it is below an allowed folder, or if
    a file with the same content was dropped on the page or analysed there. A file that is here goes before a file
    that has gone.
    """
    own = videos.find(job.request.path, job.user_id)
    if own and videos.is_here(own):
        return own
    if job.analysis and job.analysis.sha256:
        if copy := videos.copy_of(job.analysis.sha256):
            return copy
        for other in map(jobs.brief, jobs.library.one_of_each_file(job.analysis.sha256)):
            if (same := videos.find(other.request.path, other.user_id)) and videos.is_here(same):
                return same
    if videos.input_dirs and not job.is_imported:
        with suppress(InputError):
            return videos.from_path(str(job.request.path))
    return own


def keep_video(videos: VideoRepository, extractions: ExtractionCache, job: JobSnapshot, video_id: str) -> None:
    """Play an uploaded video with the report of `job`.

    Raises:
        InputError: "video_other_content": it isn't the video of the report. The upload is deleted.
    """
    path = videos.path(video_id)
    if not job.analysis or extractions.sha256(path) != job.analysis.sha256:
        name = videos.name(video_id)
        videos.drop_upload(path)
        raise InputError("video_other_content", name=name, wanted=job.name)
    videos.keep_copy_of(job.analysis.sha256, video_id)
