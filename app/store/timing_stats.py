"""Statistics of how long engines and surveys took, for later estimates: one small JSON file.

app.analysis.planning.throughput derives the estimates. It is a cache: a file that is lost, damaged or cannot be written
makes the estimates poorer and never fails anything.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from app.core import AppError, make_private_folder
from app.store.fs_utils import read_json, write_json

_log = logging.getLogger(__name__)
_MOST_RUNS = 20
"""Runs kept of each engine, and surveys in all. Chosen by hand; not tuned."""
_MOST_ENGINES = 20
"""Engines kept. Chosen by hand; not tuned."""
T = TypeVar("T", "RequestTiming", "SurveyTiming")


@dataclass(frozen=True)
class RequestTiming:
    """Requests of one kind in one run.

    Attributes:
        frames: Total number of frames, 0 for requests that merge findings.
        at_once: Number of requests in flight.
        seconds: Sum of the durations of all requests.
    """

    requests: int
    frames: int
    prompt_tokens: int
    completion_tokens: int
    at_once: int
    seconds: float


@dataclass(frozen=True)
class SurveyTiming:
    """One survey of a video.

    Attributes:
        video_seconds: Length of video that was decoded.
        megapixels: Size of a frame.
        seconds: Time that the survey took.
        frames: Number of frames that were measured afterwards.
        facts_seconds: Time that measuring them took.
    """

    video_seconds: float
    megapixels: float
    seconds: float
    frames: int
    facts_seconds: float


@dataclass(frozen=True)
class KnownTimings:
    """Statistics of one engine, and of all surveys.

    Attributes:
        runs: Runs of the engine, the latest last.
        surveys: Surveys of any video, the latest last.
        in_flight: Number of requests that the engine last took at the same time, None if unknown.
        max_model_len: Context length of the engine in its last run, None if unknown.
    """

    runs: tuple[tuple[RequestTiming, ...], ...] = ()
    surveys: tuple[SurveyTiming, ...] = ()
    in_flight: int | None = None
    max_model_len: int | None = None


class TimingStats:
    """Statistics in the file `path`. `engine` is any text that identifies an engine with its model and settings."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def of(self, engine: str) -> KnownTimings:
        """Get the statistics of this engine, and of all surveys."""
        record = self._read()
        own = _dict(_dict(record.get("engines")).get(engine))
        runs = (_each(RequestTiming, run) for run in _list(own.get("runs")))
        return KnownTimings(
            tuple(run for run in runs if run),
            _each(SurveyTiming, record.get("surveys")),
            _whole(own.get("in_flight")),
            _whole(own.get("max_model_len")),
        )

    def note_asked(
        self, engine: str, run: Sequence[RequestTiming], *, in_flight: int | None, max_model_len: int | None
    ) -> None:
        """Add a run of this engine."""
        with self._lock:
            record = self._read()
            engines = _dict(record.get("engines"))
            own = _dict(engines.pop(engine, None))
            runs = [*_list(own.get("runs")), [asdict(one) for one in run]][-_MOST_RUNS:]
            latest = {"runs": runs, "in_flight": in_flight, "max_model_len": max_model_len}
            kept = list(engines.items())[-_MOST_ENGINES + 1 :]
            self._write({**record, "engines": {**dict(kept), engine: latest}})

    def note_survey(self, survey: SurveyTiming) -> None:
        """Add a survey."""
        with self._lock:
            record = self._read()
            surveys = [*_list(record.get("surveys")), asdict(survey)][-_MOST_RUNS:]
            self._write({**record, "surveys": surveys})

    def _read(self) -> dict[str, Any]:
        try:
            return read_json(self._path) or {}
        except AppError:
            _log.warning("could not read timing statistics from %s", self._path, exc_info=True)
            return {}

    def _write(self, record: dict[str, Any]) -> None:
        try:
            make_private_folder(self._path.parent)
            write_json(self._path, record)
        except OSError:
            _log.warning("could not write timing statistics to %s", self._path, exc_info=True)


def _each(kind: type[T], given: object) -> tuple[T, ...]:
    """Parse the entries, leaving out those that lack a field or have a negative or infinite figure."""
    found = []
    for one in _list(given):
        figures = _dict(one)
        names = kind.__dataclass_fields__
        if figures.keys() == names.keys() and all(_is_figure(value) for value in figures.values()):
            found.append(kind(**figures))
    return tuple(found)


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
