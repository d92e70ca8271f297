"""Attacks of a user on what belongs to another: each id at each route, answered as an unknown id is."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from framelens.analysis.task import Task
from framelens.api import Gate, routes
from framelens.composition import Services
from framelens.core.codec import to_json
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import InputError
from framelens.core.events import AnalysisEvent
from framelens.core.files import new_id
from framelens.core.roles import LOCAL_USER, User, as_user, current_user
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiStore, SubmissionRow, WebhookRow
from framelens.plugins.server.submissions import Submission, VideoSource
from framelens.store.authentication import COOKIE
from framelens.store.database import Store
from framelens.store.library_index import LibraryQuery
from framelens.store.videos.video_repository import VideoRepository
from tests.app.fake_services import ended, queue, script
from tests.reports.test_questions import asked
from tests.users import with_sessions

ANN, BOB = User("u1", "ann", "analyst"), User("u2", "bob", "analyst")
ADA = User("u3", "ada", "administrator")
_UNKNOWN = {
    "job": "A" * 12,
    "video": "B" * 32,
    "conversation": "C" * 12,
    "picture": "0" * 64,
    "webhook": "D" * 12,
    "submission": "E" * 12,
}


@dataclass(frozen=True)
class Owned:
    """Ids of what Ann has."""

    job: str
    video: str
    conversation: str
    picture: str
    webhook: str
    submission: str

    def ids(self) -> dict[str, str]:
        return vars(self)


@pytest.fixture
def owned(services: Services) -> Owned:
    with as_user(ANN):
        upload = services.videos.create_upload("ann's secret.mp4", 4)
        with services.videos.part(upload.id, 0) as part:
            part.write(b"film")
        video = services.videos.finish(upload.id)
        job = services.jobs.submit(AnalysisRequest(services.videos.path(video), language="en"), name="ann's secret.mp4")
        ended(services, job)
        imported = services.reports.add(asked())
        (conversation,) = services.conversations.find(analysis_ids=[imported])
        (picture,) = services.conversations.keep_pictures([services.jobs.snapshot(job).progress.keyframes[0].jpeg])
    api_keys.create(ApiStore(services.store), "ann")
    webhook = WebhookRow(new_id(), ApiStore(services.store).keys()[0].id, "https://ann.example", "", "")
    ApiStore(services.store).add_webhook(webhook, 1)
    fetch = Submission(VideoSource("url", "https://ann.example/film"), AnalysisRequest(Path("-"), language="en"))
    row = SubmissionRow(new_id(), webhook.key_id, "", "fetching", "", to_json(fetch), user_id=ANN.id)
    assert ApiStore(services.store).add_submission(row, 1)
    return Owned(job, video, conversation.id, picture, webhook.id, row.job_id)


@pytest.fixture
def people(services: Services) -> None:
    with_sessions(services, ADA, ANN, BOB)


@pytest.fixture
def page(gate: Gate, services: Services, people: None) -> Iterator[Callable[..., httpx.Response]]:
    """Send a request of a user who is logged in to the routes of the page."""
    with TestClient(Starlette(routes=routes(gate)), headers={"Tus-Resumable": "1.0.0"}) as client:

        def send(user: User, method: str, path: str, **more: Any) -> httpx.Response:
            own = {"Cookie": f"{COOKIE}={user.name}", "FrameLens-Key": f"key of {user.name}"}
            return client.request(method, path, headers={**own, **more.pop("headers", {})}, **more)

        yield send


def said(answer: httpx.Response, given: str) -> tuple[int, str, dict[str, str]]:
    """What an answer says, without the id that was given."""
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return answer.status_code, answer.text.replace(given[:64], "ID"), headers


def paths(gate: Gate) -> list[tuple[str, str]]:
    """Method and path of each route of the page that has an id."""
    found = [one for one in routes(gate) if isinstance(one, Route) and "{" in one.path]
    return [(method, one.path) for one in found for method in sorted(one.methods or ())]


def filled(path: str, given: str) -> str:
    path = re.sub(r"\{(\w+):int\}", "0", path)
    return re.sub(r"\{\w+\}", given, path)


@pytest.mark.slow
def test_page_routes_know_no_id_of_others(
    gate: Gate, services: Services, owned: Owned, page: Callable[..., httpx.Response]
) -> None:
    tried = paths(gate)
    assert len(tried) >= 10
    for method, path in tried:
        for kind, given in owned.ids().items():
            headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "4"}
            answers = [page(BOB, method, filled(path, one), headers=headers) for one in (given, _UNKNOWN[kind])]
            first, second = (said(answer, one) for answer, one in zip(answers, (given, _UNKNOWN[kind]), strict=True))
            assert first == second, (method, path, kind)
            assert first[0] >= 400, (method, path, kind)
    listed = page(BOB, "GET", f"/api/library.zip?ids={owned.job}")
    assert said(listed, owned.job) == said(page(BOB, "GET", f"/api/library.zip?ids={'A' * 12}"), "A" * 12)
    assert page(ANN, "GET", f"/api/videos/{owned.video}").content == b"film"
    assert ZipFile(BytesIO(page(ANN, "GET", f"/api/library.zip?ids={owned.job}").content)).namelist()
    assert page(ANN, "GET", f"/api/ask/pictures/{owned.picture}.jpg").status_code == 200
    assert page(ANN, "GET", f"/api/library/{owned.job}.jpg").status_code == 200
    assert page(ADA, "GET", f"/api/videos/{owned.video}").content == b"film"


@pytest.mark.slow
def test_api_knows_no_id_of_others(gate: Gate, services: Services, owned: Owned, people: None) -> None:
    keys = {
        one.id: api_keys.create(ApiStore(services.store), f"k{one.id}", per_minute=100_000, account_id=one.id)
        for one in (ADA, ANN, BOB)
    }
    bodies = {
        "/jobs": {"source": {"type": "upload", "id": "{}"}},
        "/jobs/{job_id}/questions": {"question": "What?", "wait_seconds": 0},
    }
    with TestClient(Starlette(routes=routes(gate)), base_url="http://testserver/api/v1") as client:
        client.headers["Authorization"] = f"Bearer {keys[BOB.id]}"
        known = client.get("openapi.json").json()["paths"]
        tried = [(path, method) for path in known if "{" in path for method in known[path]] + [("/jobs", "post")]
        assert len(tried) >= 13
        for (path, method), (kind, given) in product(tried, owned.ids().items()):
            answers = []
            for one in (given, _UNKNOWN[kind]):
                url = filled(path.replace("{name}", "html"), one).lstrip("/")
                body = json.dumps(bodies[path]).replace("{}", one) if path in bodies else None
                media = "application/octet-stream" if method == "patch" else "application/json"
                sent = client.request(method, url, content=body, headers={"Content-Type": media})
                answers.append(said(sent, one))
            assert answers[0] == answers[1] and answers[0][0] >= 400, (method, path, kind)
        for one in (BOB, ADA):  # an administrator's key sees what is the administrator's
            client.headers["Authorization"] = f"Bearer {keys[one.id]}"
            assert client.get("jobs").json() == {"total": 0, "jobs": [], "fetching": []}
        client.headers["Authorization"] = f"Bearer {keys[ANN.id]}"
        assert client.get(f"jobs/{owned.job}").json()["name"] == "ann's secret.mp4"


def test_library_and_queue_show_ones_own(services: Services, owned: Owned) -> None:
    jobs, library = services.jobs, services.jobs.library
    with as_user(ANN):
        library.tag([owned.job], "mine")
        with pytest.raises(InputError, match="name_empty"):
            jobs.rename(owned.job, " ")
    every = LibraryQuery()
    for user, count in ((ANN, 2), (BOB, 0), (ADA, 2), (LOCAL_USER, 2)):
        with as_user(user):
            assert library.count(every) == len(library.find(every, order="newest", offset=0, limit=9)) == count
            assert len(jobs.recent()) == count and bool(library.choices()["tag"]) == bool(count)
            assert library.count(LibraryQuery(words="secret")) == bool(count)
            assert len(services.conversations.find()) == bool(count)
    with as_user(BOB):
        for attack in (
            jobs.snapshot, jobs.brief, jobs.changes, jobs.resume, jobs.remove, library.resolve_id,
            lambda one: jobs.retry(one, 1), lambda one: jobs.rename(one, "x"), lambda one: library.resolve_id(one[:6]),
        ):  # fmt: skip
            for given in (owned.job, "A" * 12):
                with pytest.raises(InputError) as refused:
                    attack(given)
                assert refused.value.key == "job_unknown"
        with pytest.raises(InputError, match="job_unknown"):
            library.resolve_id("latest")
        for done in (jobs.cancel, jobs.pause, jobs.put_first):
            done(owned.job)
        library.tag([owned.job], "bob's")
        library.untag([owned.job], "mine")
        services.conversations.rename(owned.conversation, "bob's")
        services.conversations.discard(owned.conversation)
        assert (library.entry(owned.job), library.cover(owned.job), library.passages(owned.job)) == (None, b"", [])
        assert library.hits(owned.job, "secret") == []
        assert services.videos.find(jobs_path(services, owned)) is None
        assert not services.videos.drop_upload(jobs_path(services, owned))
    with as_user(ANN):
        entry = library.entry(owned.job)
        assert entry and entry.tags == ("mine",) and services.conversations.get(owned.conversation).name != "bob's"


def jobs_path(services: Services, owned: Owned) -> Path:
    with as_user(ANN):
        return services.jobs.brief(owned.job).request.path


def test_an_import_never_touches_what_another_has(services: Services, owned: Owned) -> None:
    with as_user(ANN):
        mine = services.jobs.snapshot(owned.job).analysis
        assert mine
    forged = replace(asked(), id=owned.job, video=replace(mine.video, name="forged.mp4"))
    with as_user(BOB):
        imported = services.reports.add(forged)
        assert imported != owned.job and services.reports.add(forged) == imported
        unknown = services.reports.add(replace(forged, id="AAAAAAAAAAAA"))
        assert len(unknown) == len(imported) and unknown != "AAAAAAAAAAAA"
        (conversation,) = services.conversations.find(analysis_ids=[imported])
        assert conversation.id != owned.conversation
    with as_user(ANN):
        assert services.jobs.snapshot(owned.job).analysis == mine
        assert len(services.conversations.find()) == 1


def test_files_in_allowed_folders_are_each_ones_own(services: Services, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    videos = VideoRepository(tmp_path / "data", (tmp_path,), film)
    found = {}
    for user in (ANN, BOB, LOCAL_USER):
        with as_user(user):
            found[user.id] = videos.from_path(str(film))
            assert videos.find(film) == found[user.id]
    assert len(set(found.values())) == 3
    with as_user(BOB), pytest.raises(InputError, match="video_unknown"):
        videos.path(found["u1"])


def test_the_same_file_is_analysed_for_each_user(services: Services, tmp_path: Path) -> None:
    acted = []

    def run(task: Task) -> Iterator[AnalysisEvent]:
        acted.append(current_user().id)
        yield from script()(task)

    folder = tmp_path / "more"
    folder.mkdir()
    store = Store(folder / "framelens.sqlite")
    jobs = queue(store, run, folder, sha256="ab" * 32)
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    request = AnalysisRequest(film, language="en")
    ids = {}
    for user in (ANN, BOB, LOCAL_USER, ADA):
        with as_user(user):
            assert jobs.finished(request) is None and jobs.unfinished(request) is None
            ids[user.id] = jobs.submit(request, name=f"{user.name}'s film")
            while not jobs.snapshot(ids[user.id]).is_over:
                time.sleep(0.01)
            assert jobs.submit(request, name="again") == ids[user.id]
    jobs.close()
    store.close()
    assert len(set(ids.values())) == 4 and acted == ["u1", "u2", "", "u3"]


def test_a_running_job_of_another_is_unknown(services: Services, tmp_path: Path) -> None:
    going = threading.Event()
    folder = tmp_path / "more"
    folder.mkdir()
    store = Store(folder / "framelens.sqlite")
    jobs = queue(store, script(hold=going), folder)
    with as_user(ANN):
        job = jobs.submit(AnalysisRequest(tmp_path / "film.mp4", language="en"), name="film")
        while not jobs.running():
            time.sleep(0.01)
    with as_user(BOB):
        jobs.cancel_all()
        jobs.cancel(job)
        assert (jobs.running(), jobs.all_running(), jobs.waiting(), jobs.recent()) == ((), [], [], [])
        with pytest.raises(InputError, match="job_unknown"):
            jobs.brief(job)
    going.set()
    with as_user(ANN):
        while not jobs.brief(job).is_over:
            time.sleep(0.01)
        assert jobs.brief(job).state == "done"
    jobs.close()
    store.close()
