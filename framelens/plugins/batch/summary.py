"""Summary over all videos of a batch: HTML, CSV and JSON made from the results of its videos alone.

It links to the report of each video. It doesn't compare what videos show; the library searches all of them.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from framelens import AppError, Language, __version__, error_text
from framelens.plugin import in_language, t
from framelens.plugin.analyses import AnalysisRequest
from framelens.plugin.outputs import atomic_write, storage_errors
from framelens.plugin.reports import Overview, OverviewSection, aigc_fields, csv_table, json_text, printable, shortened
from framelens.plugin.storage import Failure
from framelens.plugin.texts import clock, span
from framelens.plugins.batch.batch import Batch, BatchVideo, LeftOut
from framelens.plugins.batch.results import RESULT_STATES, VideoResult

_FORMAT = "framelens-batch"
NAMES = {"html": "summary.html", "csv": "summary.csv", "json": "summary.json"}
_MOST_LEFT_OUT = 20
"""Left-out files that are named; the JSON has all."""
_LONGEST = 120  # characters of a title or text in a table


@dataclass(frozen=True)
class Summary:
    """State of a batch at a moment.

    Attributes:
        videos: The results, each with the name that is shown.
        halted: Why videos are pending, unless they just weren't begun.
    """

    id: str
    created: str
    app_version: str
    request: AnalysisRequest
    videos: tuple[tuple[str, VideoResult], ...]
    left_out: tuple[LeftOut, ...] = ()
    halted: Failure | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of videos by their states."""
        return dict(Counter(result.state for _, result in self.videos))

    @property
    def models(self) -> str:
        """Return the names of the models that have answered, separated by commas."""
        return ", ".join(dict.fromkeys(result.model for _, result in self.videos if result.model))


def summarise(batch: Batch, results: Sequence[VideoResult], halted: AppError | None = None) -> Summary:
    """Build the summary of the results of a batch."""
    names = _shown_names([result.video for result in results])
    return Summary(
        batch.id,
        datetime.now(UTC).isoformat(timespec="seconds"),
        __version__,
        batch.request,
        tuple(zip(names, results, strict=True)),
        batch.left_out,
        Failure.of(halted) if halted else None,
    )


def foreign_file(folder: Path) -> Path | None:
    """Return a file that a summary in this folder would replace, unless it is of an earlier summary; None without."""
    taken = [folder / name for name in NAMES.values() if os.path.lexists(folder / name)]
    try:
        is_ours = json.loads((folder / NAMES["json"]).read_bytes())["format"] == _FORMAT
    except (OSError, ValueError, TypeError, KeyError):
        is_ours = False
    return None if is_ours else next(iter(taken), None)


def write_summary(summary: Summary, folder: Path) -> dict[str, Path]:
    """Write the summary in all formats, in the language of the request, and return the files by format.

    Raises:
        StorageError: A file can't be written.
    """
    files = {name: folder / file_name for name, file_name in NAMES.items()}
    for name, path in reversed(files.items()):  # first that by which `foreign_file` knows the others
        with storage_errors("report_not_written", path), atomic_write(path) as file:
            file.write(render(summary, name, summary.request.language))
    return files


def render(summary: Summary, name: str, language: Language) -> bytes:
    """Return the summary in a format of NAMES."""
    with in_language(language):
        if name == "json":
            return json_text(_form(summary))
        if name == "csv":
            table = (_heads(), *(_cells(*row) for row in summary.videos))
            return csv_table(table)
        return _overview(summary, language).to_html()


def _shown_names(videos: Sequence[BatchVideo]) -> list[str]:
    """Return a short name for each video that distinguishes it: its path below the folder that all are in."""
    folders = [str(video.path.parent) for video in videos]
    try:
        common = os.path.commonpath(folders) if folders else ""
    except ValueError:  # several drives, or some have no path
        common = ""
    below = [os.path.relpath(folder, common) if common else "." for folder in folders]
    return [
        video.name if folder == "." else printable(f"{folder}/{video.name}")
        for video, folder in zip(videos, below, strict=True)
    ]


# ---- the document ----------------------------------------------------------------------------------------------------


def _overview(summary: Summary, language: Language) -> Overview:
    return Overview(
        t("batch.title", n=len(summary.videos)),
        language,
        tuple(_sections(summary)),
        summary.id,
        summary.created,
        summary.app_version,
        summary.models,
    )


