"""Records about models on this machine: timings, vision checks and confirmed downloads."""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta

from framelens.core.codec import from_json, to_json
from framelens.core.errors import StorageError
from framelens.store.database import open_store

_log = logging.getLogger(__name__)
_MOST_RUNS = 20
"""Runs kept of each engine, and readings in all."""
_MOST_ENGINES = 20
"""Engines kept."""
_MOST = 200
"""Vision checks kept."""
_ALL = ""
"""Name of the record with the readings."""
T = TypeVar("T")
Count = Annotated[int, Meta(ge=0)]
Figure = Annotated[float, Meta(ge=0, le=sys.float_info.max)]  # finite


class ModelRecords(Generic[T]):
    """Records of a kind by name, in the database of a data folder, which every call opens.

    Every method raises StorageError if the database can't be used. Damaged records are ignored.

    Args:
        data_dir: The data folder.
        kind: The kind.
        form: Class of a record.
        most: Number of records kept; the last changed are kept.
    """

    def __init__(self, data_dir: Path, kind: str, form: type[T], most: int = sys.maxsize) -> None:
        self._data_dir = data_dir
        self._kind = kind
        self._form = form
        self._most = most

    def all(self) -> dict[str, T]:
        """Return all records, the last changed at the end."""
        return self._read("kind = ? ORDER BY rowid", self._kind)

    def get(self, name: str) -> T | None:
        """Return a record, or None."""
        return self._read("kind = ? AND name = ?", self._kind, name).get(name)

    def _read(self, condition: str, *values: str) -> dict[str, T]:
        if not self._data_dir.is_dir():
            return {}
        with closing(open_store(self._data_dir)) as store:
            return self._valid(store.select(f"SELECT name, document FROM model_records WHERE {condition}", *values))

    @staticmethod
    @contextmanager
    def harmless() -> Iterator[None]:
        """Log an error of the database, in place of raising it."""
        try:
            yield
        except StorageError:
            _log.warning("records about models can't be used", exc_info=True)

    def save(self, name: str, record: T | None) -> None:
        """Save a record in place of an earlier record; None removes it."""
        self.change(name, lambda _: record)

    def change(self, name: str, change: Callable[[T | None], T | None]) -> None:
        """Replace a record by the result of `change` for it; no other process changes the record meanwhile."""
        condition = "kind = ? AND name = ?"
        key = (self._kind, name)
        with closing(open_store(self._data_dir)) as store, store.changing() as connection:
            rows = store.select(f"SELECT name, document FROM model_records WHERE {condition}", *key)
            latest = change(self._valid(rows).get(name))
            connection.execute(f"DELETE FROM model_records WHERE {condition}", key)
            if latest is not None:  # as the last row
                connection.execute("INSERT INTO model_records VALUES (?, ?, ?)", (*key, to_json(latest)))
            connection.execute(
                "DELETE FROM model_records WHERE kind = ? AND rowid NOT IN"
                " (SELECT rowid FROM model_records WHERE kind = ? ORDER BY rowid DESC LIMIT ?)",
                (self._kind, self._kind, self._most),
            )

    def _valid(self, rows: Sequence[tuple[Any, ...]]) -> dict[str, T]:
        valid = {}
        for name, document in rows:
            try:
                valid[name] = from_json(document, self._form)
            except ValueError:
                _log.warning("the record %r of %s is damaged", name, self._kind, exc_info=True)
        return valid


@dataclass(frozen=True)
class KnownTimings:
    """Seconds of the last runs of an engine, the latest last.

    Attributes:
        frames: For each frame of requests with frames.
        texts: For each request about texts.
        looks: For each picture of a search, with decoding it.
        readings: Of any engine: to find and measure the frames, for each second of video and megapixel of its picture.
        starts: For each start of the engine, without a download.
        in_flight: Number of requests that the engine last took at the same time, None if unknown.
        max_model_len: Context length of the engine in its last run, None if unknown.
    """

    frames: tuple[Figure, ...] = ()
    texts: tuple[Figure, ...] = ()
    looks: tuple[Figure, ...] = ()
    readings: tuple[Figure, ...] = ()
    starts: tuple[Figure, ...] = ()
    in_flight: Count | None = None
    max_model_len: Count | None = None


class TimingStats:
    """Statistics in a data folder. `engine` is any text that identifies an engine with its model and settings.

    framelens.analysis.planning.estimate derives estimates from them. Records that are lost, damaged or cannot be
    written make the estimates poorer and never fail anything.
    """

    def __init__(self, data_dir: Path) -> None:
        self._records = ModelRecords(data_dir, "timings", KnownTimings, _MOST_ENGINES + 1)

    def get(self, engine: str) -> KnownTimings:
        """Get the statistics of this engine, with all readings."""
        with ModelRecords.harmless():
            timings = self._records.all()
            return replace(timings.get(engine, KnownTimings()), readings=timings.get(_ALL, KnownTimings()).readings)
        return KnownTimings()

    def note(self, engine: str, **seconds: float) -> None:
        """Add seconds of a run of this engine, by the fields of `KnownTimings`."""

        def added(timings: KnownTimings | None) -> KnownTimings:
            timings = timings or KnownTimings()
            latest: dict[str, Any] = {name: (*getattr(timings, name), value) for name, value in seconds.items()}
            return replace(timings, **{name: values[-_MOST_RUNS:] for name, values in latest.items()})

        with ModelRecords.harmless():
            self._records.change(engine, added)

    def note_reading(self, seconds: float) -> None:
        """Add the seconds for each second of video and megapixel of its picture."""
        self.note(_ALL, readings=seconds)

    def note_layout(self, engine: str, *, in_flight: int | None, max_model_len: int | None) -> None:
        """Keep how many requests the engine takes at the same time, and its context length."""
        with ModelRecords.harmless():
            self._records.change(
                engine,
                lambda timings: replace(timings or KnownTimings(), in_flight=in_flight, max_model_len=max_model_len),
            )


def confirmed_downloads(data_dir: Path) -> ModelRecords[bool]:
    """Return the records of downloads that were confirmed, and may begin: True under the model's id on the hub."""
    return ModelRecords(data_dir, "downloads", bool)
