"""Jobs in the library: taken up when they end, renamed, deleted with their videos, and taken in from other machines."""

import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from framelens.analysis.task import Task
from framelens.core.domain import UNKNOWN_PATH, AnalysisRequest, ReportedAnswer, ReportedConversation, ReportedSearch
from framelens.core.errors import Cancelled, InputError
from framelens.core.events import AnalysisEvent, Finished
from framelens.core.evidence import Interval, Moments, Point, VoteSample
from framelens.jobs.queue import Jobs
from framelens.jobs.stored.bulk_operations import remove_jobs
from framelens.jobs.stored.library_entries import about, passages
from framelens.jobs.stored.report_import import reports_of
from framelens.reports.files import write_zip
from framelens.reports.formats import FORMATS, bundle
from framelens.reports.json.reader import read
from framelens.store.database import Store
from framelens.store.library_index import LibraryQuery, Passage
from framelens.store.videos.video_repository import VideoRepository
from tests.app import rich
from tests.jobs.test_queue import Open, until, whole
from tests.jobs.working import plain
from tests.reports.test_reports import analysis

REQUEST = AnalysisRequest(Path("/v/clip.mp4"))


def uploaded(videos: VideoRepository, name: str = "clip.mp4") -> Path:
    upload = videos.create_upload(name, 3)
    with videos.part(upload.id, 0) as part:
        part.write(b"abc")
    return videos.path(videos.finish(upload.id))


def finished(jobs: Jobs, path: Path) -> str:
    job_id = jobs.submit(replace(REQUEST, path=path), name=path.name, force=True)
    until(jobs, job_id, lambda job: job.state == "done")
    return job_id


def ids(jobs: Jobs, words: str) -> list[str]:
    return [entry.id for entry in jobs.library.find(LibraryQuery(words), order="best", offset=0, limit=9)]


def test_a_job_is_found_by_its_words_as_soon_unchanged_done(jobs: Jobs) -> None:
    job_id = finished(jobs, Path("/v/clip.mp4"))
    assert ids(jobs, "later heading") == [job_id]
    entry = jobs.library.entry(job_id)
    assert entry
    assert (entry.state, entry.model, entry.num_frames, entry.has_cover) == ("done", "some/model", 2, True)
    assert jobs.library.cover(job_id).startswith(b"\xff\xd8")


def test_everything_that_is_said_is_searched_with_its_time(open_queue: Open) -> None:
    jobs = open_queue(rich.script(parts=2, findings=3))
    job_id = finished(jobs, Path("/v/clip.mp4"))
    kinds = {
        hit.kind
        for words in ("afternoon", "chapter", "parcel", "spoken", "crosses")
        for hit in jobs.library.hits(job_id, words, limit=9)
    }
    assert kinds == {"summary", "chapter", "finding", "said"}
    assert jobs.library.hits(job_id, '"number 1.1"')[0].seconds == 12.5


def test_the_answer_to_a_question_is_no_summary(jobs: Jobs) -> None:
    job_id = finished(jobs, Path("/v/clip.mp4"))
    job = jobs.snapshot(job_id)
    said = ReportedAnswer("When?", "", "The van is there at 3 s.", "complete")
    asked = ReportedConversation("a", "When?", "", "en", (said,))
    answered = replace(job, progress=replace(job.progress, answer=asked))
    found = [(one.kind, one.text) for one in passages(answered)]
    assert ("answer", "The van is there at 3 s.") in found
    seen = Interval(Point(3, 3.0), Point(5, 5.0), None, None, Point(3, 3.0), 1, 0, 0.9)
    moments = Moments(job_id, "a van", 0.0, 9.0, (VoteSample(3, 3.0, 3.1, 0.9, 1),), intervals=(seen,))
    text = "“a van” was seen once:\n1. 00:03.000–00:05.000, 99 % on average\n\nIt is red."
    searched = replace(said, answer=text, searches=(ReportedSearch(moments),))
    with_search = replace(job, progress=replace(job.progress, answer=replace(asked, answers=(searched,))))
    assert Passage("answer", "“a van” was seen once: 00:03.000–00:05.000 (2.00 s) It is red.", 3.0) in [
        *passages(with_search)
    ]
    chinese = replace(job, request=replace(job.request, language="zh"))
    for made, colon in ((job, ": "), (chinese, "：")):
        assert all(colon in one.text for one in passages(made) if one.kind == "chapter")
    jobs.library.put(job_id, about(answered), tuple(passages(answered)), b"")
    assert [one.kind for one in jobs.library.hits(job_id, "van")] == ["answer"]
    assert ids(jobs, "van") == [job_id]