def _sections(summary: Summary) -> Iterator[OverviewSection]:
    heads = tuple(t(f"batch.{name}") for name in ("video", "reason"))
    yield OverviewSection(paragraphs=tuple(_opening(summary)))
    videos: tuple[tuple[str | tuple[str, str], ...], ...] = tuple(
        (_link(*row), *(cell or "—" for cell in _cells(*row)[1:])) for row in summary.videos
    )
    yield OverviewSection("videos", t("batch.videos"), heads=_heads(), rows=videos)
    if failed := tuple(
        (_link(shown, result), error_text(result.error)) for shown, result in summary.videos if result.error
    ):
        yield OverviewSection("failures", t("batch.failures"), heads=heads, rows=failed)
    if left_out := summary.left_out:
        items = [printable(error_text(path.error)) for path in left_out[:_MOST_LEFT_OUT]]
        if num_more := len(left_out) - len(items):
            items.append(t("batch.and_more", n=num_more))
        yield OverviewSection("left-out", t("batch.left_out", n=len(left_out)), items=tuple(items))
    yield OverviewSection("how", t("report.how"), rows=tuple(_facts(summary)))


def _opening(summary: Summary) -> Iterator[tuple[str, Literal["plain", "warning", "label"]]]:
    yield counts_text(summary.counts, len(summary.videos)), "plain"
    if pending := summary.counts.get("pending"):
        reason = error_text(summary.halted.as_error()) if summary.halted else ""
        yield " ".join(filter(None, (reason, t("batch.pending_why", n=pending)))), "warning"
    if summary.models:
        yield t("report.ai_label", model=summary.models), "label"


def counts_text(counts: dict[str, int], total: int) -> str:
    """Return how many videos there are and how many of them ended in which way."""
    states = states_text(counts)
    return t("batch.counts", n=total, counts=states) if states else t("batch.counts_none")


def states_text(counts: dict[str, int]) -> str:
    """Return how many videos are in which state."""
    names = (*RESULT_STATES, "cancelled", "paused", "interrupted", "running", "queued", "pending")
    return t("cli.batch_comma").join(t(f"batch.count_{state}", n=counts[state]) for state in names if counts.get(state))


def _heads() -> tuple[str, ...]:
    return tuple(t(f"batch.{name}") for name in ("video", "state", "length", "findings", "says"))


def _cells(shown: str, result: VideoResult) -> tuple[str, ...]:
    """Return the texts of a video's row, "" for what isn't known."""
    return (
        shown,
        state_text(result.state),
        clock(result.duration_seconds) if result.duration_seconds else "",
        "" if result.state in ("failed", "pending") else str(result.num_findings),
        shortened(result.title, _LONGEST) if result.title else "",
    )


def state_text(state: str) -> str:
    """Return the state of a video in a word."""
    return t(f"batch.state_{state}")


def _link(shown: str, result: VideoResult) -> tuple[str, str]:
    """Return the name of a video with the address of its report, if that was written."""
    file = result.files.get("html") or next(iter(result.files.values()), "")
    return shown, quote(file)


def _facts(summary: Summary) -> Iterator[tuple[str, str]]:
    request, results = summary.request, [result for _, result in summary.videos]
    yield t("condition.template"), request.template
    if request.question.strip():
        yield t("report.question"), request.question
    if summary.models:
        yield t("report.engine"), summary.models
    length = sum(result.duration_seconds or 0.0 for result in results)
    yield t("batch.length_of_all"), clock(length)
    spent = sum(result.seconds for result in results)
    yield t("batch.spent"), span(spent, spent) if spent else "—"
    yield t("report.created"), f"{summary.created} · FrameLens {summary.app_version}"


# ---- JSON ------------------------------------------------------------------------------------------------------------


def _form(summary: Summary) -> dict[str, Any]:
    """Build the JSON form; it has all values, and texts in the language of the context."""
    request = summary.request
    return {
        "format": _FORMAT,
        "format_version": 1,
        "id": summary.id,
        "created": summary.created,
        "framelens_version": summary.app_version,
        "aigc": aigc_fields(summary.models, summary.app_version, summary.id),
        "request": {
            "template": request.template, "question": request.question, "language": request.language,
            "frames": request.frames, "adapts": request.adapts, "selection": request.selection,
        },
        "counts": {state: summary.counts.get(state, 0) for state in (*RESULT_STATES, "pending")},
        "halted": error_form(summary.halted) if summary.halted else None,
        "videos": [_video_form(result) for _, result in summary.videos],
        "left_out": [{"path": left.path, "error": error_form(left.failure)} for left in summary.left_out],
    }  # fmt: skip


def _video_form(result: VideoResult) -> dict[str, Any]:
    return {
        "key": result.video.key,
        "path": result.video.path,
        "state": result.state,
        "title": result.title or None,
        "findings": result.num_findings,
        "model": result.model or None,
        "duration_seconds": result.duration_seconds,
        "seconds": None if result.state == "pending" else round(result.seconds, 3),
        "job_id": result.video.job_id or None,
        "error": error_form(result.failure) if result.failure else None,
        "files": result.files,
    }


def error_form(failure: Failure) -> dict[str, str]:
    """Return the JSON form of an error, with its text in the language of the context."""
    return {"key": failure.key, "text": error_text(failure.as_error())}
