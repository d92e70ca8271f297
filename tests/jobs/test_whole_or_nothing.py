"""Importing and deleting, killed at each of their SQL statements: afterwards all of it is there or nothing."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from framelens.core.domain import AnalysisRequest
from framelens.jobs.queue import Jobs
from framelens.jobs.stored.bulk_operations import purge, remove_jobs, sweep
from framelens.jobs.stored.reports import StoredReports
from framelens.questions.repository import ConversationRepository
from framelens.store.database import Store
from framelens.store.videos.video_repository import VideoRepository
from tests.app.fake_services import queue
from tests.jobs.test_queue import until, whole
from tests.reports.test_questions import asked
from tests.users import AUDIT, audited

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """The process has ended: nothing that follows reaches the database."""


class Killing:
    """A connection whose process is killed before its statement with this number."""

    def __init__(self, connection: sqlite3.Connection, number: int) -> None:
        self._connection = connection
        self._left = number

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed

    def execute(self, *given: Any) -> sqlite3.Cursor:
        self._count()
        return self._connection.execute(*given)

    def executemany(self, *given: Any) -> sqlite3.Cursor:
        self._count()
        return self._connection.executemany(*given)

    @property
    def is_alive(self) -> bool:
        return self._left >= 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@dataclass
class Place:
    """The stored things of a data folder, without anything that works on them."""

    store: Store
    jobs: Jobs
    videos: VideoRepository

    @property
    def conversations(self) -> ConversationRepository:
        return ConversationRepository(self.store)

    @property
    def reports(self) -> StoredReports:
        return StoredReports(self.store, self.jobs, self.conversations)


@contextmanager
def opened(folder: Path) -> Iterator[Place]:
    store = Store(folder / "framelens.sqlite")
    jobs = queue(store, whole, folder)
    try:
        yield Place(store, jobs, VideoRepository(folder, (), folder / "sample.mp4"))
    finally:
        jobs.close()
        store.close()


def each_kill(template: Path, folder: Path, act: Callable[[Place], object], check: Callable[[Place], None]) -> int:
    """Kill `act` before each of its statements, check what the next start finds, and return the number of kills."""
    for number in range(200):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(template, folder)
        with opened(folder) as place:
            place.jobs.close()
            killing = Killing(place.store._connection, number)
            place.store._connection = killing  # type: ignore[assignment]
            with suppress(Killed):
                act(place)
            place.store._connection = killing._connection
            if place.store._connection.in_transaction:
                place.store._connection.rollback()
        with opened(folder) as place:
            sweep(place.jobs, place.videos)
            check(place)
        if killing.is_alive:
            return number
    raise AssertionError("it does not end")


@pytest.fixture(autouse=True)
def audit(use_plugins: Callable[..., None]) -> None:
    use_plugins(audit=AUDIT)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A copy of the data folder, with an uploaded video and its report."""
    with opened(tmp_path / "data") as place:
        upload = place.videos.create_upload("clip.mp4", 3)
        with place.videos.part(upload.id, 0) as part:
            part.write(b"abc")
        path = place.videos.path(place.videos.finish(upload.id))
        job_id = place.jobs.submit(AnalysisRequest(path), name="clip.mp4", force=True)
        until(place.jobs, job_id, lambda job: job.state == "done")
    return Path(shutil.copytree(tmp_path / "data", tmp_path / "template"))


def job_of(place: Place) -> str:
    return next(job.id for job in place.jobs.recent() if job.name == "clip.mp4" and not job.is_imported)


def test_an_import_is_whole_or_not_there(template: Path, tmp_path: Path) -> None:
    given = asked(id="imported0001")

    def check(place: Place) -> None:
        found = [job for job in place.jobs.recent() if job.is_imported]
        conversations = place.conversations.find(analysis_ids=[one.id for one in found]) if found else []
        pictures = [place.jobs.snapshot(one.id).progress.keyframes for one in found]
        assert (len(found), len(conversations)) in ((0, 0), (1, 1))
        assert not found or (len(pictures[0]) == len(given.keyframes) and all(one.jpeg for one in pictures[0]))
        assert num_audited(place, "import") == len(found)

    kills = each_kill(template, tmp_path / "data", lambda place: place.reports.add(given), check)
    assert kills > 10


def test_a_deletion_is_whole_or_did_not_begin(template: Path, tmp_path: Path) -> None:
    def act(place: Place) -> None:
        assert [one.error for one in remove_jobs(place.jobs, place.videos, [job_of(place)])] == [None]

    def check(place: Place) -> None:
        left = [job for job in place.jobs.recent() if job.name == "clip.mp4"]
        files = [path for path in (tmp_path / "data" / "videos").rglob("*.mp4") if path.is_file()]
        assert (len(left), len(files), num_audited(place, "delete")) in ((1, 1, 0), (0, 0, 1))

    assert each_kill(template, tmp_path / "data", act, check) > 5


def trashed(template: Path) -> None:
    """Move the report of the template to the trash."""
    with opened(template) as place:
        place.jobs.discard([job_of(place)])


def num_audited(place: Place, action: str) -> int:
    return [audited_action for _, audited_action, _ in audited(place.store)].count(action)


def test_trash_gets_all_or_none(template: Path, tmp_path: Path) -> None:
    with opened(template) as place:
        place.reports.add(asked(id="imported0001"))

    def act(place: Place) -> None:
        assert len(place.jobs.discard([job.id for job in place.jobs.recent()])[0]) == 2

    def check(place: Place) -> None:
        counts = (len(place.jobs.recent()), len(place.jobs.trash.entries()), num_audited(place, "trash"))
        assert counts in ((2, 0, 0), (0, 2, 2))
        assert len(list((tmp_path / "data" / "videos").rglob("*.mp4"))) == 1

    assert each_kill(template, tmp_path / "data", act, check) > 5


def test_trash_gives_back_all_or_none(template: Path, tmp_path: Path) -> None:
    trashed(template)

    def act(place: Place) -> None:
        assert place.jobs.trash.restore([entry.id for entry in place.jobs.trash.entries()])

    def check(place: Place) -> None:
        counts = (len(place.jobs.recent()), len(place.jobs.trash.entries()), num_audited(place, "untrash"))
        assert counts in ((0, 1, 0), (1, 0, 1))

    assert each_kill(template, tmp_path / "data", act, check) > 3


def test_trash_loses_report_and_video_or_neither(template: Path, tmp_path: Path) -> None:
    trashed(template)

    def act(place: Place) -> None:
        assert [one.error for one in purge(place.jobs, place.videos, place.jobs.trash.entries())] == [None]

    def check(place: Place) -> None:
        files = [path for path in (tmp_path / "data" / "videos").rglob("*.mp4") if path.is_file()]
        assert (len(place.jobs.trash.entries()), len(files), num_audited(place, "delete")) in ((1, 1, 0), (0, 0, 1))

    assert each_kill(template, tmp_path / "data", act, check) > 5