def test_old_stores_do_not_search_own_question(store: Store, open_queue: Open) -> None:
    jobs = open_queue(whole)
    question = "Is there a zeppelin?"
    job_id = jobs.submit(replace(REQUEST, question=question), name="clip.mp4")
    until(jobs, job_id, lambda job: job.state == "done")
    assert ids(jobs, "zeppelin") == []
    with store.changing() as connection:  # as the version before has indexed it
        number = connection.execute("SELECT number FROM entries").fetchone()[0]
        connection.execute("UPDATE entries SET form = 1")
        connection.execute("UPDATE words SET name = 'clip mp4 is there a zeppelin' WHERE rowid = ?", (number,))
        connection.execute("INSERT INTO passages VALUES (?, 999, 'name', NULL, ?)", (job_id, question))
    assert ids(jobs, "zeppelin") == [job_id]
    jobs.indexing.begin()
    jobs.indexing.catch_up()
    assert ids(jobs, "zeppelin") == []
    assert ids(jobs, "clip") == [job_id]


def test_old_entries_are_indexed_on_first_look(store: Store, open_queue: Open) -> None:
    jobs = open_queue(rich.script(parts=2, findings=3))
    job_id = finished(jobs, Path("/v/clip.mp4"))
    with store.changing() as connection:
        connection.execute("DELETE FROM entries")
    assert ids(jobs, "parcel") == []
    jobs.indexing.begin()
    jobs.indexing.catch_up()
    assert ids(jobs, "parcel") == [job_id]
    assert jobs.indexing.num_left == 0


def test_a_new_name_is_shown_and_found_and_must_be_one(jobs: Jobs) -> None:
    job_id = finished(jobs, Path("/v/clip.mp4"))
    jobs.rename(job_id, " 前门\u202e a/b ")
    assert jobs.snapshot(job_id).name == jobs.recent()[0].name == "前门  a/b"
    assert ids(jobs, "前门") == [job_id]
    assert ids(jobs, "clip") == [job_id]  # the file is still called so
    assert jobs.snapshot(job_id).analysis
    with pytest.raises(InputError, match="name_empty"):
        jobs.rename(job_id, " \u202e ")
    with pytest.raises(InputError, match="job_unknown"):
        jobs.rename("nobody", "x")


def test_an_uploaded_video_goes_with_the_last_analysis_of_it(jobs: Jobs, videos: VideoRepository) -> None:
    path = uploaded(videos)
    first, second = finished(jobs, path), finished(jobs, path)
    assert [one.with_video for one in remove_jobs(jobs, videos, [first])] == [False]
    assert path.exists()
    assert [one.with_video for one in remove_jobs(jobs, videos, [second])] == [True]
    assert not path.exists() and not path.parent.exists()
    assert jobs.recent() == []
    assert videos.find(path) is None


def test_a_video_that_was_not_uploaded_is_never_deleted(jobs: Jobs, videos: VideoRepository, tmp_path: Path) -> None:
    path = tmp_path / "mine.mp4"
    path.write_bytes(b"abc")
    assert [one.with_video for one in remove_jobs(jobs, videos, [finished(jobs, path)])] == [False]
    assert path.exists()


