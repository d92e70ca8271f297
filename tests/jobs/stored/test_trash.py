"""Deleted jobs of a real queue: discarded, restored, and deleted for good with their videos."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.core.domain import AnalysisRequest
from framelens.core.errors import Cancelled, InputError
from framelens.jobs.queue import Jobs
from framelens.jobs.snapshot import JobSnapshot
from framelens.jobs.stored import bulk_operations
from framelens.jobs.stored.bulk_operations import purge, remove_jobs, sweep, sweep_trash, sweep_trash_daily
from framelens.questions.conversation import AskSettings, Conversation
from framelens.questions.repository import ConversationRepository
from framelens.store.database import Store
from framelens.store.videos.video_repository import VideoRepository
from tests.jobs.stored.test_bulk_operations import finished, ids, uploaded
from tests.jobs.test_queue import Open, until, whole
from tests.reports.test_reports import analysis


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deleted in the test is due."""
    monkeypatch.setattr("framelens.store.trash.KEPT_DAYS", -1)


def talked(jobs: Jobs, job_id: str) -> str:
    """A conversation about this job, in the trash."""
    conversations = ConversationRepository(jobs._store)
    talk = conversations.add(Conversation.begun_about([job_id], "en").with_question("Which?", AskSettings()))
    assert [entry.kind for entry in conversations.discard(talk.id)] == ["conversation"]
    return talk.id


def test_deleted_jobs_come_back_whole(jobs: Jobs, videos: VideoRepository) -> None:
    path = uploaded(videos)
    first, second = finished(jobs, path), finished(jobs, path)
    before = jobs.snapshot(first)
    moved, errors = jobs.discard([first, second, first])
    assert ([entry.id for entry in moved], errors) == ([first, second], [])
    assert jobs.recent() == [] and ids(jobs, "later heading") == [] and path.exists()
    for look in (jobs.snapshot, jobs.brief, jobs.changes, jobs.resume, jobs.remove):
        with pytest.raises(InputError, match="job_unknown"):
            look(first)
    assert [error.key for error in jobs.discard([first, "none"])[1]] == ["job_unknown"] * 2
    jobs.trash.restore([first])
    assert jobs.snapshot(first) == before and [job.id for job in jobs.recent()] == [first]


@pytest.mark.parametrize("for_good", [False, True])
def test_report_deleted_while_it_is_read_is_gone(
    jobs: Jobs, videos: VideoRepository, monkeypatch: pytest.MonkeyPatch, for_good: bool
) -> None:
    job_id, repository = finished(jobs, uploaded(videos)), jobs._repository
    repository.forget(job_id)
    read = repository.get_stored

    def read_slowly(read_id: str) -> JobSnapshot:
        found = read(read_id)
        monkeypatch.setattr(repository, "get_stored", read)
        assert jobs.remove(job_id) if for_good else jobs.discard([job_id])[0]
        return found

    monkeypatch.setattr(repository, "get_stored", read_slowly)
    assert jobs.snapshot(job_id).progress.keyframes
    with pytest.raises(InputError, match="job_unknown"):
        jobs.snapshot(job_id)
    assert not repository._reading


def test_deleted_job_is_no_duplicate(jobs: Jobs, tmp_path: Path) -> None:
    path = tmp_path / "mine.mp4"
    path.write_bytes(b"abc")
    request = AnalysisRequest(path)
    first = finished(jobs, path)
    with jobs._store.changing() as connection:
        connection.execute("UPDATE jobs SET same = 'same'")
    assert jobs._stored_report("same")
    jobs.discard([first])
    assert jobs._stored_report("same") is None and jobs.finished(request) is None
    second = finished(jobs, path)
    with jobs._store.changing() as connection:
        connection.execute("UPDATE jobs SET same = 'same'")
    jobs.trash.restore([first])
    known = jobs._stored_report("same")
    assert known and known.id == second
    assert {job.id for job in jobs.recent()} == {first, second}


def test_running_job_is_cancelled_first(open_queue: Open) -> None:
    hold = threading.Event()

    def run(task):  # type: ignore[no-untyped-def]
        while not task.control.cancel.wait(0.01):
            if hold.is_set():
                break
        raise Cancelled
        yield

    jobs = open_queue(run)
    running = jobs.submit(AnalysisRequest(Path("/v/a.mp4")), name="a.mp4", force=True)
    until(jobs, running, lambda job: job.state == "running")
    waiting = [jobs.submit(AnalysisRequest(Path("/v/b.mp4")), name="b.mp4", force=True) for _ in range(3)]
    assert len(jobs.discard([running, *waiting])[0]) == 4
    assert (jobs.waiting(), jobs.all_running()) == ([], [])
    jobs.trash.restore([running])
    assert jobs.snapshot(running).state == "cancelled"


def test_video_stays_while_the_trash_needs_it(jobs: Jobs, videos: VideoRepository) -> None:
    path = uploaded(videos)
    first, second, third = (finished(jobs, path) for _ in range(3))
    jobs.discard([first, second])
    assert [one.with_video for one in remove_jobs(jobs, videos, [third])] == [False]
    entries = jobs.trash.entries()
    assert [one.with_video for one in purge(jobs, videos, entries[:1])] == [False] and path.exists()
    assert [one.with_video for one in purge(jobs, videos, entries[1:])] == [True] and not path.exists()
    assert jobs.trash.entries() == [] and videos.find(path) is None


