"""Batch of videos: files to analyse, files left out and why, the common request, and each video's job.

What an analysis has, and whether it is over, is known to the queue alone (framelens.plugins.batch.results reads it).
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from framelens import AppError, Cancelled, VideoError
from framelens.plugin import current_user, t
from framelens.plugin.analyses import AnalysisRequest, request_digest
from framelens.plugin.files import Input, new_id, printable_path, readable
from framelens.plugin.processes import probe
from framelens.plugin.storage import Failure

if TYPE_CHECKING:
    from framelens.plugin.analyses import Planner, Templates

Sha256 = Callable[[Path, threading.Event | None], str]


@dataclass(frozen=True)
class BatchVideo:
    """A video of a batch.

    Attributes:
        key: Lower-case hex SHA-256 of its content, "" where it isn't known.
        path: The file, absolute.
        name: Its name for display.
        size_bytes: Size of the file, by which the remaining time is estimated.
        job_id: Id of its analysis, "" before that begins.
        failure: Why it has no analysis, None if it has an analysis or will have.
        stem: Name of its report files in the folder of results without their endings, "" before they are written.
        is_listed: Whether the batch has it; a video that only an earlier run had keeps its analysis and its stem.
    """

    key: str
    path: Path
    name: str
    size_bytes: int = 0
    job_id: str = ""
    failure: Failure | None = None
    stem: str = ""
    is_listed: bool = True

    @property
    def identity(self) -> str:
        """Return by what a later run recognises it: its content, else its path."""
        return self.key or str(self.path)


@dataclass(frozen=True)
class LeftOut:
    """A path that was named, but gives no video of the batch, and the reason."""

    path: Path
    failure: Failure

    @property
    def error(self) -> AppError:
        """Return the reason."""
        return self.failure.as_error()

    @property
    def is_copy(self) -> bool:
        """Return whether nothing is missing, since another video of the batch has the same content."""
        return self.failure.key == "same_video"


@dataclass(frozen=True)
class Collected:
    """Videos that arguments name, in their order, and the paths that were left out."""

    videos: tuple[BatchVideo, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Videos with a common request about each of them.

    Attributes:
        id: Its id; the same command has the same batch.
        videos: The videos.
        request: The request; its path is UNKNOWN_PATH.
        fits_request: Choose as many frames as one request to the model holds, in place of `request.frames`.
        formats: Keys of framelens.reports.FORMATS: the report files of each video in the folder of results.
        left_out: Paths that were named, but aren't analysed.
        folder: Folder of results, None without reports of its own. A batch with a folder halts at an error that all its
            videos would meet, and leaves a video alone that failed for good.
        name: Its name, "" to name it after its videos.
        created: ISO time in UTC.
        user_id: Id of the user to whom it belongs, "" if it has no owner.
    """

    id: str
    videos: tuple[BatchVideo, ...]
    request: AnalysisRequest
    fits_request: bool = False
    formats: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    folder: Path | None = None
    name: str = ""
    created: str = ""
    user_id: str = ""

    @property
    def shown_name(self) -> str:
        """Return its name, in the language of the context."""
        return self.name or t("batch.name", first=self.videos[0].name, n=len(self.videos))


def batch_id(what: str, request: AnalysisRequest, conditions: Mapping[str, str], *, fits_request: bool) -> str:
    """Return the id of the user's batch on a folder of results or on paths, for a request under these conditions."""
    owned = "\n".join((current_user().id, "fit" if fits_request else "", what))
    digest = request_digest(hashlib.sha256(os.fsencode(owned)).hexdigest(), request, conditions)
    return digest[: len(new_id())]


def request_for(
    request: AnalysisRequest, path: Path, templates: Templates, planner: Planner, *, fits: bool
) -> AnalysisRequest:
    """Build the request about a video.

    Args:
        request: The common request.
        path: The video.
        templates: The templates, among them the request's.
        planner: Knows how many frames one request to the model holds.
        fits: Choose as many frames, in place of `request.frames`.

    Raises:
        AppError: The video can't be read, where the number of frames depends on it.
    """
    request = replace(request, path=path)
    if not fits:
        return request
    template = templates.find(request.template)
    return replace(request, frames=planner.held_frames(probe(path), request, template), adapts=False)


def collect(items: Sequence[Input], sha256: Sha256, *, cancel: threading.Event | None = None) -> Collected:
    """Find the videos among files; a bad path never fails the others.

    Args:
        items: The files, as framelens.video.inputs.resolve finds them.
        sha256: Returns the digest of a file, such as `ExtractionCache.sha256`, which remembers it.
        cancel: Ends the search.

    Raises:
        Cancelled: `cancel` was set.
    """
    videos: dict[str, BatchVideo] = {}
    left_out: list[LeftOut] = []
    for item in items:
        try:
            video = identify(item, sha256, cancel)
            if earlier := videos.get(video.key):
                raise VideoError("same_video", path=printable_path(item.path), same=printable_path(earlier.path))
            videos[video.key] = video
        except Cancelled:
            raise
        except AppError as error:
            left_out.append(LeftOut(item.path, Failure.of(error)))
    return Collected(tuple(videos.values()), tuple(left_out))


def identify(item: Input, sha256: Sha256, cancel: threading.Event | None = None) -> BatchVideo:
    """Return the video in a file.

    Raises:
        InputError: The name gives no video, or the file can't be read.
        Cancelled: `cancel` was set.
    """
    if item.error:
        raise item.error
    key = sha256(item.path, cancel)
    return BatchVideo(key, item.path, readable(item.path.name), os.path.getsize(item.path))  # noqa: PTH202
