"""Results of a batch: a file for each video and request, which a later run reads to do only what is missing."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from glob import escape
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from framelens.core.codec import Failure, from_json, to_builtins, to_json
from framelens.core.domain import Analysis, Outcome
from framelens.core.errors import AppError, VideoError
from framelens.core.files import numbered, safe_stem
from framelens.i18n import in_language
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.reports.json import reader, writer
from framelens.store.fs_utils import storage_errors, write_whole
from framelens.video.subtitles.discovery import digest_beside

ResultState = Outcome | Literal["failed"]
RESULT_STATES: tuple[ResultState, ...] = (*get_args(Outcome), "failed")
_log = logging.getLogger(__name__)
_VIDEOS, _REPORTS, _NAMES = "videos", "reports", "names"
_SHORT = 8  # hex digits of a fingerprint in a file name: 200 requests on one video differ with p > 0.99999
_KEY_DIGITS = 12
"""Hex digits of a video's key in a file name: 10,000 videos differ with p > 0.9999998."""
_MAY_PASS = frozenset(
    (
        *("video_not_found", "video_no_permission", "video_read_failed"),
        *("video_probe_timeout", "video_decoder_stuck", "video_out_of_memory"),
    )
)
"""Errors about a video that another attempt may not meet: they are about its disk or this machine."""


@dataclass(frozen=True)
class VideoResult:
    """The result for a video.

    Attributes:
        key: SHA-256 of the video.
        name: Name of the video for display.
        path: The video.
        fingerprint: The batch's fingerprint.
        state: What its analysis is, or "failed" without a report.
        seconds: Time spent on it.
        created: ISO time of its end, in UTC.
        job_id: Id of the stored analysis, "" without an analysis.
        failure: Why there is no report, or why it has no answer of a model.
        files: Report files by format, relative to the folder of results, with "/".
        duration_seconds: Length of the video, if known.
        subtitles: Digest of the subtitle files beside the video, "" without any.
    """

    key: str
    name: str
    path: Path
    fingerprint: str
    state: ResultState
    seconds: float = 0.0
    created: str = ""
    job_id: str = ""
    failure: Failure | None = None
    files: dict[str, str] = field(default_factory=dict)
    duration_seconds: float | None = None
    subtitles: str = ""

    @property
    def error(self) -> AppError | None:
        """Return the reason why there is no report, or why it has no answer of a model."""
        return self.failure.as_error() if self.failure else None

    @property
    def is_final(self) -> bool:
        """Return whether another attempt would end in the same way."""
        return self.failure is None or not may_pass(self.failure.as_error())


@dataclass(frozen=True)
class _StoredResult(VideoResult):
    """A result as it is stored, with the JSON form of the report without pictures."""

    report: dict[str, Any] | None = None


T = TypeVar("T", bound=VideoResult)


def may_pass(error: AppError) -> bool:
    """Return whether another attempt may succeed: errors about the file itself stay, others may not."""
    return not isinstance(error, VideoError) or error.key in _MAY_PASS


class Results:
    """Folder with the results of a batch. Safe to use from several threads, processes and machines.

    Each file is replaced as a whole, so that it is there completely or not at all. Results of other requests in the
    folder are left alone.
    """

    def __init__(self, batch: Batch) -> None:
        assert batch.folder
        self.folder = batch.folder
        self._fingerprint = batch.fingerprint

    def path(self, key: str) -> Path:
        """Return the file with the result of the video with this key."""
        return self.folder / _VIDEOS / f"{key[-_KEY_DIGITS:]}.{self._fingerprint[:_SHORT]}.json"

    def report_name(self, video: BatchVideo) -> str:
        """Return the stem of the video's report files, relative to the folder: its name, numbered where that is taken.

        A file records which video and request has a name, so it stays the same in later runs, and no two share a name,
        also on file systems that take capital and small letters for the same.

        Raises:
            StorageError: The record can't be written.
        """
        names, owner = self.folder / _VIDEOS / _NAMES, f"{video.key}.{self._fingerprint[:_SHORT]}"
        with storage_errors("report_not_written", names):
            names.mkdir(parents=True, exist_ok=True)
            return next(
                f"{_REPORTS}/{stem}" for stem in numbered(safe_stem(video.name)) if self._claims(stem, names, owner)
            )

    def _claims(self, stem: str, names: Path, owner: str) -> bool:
        """Return whether a name belongs to the owner, after claiming the name if it is free."""
        record = names / f"{stem.casefold()}.txt"
        if not record.exists() and any((self.folder / _REPORTS).glob(f"{escape(stem)}.*")):
            return False
        try:
            with record.open("x") as file:
                file.write(owner)
        except FileExistsError:
            return record.read_text() == owner
        return True

    def get(self, key: str) -> VideoResult | None:
        """Return the result of a video, or None if it is missing, damaged, or of another request.

        Raises:
            StorageError: The file can't be read.
        """
        return self._read(key, VideoResult)

    def analysis(self, key: str) -> Analysis | None:
        """Return the analysis of a video without its pictures, None if there is no report.

        Raises:
            StorageError: The file can't be read.
            VideoError: The report is of another version of FrameLens.
        """
        stored = self._read(key, _StoredResult)
        if stored is None or stored.report is None:
            return None
        return reader.read(to_json(stored.report).encode(), name=stored.name)

    def save(self, result: VideoResult, analysis: Analysis | None = None) -> None:
        """Store a result in place of an earlier result, with the report in the language of its request.

        Raises:
            StorageError: The file can't be written.
        """
        form = None
        if analysis:
            with in_language(analysis.request.language):
                form = to_builtins(writer.form_of(analysis, pictures=False))
        path = self.path(result.key)
        with storage_errors("report_not_written", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, to_json(_StoredResult(**vars(result), report=form)).encode())

    def of(self, videos: Iterable[BatchVideo]) -> Iterator[VideoResult]:
        """Yield the results that the videos have, in their order."""
        for video in videos:
            if result := self.get(video.key):
                yield replace(result, path=video.path, name=video.name)  # it may have moved

    def finished(self, batch: Batch) -> dict[str, VideoResult]:
        """Return the results, by key, of the videos that needn't be analysed again."""
        if batch.repeats:
            return {}
        known = (one for one in self.of(batch.videos) if one.is_final)
        return {one.key: one for one in known if one.subtitles == digest_beside(one.path)}

    def _read(self, key: str, kind: type[T]) -> T | None:
        path = self.path(key)
        with storage_errors("result_unreadable", path):
            try:
                result = from_json(path.read_bytes(), kind)
            except FileNotFoundError:
                return None
            except ValueError:
                _log.warning("the result %s is damaged and is made again", path, exc_info=True)
                return None
        return result if (result.key, result.fingerprint) == (key, self._fingerprint) else None