def test_restored_meanwhile_is_not_deleted(jobs: Jobs, videos: VideoRepository) -> None:
    path = uploaded(videos)
    job_id = finished(jobs, path)
    (entry,), _ = jobs.discard([job_id])
    jobs.trash.restore([job_id])
    (done,) = purge(jobs, videos, [entry])
    assert done.error and done.error.key == "trash_unknown"
    sweep(jobs, videos)  # the note that the video was about to go
    assert path.exists() and not videos.going() and jobs.snapshot(job_id)
    jobs.discard([job_id])
    (done,) = purge(jobs, videos, [replace(entry, deleted="2026-01-01")])  # deleted again since
    assert done.error and path.exists()


def test_interrupted_end_keeps_video_of_the_trash(jobs: Jobs, videos: VideoRepository) -> None:
    path = uploaded(videos)
    job_id = finished(jobs, path)
    jobs.discard([job_id])
    videos.let_go_with(path, job_id)  # a process was killed here
    sweep(jobs, videos)
    assert path.exists() and not videos.going()
    assert jobs.trash.restore([job_id])


def test_interrupted_end_keeps_video_of_a_job_never_indexed(jobs: Jobs, videos: VideoRepository) -> None:
    path = uploaded(videos)
    job_id = finished(jobs, path)
    with jobs._store.changing() as connection:
        connection.execute("DELETE FROM entries WHERE job_id = ?", (job_id,))
    videos.let_go_with(path, "gone00000001")  # a process was killed after that was deleted
    sweep(jobs, videos)
    assert path.exists() and not videos.going()


def test_sweep_deletes_what_is_due(jobs: Jobs, videos: VideoRepository, later: None) -> None:
    path = uploaded(videos)
    job_id, kept = finished(jobs, path), finished(jobs, Path("/v/clip.mp4"))
    jobs.discard([job_id])
    sweep_trash(jobs, videos)
    assert jobs.trash.entries() == [] and not path.exists()
    assert [job.id for job in jobs.recent()] == [kept]


def test_sweep_leaves_what_is_young(jobs: Jobs, videos: VideoRepository) -> None:
    job_id = finished(jobs, Path("/v/clip.mp4"))
    talked(jobs, job_id)
    jobs.discard([job_id])
    sweep_trash(jobs, videos)
    assert len(jobs.trash.entries()) == 2


def test_sweep_deletes_conversations_that_are_due(jobs: Jobs, videos: VideoRepository, later: None) -> None:
    path = uploaded(videos)
    job_id = finished(jobs, path)
    talked(jobs, job_id)
    sweep_trash(jobs, videos)
    assert jobs.trash.entries() == [] and jobs._store.select("SELECT * FROM conversations") == []
    assert path.exists() and jobs.snapshot(job_id)


def test_conversation_restored_meanwhile_is_not_deleted(jobs: Jobs, videos: VideoRepository) -> None:
    talk = talked(jobs, finished(jobs, Path("/v/clip.mp4")))
    (entry,) = jobs.trash.entries()
    jobs.trash.restore([talk])
    (done,) = purge(jobs, videos, [entry])
    assert done.error and done.error.key == "trash_unknown"
    assert ConversationRepository(jobs._store).get(talk)


def test_damaged_job_does_not_stop_the_sweep(
    jobs: Jobs,
    videos: VideoRepository,
    later: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken, other = finished(jobs, Path("/v/a.mp4")), finished(jobs, Path("/v/b.mp4"))
    jobs.discard([broken])
    jobs.discard([other])
    with jobs._store.changing() as connection:
        connection.execute("UPDATE jobs SET document = '{' WHERE id = ?", (broken,))
    sweep_trash(jobs, videos)
    assert [entry.id for entry in jobs.trash.entries()] == [broken]
    assert f"report {broken} in the trash was not deleted: record_damaged" in caplog.text


def test_sweep_runs_at_once_and_again(
    jobs: Jobs,
    videos: VideoRepository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cancel, runs = threading.Event(), list[int]()

    def count(*_: object) -> None:
        runs.append(1)
        if len(runs) == 3:
            cancel.set()

    monkeypatch.setattr(bulk_operations, "_SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(bulk_operations, "sweep_trash", count)
    with pytest.raises(Cancelled):
        sweep_trash_daily(jobs, videos, cancel)
    assert len(runs) == 3


def test_imported_again_comes_out_of_the_trash(jobs: Jobs) -> None:
    job_id = jobs.import_report(analysis(id="job001abc"))
    jobs.discard([job_id])
    assert jobs.import_report(analysis(id="job001abc")) == job_id
    assert jobs.snapshot(job_id) and jobs.trash.entries() == []


def test_trashed_job_is_not_adopted(store: Store, open_queue: Open) -> None:
    jobs = open_queue(whole)
    job_id = finished(jobs, Path("/v/clip.mp4"))
    jobs.discard([job_id])
    with store.changing() as connection:  # a process that was killed left it so
        connection.execute("UPDATE jobs SET state = 'running', owner = 'gone'")
    jobs.close()
    jobs = open_queue(whole)
    assert (jobs.waiting(), jobs.all_running(), jobs.recent()) == ([], [], [])