def test_one_that_runs_is_cancelled_before_it_is_deleted(open_queue: Open, videos: VideoRepository) -> None:
    stopped = threading.Event()

    def endless(task: Task) -> Iterator[AnalysisEvent]:
        task.control.cancel.wait(30)
        stopped.set()
        raise Cancelled
        yield Finished(analysis())

    jobs = open_queue(endless)
    job_id = jobs.submit(REQUEST, name="clip.mp4")
    until(jobs, job_id, lambda job: job.state == "running")
    assert next(one.error for one in remove_jobs(jobs, videos, [job_id])) is None
    assert stopped.is_set()
    with pytest.raises(InputError, match="job_unknown"):
        jobs.snapshot(job_id)


def test_one_that_cannot_be_deleted_does_not_keep_the_others(jobs: Jobs, videos: VideoRepository) -> None:
    job_id = finished(jobs, Path("/v/clip.mp4"))
    errors = [one.error and one.error.key for one in remove_jobs(jobs, videos, ["nobody", job_id])]
    assert errors == ["job_unknown", None]


def test_imported_report_is_complete_and_exports_equal(jobs: Jobs) -> None:
    given = rich.rich(AnalysisRequest(Path("/v/clip.mp4")), "job123456", parts=2, findings=3)
    there = read(FORMATS["json"].write(given, "en"), name="r.json")
    assert jobs.imported(there) is None
    job_id = jobs.import_report(there)
    assert jobs.imported(there) == job_id
    job = jobs.snapshot(job_id)
    assert job.analysis and job.is_imported
    assert plain(job.analysis) == plain(replace(there, request=replace(there.request, path=UNKNOWN_PATH)))
    assert job.analysis.keyframes == given.keyframes
    assert FORMATS["json"].write(job.analysis, "en") == FORMATS["json"].write(there, "en")
    assert ids(jobs, "parcel") == [job_id]
    assert jobs.import_report(there) == job_id
    assert len(jobs.recent()) == 1


def test_imported_reports_get_ids_and_no_questions(jobs: Jobs) -> None:
    # Report without video offers no new question.
    job_id = jobs.import_report(read(FORMATS["json"].write(analysis(id="job123456"), "en"), name="r.json"))
    with pytest.raises(InputError, match="video_not_here"):
        jobs.retry(job_id, 1)
    jobs.resume(job_id)
    assert jobs.snapshot(job_id).state == "done"
    assert jobs.snapshot(job_id).analysis
    # An id that is none of ours is replaced.
    job_id = jobs.import_report(replace(analysis(), id="../../x", created="yesterday"))
    assert "/" not in job_id
    assert jobs.snapshot(job_id).created.startswith("20")


@pytest.mark.slow
def test_many_reports_go_out_as_a_zip_and_come_in_again(jobs: Jobs) -> None:
    given = [analysis(id=f"job12345{number}") for number in range(3)]
    data = BytesIO()
    write_zip(data, bundle(given, ["json", "markdown"]))
    names = zipfile.ZipFile(data).namelist()
    assert len(names) == len(set(names))
    assert [one.id for one in reports_of([("reports.zip", data)])] == [one.id for one in given]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"{}", "report_not_ours"),
        (b"no json", "report_not_json"),
        (b"PK\x05\x06" + bytes(18), "no_reports"),
    ],
)
def test_a_file_that_holds_no_report_is_refused_with_its_name(data: bytes, key: str) -> None:
    with pytest.raises(InputError, match=key) as caught:
        list(reports_of([("x.zip", BytesIO(data))]))
    assert caught.value.values["name"] == "x.zip"


@pytest.mark.slow
def test_a_damaged_zip_is_refused() -> None:
    data = BytesIO()
    write_zip(data, bundle([analysis()], ["json"]))
    broken = bytearray(data.getvalue())
    broken[60:90] = bytes(30)
    with pytest.raises(InputError):
        list(reports_of([("x.zip", BytesIO(bytes(broken)))]))
