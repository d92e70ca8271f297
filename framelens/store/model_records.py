"""Records about models on this machine: timings, benchmarks, vision checks and confirmed downloads."""

import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from framelens.core.codec import from_builtins, to_builtins
from framelens.core.errors import AppError
from framelens.core.files import make_private_folder
from framelens.store.fs_utils import disk_errors, read_json, write_json

_log = logging.getLogger(__name__)
_MOST_RUNS = 20
"""Runs kept of each engine, and surveys in all."""
_MOST_ENGINES = 20
"""Engines kept."""
_MOST = 200
"""Documents kept in a file."""
Measured = Mapping[str, Any]
Count = Annotated[int, Meta(ge=0)]
Figure = Annotated[float, Meta(ge=0, le=sys.float_info.max)]  # finite


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path) or {}
    except AppError:
        _log.warning("could not read %s", path, exc_info=True)
        return {}


def _write(path: Path, record: Mapping[str, object]) -> None:
    try:
        make_private_folder(path.parent)
        write_json(path, record)
    except OSError:
        _log.warning("could not write %s", path, exc_info=True)


@dataclass(frozen=True)
class RequestTiming:
    """Requests of one kind in one run.

    Attributes:
        frames: Total number of frames, 0 for requests that merge findings.
        at_once: Number of requests in flight.
        seconds: Sum of the durations of all requests.
    """

    requests: Count
    frames: Count
    prompt_tokens: Count
    completion_tokens: Count
    at_once: Count
    seconds: Figure


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

    video_seconds: Figure
    megapixels: Figure
    seconds: Figure
    frames: Count
    facts_seconds: Figure


@dataclass(frozen=True)
class LookTiming:
    """One search in a video.

    Attributes:
        looks: Number of pictures that the model was asked about, one in each request.
        seconds: Time that the search took, with decoding the pictures.
    """

    looks: Annotated[int, Meta(ge=1)]
    seconds: Figure


@dataclass(frozen=True)
class KnownTimings:
    """Statistics of one engine, and of all surveys.

    Attributes:
        runs: Runs of the engine, the latest last.
        surveys: Surveys of any video, the latest last.
        looks: Searches by the engine, the latest last.
        in_flight: Number of requests that the engine last took at the same time, None if unknown.
        max_model_len: Context length of the engine in its last run, None if unknown.
    """

    runs: tuple[tuple[RequestTiming, ...], ...] = ()
    surveys: tuple[SurveyTiming, ...] = ()
    in_flight: Count | None = None
    max_model_len: Count | None = None
    looks: tuple[LookTiming, ...] = ()


@dataclass(frozen=True)
class _Timings:
    engines: dict[str, KnownTimings] = field(default_factory=dict)
    surveys: tuple[SurveyTiming, ...] = ()


class TimingStats:
    """Statistics in the file `path`. `engine` is any text that identifies an engine with its model and settings.

    framelens.analysis.planning.forecast derives estimates from them. A file that is lost, damaged or cannot be
    written makes the estimates poorer and never fails anything.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def of(self, engine: str) -> KnownTimings:
        """Get the statistics of this engine, and of all surveys."""
        known = self._read()
        return replace(known.engines.get(engine, KnownTimings()), surveys=known.surveys)

    def note_asked(
        self, engine: str, run: Sequence[RequestTiming], *, in_flight: int | None, max_model_len: int | None
    ) -> None:
        """Add a run of this engine."""

        def added(before: KnownTimings) -> KnownTimings:
            runs = (*before.runs, tuple(run))[-_MOST_RUNS:]
            return replace(before, runs=runs, in_flight=in_flight, max_model_len=max_model_len)

        self._change(engine, added)

    def note_looked(self, engine: str, search: LookTiming) -> None:
        """Add a search by this engine."""
        self._change(engine, lambda before: replace(before, looks=(*before.looks, search)[-_MOST_RUNS:]))

    def _change(self, engine: str, change: Callable[[KnownTimings], KnownTimings]) -> None:
        with self._lock:
            known = self._read()
            latest = change(known.engines.pop(engine, KnownTimings()))
            kept = list(known.engines.items())[-_MOST_ENGINES + 1 :]
            _write(self._path, to_builtins(replace(known, engines={**dict(kept), engine: latest})))

    def note_survey(self, survey: SurveyTiming) -> None:
        """Add a survey."""
        with self._lock:
            known = self._read()
            _write(self._path, to_builtins(replace(known, surveys=(*known.surveys, survey)[-_MOST_RUNS:])))

    def _read(self) -> _Timings:
        try:
            return from_builtins(_read(self._path), _Timings)
        except ValueError:
            _log.warning("timing statistics in %s are damaged", self._path, exc_info=True)
            return _Timings()


class BenchmarkStore:
    """Documents in the file `path`. Two with the same values under all names in `kind` are of one kind."""

    def __init__(self, path: Path, kind: tuple[str, ...]) -> None:
        self._path = path
        self._kind = kind
        self._lock = threading.Lock()

    def all(self) -> tuple[Measured, ...]:
        """List all documents, the latest last."""
        kept = _read(self._path).get(self._path.stem)
        return tuple(one for one in kept if isinstance(one, dict)) if isinstance(kept, list) else ()

    def matching(self, **values: object) -> tuple[Measured, ...]:
        """List the documents that have these values, the latest last."""
        return tuple(one for one in self.all() if all(one.get(name) == value for name, value in values.items()))

    def save(self, measured: Measured) -> None:
        """Save this document in place of an earlier one of its kind."""
        with self._lock:
            others = [one for one in self.all() if any(one.get(name) != measured[name] for name in self._kind)]
            _write(self._path, {self._path.stem: [*others, measured][-_MOST:]})

    def keep(self, document: Mapping[str, Any]) -> Measured:
        """Save this document with the present time, and return it as it is read again."""
        whole: Measured = json.loads(json.dumps({**document, "at": f"{datetime.now():%Y-%m-%d %H:%M}"}))
        self.save(whole)
        return whole


def trials(data_dir: Path) -> BenchmarkStore:
    """Open the benchmarks of models: each has a model, a machine, vLLM's arguments, and its figures."""
    return BenchmarkStore(data_dir / "trials.json", ("model", "machine", "arguments"))


def checks(data_dir: Path) -> BenchmarkStore:
    """Open the vision checks: each has a model, its engine, number format, the size of the frames, and a score."""
    return BenchmarkStore(data_dir / "sights.json", ("model", "engine", "format", "width", "height"))


class ConfirmedDownloads:
    """Ids of models on the hub, in the file `path`. Every call reads the file, since several processes may share it.

    Every method raises StorageError if the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, model_id: str) -> None:
        """Add a model that may be downloaded."""
        self._write({*self._ids(), model_id})

    def remove(self, model_id: str) -> None:
        """Remove a model that was downloaded."""
        if model_id in (known := self._ids()):
            self._write(known - {model_id})

    def holds(self, model_id: str) -> bool:
        """Return whether this model may be downloaded."""
        return model_id in self._ids()

    def _ids(self) -> set[str]:
        known = (read_json(self._path) or {}).get("models")
        return {one for one in known if isinstance(one, str)} if isinstance(known, list) else set()

    def _write(self, ids: set[str]) -> None:
        with disk_errors(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, {"models": sorted(ids)})
