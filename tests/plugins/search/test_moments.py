"""Moments by words and by pictures, with a tiny model that really runs: what is planted is found, and nothing else."""

import base64
import io
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import av
import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

import framelens
from benchmarks.plugins.search.planted import FRAMES, PAIRS, Clip, draw_clips, fill, to_jpeg
from framelens import config
from framelens.api import Gate, routes
from framelens.api.tools import ToolCall
from framelens.cli import main
from framelens.composition import Services, open_library
from framelens.core.errors import AppError, InputError, ModelNotFound
from framelens.core.roles import LOCAL_USER, User, as_user
from framelens.core.units import clock
from framelens.jobs.stored.library_search import MomentQuery
from framelens.plugins.search.encoder import FILES, SIGLIP, VISION, Encodable, Encoders, LocalEncoder, PictureModel
from framelens.plugins.search.moment_index import MomentIndex
from framelens.plugins.search.parts import library_search
from framelens.plugins.search.tools import find_moments
from framelens.store.database import Row
from framelens.store.library_index import EntrySummary
from framelens.store.trash import Trash
from scripts.test_models.things import background, captions, draw_thing, paste
from tests.api.conftest import gate, services  # noqa: F401
from tests.engine.hub_server import Hub, serve
from tests.llm import scripted
from tests.llm.scripted import Behave, Whole
from tests.media import write_video

MODEL = Path(__file__).parents[2] / "fixtures" / "tiny-search"
ANN, BOB = (User(name, name, "analyst") for name in ("ann", "bob"))
PRESENT, ABSENT = PAIRS[:-7], PAIRS[-7:]
"""The clips show no trees."""
CLIPS = draw_clips(30, PRESENT, seed=11)
BLUE_VAN = MomentQuery("a blue van")


class Index:
    """A planted library with its index; `encoder` may be changed."""

    def __init__(self, folder: Path) -> None:
        self.store, self.library = fill(folder, CLIPS)
        self.clips = {clip.id: clip for clip in CLIPS}
        settings = config.load({"FRAMELENS_SEARCH_MODEL": str(MODEL), "FRAMELENS_DATA_DIR": str(folder)})
        self.encoders = Encoders(settings, None)
        self.moments = MomentIndex(
            self.store, self.library, frames=lambda job_id: self.clips[job_id].indexed(), encoders=self.encoders
        )

    def places(self, query: MomentQuery) -> set[tuple[str, int]]:
        """The shots that are found."""
        hits = self.moments.find(query).moments
        assert len({(hit.job_id, int(hit.time_seconds) // FRAMES) for hit in hits}) == len(hits), "a shot is one hit"
        return {(hit.job_id, int(hit.time_seconds) // FRAMES) for hit in hits}

    def shots(self, thing: tuple[str, str]) -> set[tuple[str, int]]:
        """The shots that show a thing."""
        return {(clip.id, shot) for clip in CLIPS for shot, shown in enumerate(clip.shots) if shown == thing}

    def num_rows(self) -> int:
        return int(self.store.select("SELECT count(*) FROM moments WHERE kind = 'picture'")[0][0])


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    index = Index(tmp_path)
    yield index
    index.moments.close()
    index.store.close()


def picture_of(thing: tuple[str, str], seed: int = 5) -> bytes:
    rng = np.random.default_rng(seed)
    return to_jpeg(paste(background(rng), draw_thing(*thing, rng), rng))


@pytest.mark.slow
def test_each_thing_is_found_where_it_is_and_what_is_nowhere_is_not(index: Index) -> None:
    index.moments.catch_up()
    for thing in PRESENT:
        right, (_, english, *_, chinese) = index.shots(thing), captions(*thing)
        assert index.places(MomentQuery(english)) == right == index.places(MomentQuery(chinese)), thing
    like = [(thing, index.places(MomentQuery(picture=picture_of(thing)))) for thing in PRESENT]
    assert sum(places == index.shots(thing) for thing, places in like) >= 32, "of 35"
    assert [thing for thing in ABSENT if index.places(MomentQuery(captions(*thing)[1]))] == []
    shown = next(clip for clip in CLIPS if clip.shots[1])
    (first, *_) = index.moments.find(MomentQuery(picture=shown.frames[FRAMES + 2])).moments
    assert (first.job_id, first.time_seconds, first.frame_index) == (shown.id, FRAMES + 2.0, FRAMES + 2)
    assert first.reasons == ("same", "alike") and first.similarity and first.similarity > 0.98
    both = index.moments.find(MomentQuery("blue van", picture_of(("van", "blue")))).moments[0]
    assert {"seen", "alike"} <= set(both.reasons)
    named = next(hit for hit in index.moments.find(MomentQuery("blue van")).moments if "words" in hit.reasons)
    assert named.text == "blue van" and "seen" in named.reasons  # the same moment by words and by its picture


@pytest.mark.slow
def test_moments_are_only_of_the_reports_that_are_asked_about(index: Index) -> None:
    index.moments.catch_up()
    job_id, shot = max(index.shots(("van", "blue")))
    for query in (BLUE_VAN, MomentQuery(picture=picture_of(("van", "blue")))):
        assert index.places(replace(query, among=frozenset({job_id}))) == {(job_id, shot)}
        assert index.places(replace(query, among=frozenset())) == set()


@pytest.mark.slow
def test_the_same_video_in_two_reports_is_one_moment(index: Index) -> None:
    first = next(clip for clip in CLIPS if clip.shots[0])
    for job_id in (first.id, "again"):
        index.clips[job_id] = Clip(job_id, first.shots, first.frames)
        index.store.save(Row(job_id, "2026", job_id, "done", "", "{}"))
        index.library.put(job_id, EntrySummary("done", num_frames=9, sha256="a" * 64), [], b"")
    index.moments.catch_up()
    hits = index.moments.find(MomentQuery(picture=first.frames[1])).moments
    assert sum(hit.job_id in (first.id, "again") and hit.time_seconds < FRAMES for hit in hits) == 1


@pytest.mark.slow
def test_others_moments_are_no_hits_and_deleted_videos_leave_no_vectors(index: Index) -> None:
    clip = CLIPS[0]
    index.clips["anns"] = Clip("anns", clip.shots, clip.frames)
    index.store.save(Row("anns", "2026", "anns", "done", "", "{}", user_id=ANN.id))
    index.library.put("anns", EntrySummary("done", num_frames=9), [], b"")
    index.moments.catch_up()
    query = MomentQuery(picture=clip.frames[0], limit=1)
    with as_user(BOB):
        assert index.moments.find(query).moments == ()
    with as_user(ANN):
        assert [hit.job_id for hit in index.moments.find(query).moments] == ["anns"]
        Trash(index.store).put(["anns"])
        assert index.moments.find(query).moments == ()
    before = index.num_rows()
    index.library.delete("anns")
    assert index.num_rows() == before - 1


@pytest.mark.slow
def test_another_model_replaces_the_vectors_while_the_old_ones_serve(index: Index, tmp_path: Path) -> None:
    index.moments.catch_up()
    right = index.places(BLUE_VAN)
    shutil.copytree(MODEL, tmp_path / "other")
    encoder = LocalEncoder(tmp_path / "other", "other")
    index.encoders.current = lambda: encoder  # type: ignore[method-assign]
    index.moments.begin = lambda: None  # type: ignore[method-assign]  # nothing is indexed meanwhile
    for done in (0, 10, len(CLIPS)):
        for clip in CLIPS[:done]:
            index.moments._make(clip.id)
        assert index.places(BLUE_VAN) == right, f"{done} of 30 are indexed again"
    models = index.store.select("SELECT DISTINCT model FROM moments WHERE kind = 'picture'")
    assert models == [(encoder.key,)] and index.num_rows() == len(CLIPS)
    assert set(index.moments._table._loaded) == {("picture", encoder.key)}, "what was replaced leaves the memory"
    encoder.close()


@pytest.mark.slow
def test_index_is_finished_after_kills(index: Index, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.plugins.search.test_moments import Index\n"
        "index = Index.__new__(Index); Index.__init__.__globals__['fill'] = lambda folder, clips: opened(folder)\n"
        "from framelens.store.database import Store; from framelens.store.library_index import LibraryIndex\n"
        "def opened(folder):\n"
        "    store = Store(folder / 'framelens.sqlite'); return store, LibraryIndex(store)\n"
        "index.__init__(Path(sys.argv[1])); print('begins', flush=True); index.moments.catch_up()"
    )
    counts = [0]
    while counts[-1] < len(CLIPS) // 2:
        child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        assert child.stdout and child.stdout.readline()
        while index.num_rows() <= counts[-1] and child.poll() is None:
            pass
        child.send_signal(signal.SIGKILL)
        child.communicate()
        counts.append(index.num_rows())
    index.moments.catch_up()
    assert index.num_rows() == len(CLIPS) and index.places(BLUE_VAN) == index.shots(("van", "blue"))


@pytest.mark.slow
def test_faults_of_the_model_are_said(index: Index, tmp_path: Path) -> None:
    blind = MomentIndex(index.store, index.library)
    alone = blind.find(MomentQuery(picture=picture_of(("van", "blue"))))
    assert alone.error and alone.error.key == "search_needs_model" and alone.moments == ()
    assert blind.find(MomentQuery("blue van")).moments[0].reasons == ("words",)
    folder = tmp_path / "broken"
    shutil.copytree(MODEL, folder)
    (folder / VISION).write_bytes(b"no model")
    broken = LocalEncoder(folder, "broken")
    with pytest.raises(InputError, match="search_model_unusable"):
        broken.vectors([Encodable(jpeg=picture_of(("van", "blue")))])
    assert broken.vectors([Encodable("a van")])[0] is not None  # another process, whose text half is whole
    broken.close()
    (folder / VISION).unlink()
    settings = config.load({"FRAMELENS_SEARCH_MODEL": str(folder), "FRAMELENS_DATA_DIR": str(tmp_path)})
    lacking = MomentIndex(index.store, index.library, encoders=Encoders(settings, None))
    worded = lacking.find(MomentQuery("blue van", picture_of(("van", "blue"))))
    assert isinstance(worded.error, ModelNotFound) and worded.error.values["files"] == VISION
    assert worded.moments[0].reasons == ("words",)
    absent = PictureModel(config.load({"FRAMELENS_DATA_DIR": str(tmp_path), "HF_HUB_CACHE": str(tmp_path)}))
    assert absent.download_bytes() > 10**8 and not absent.is_available()
    encoder = LocalEncoder(MODEL, "tiny")
    assert encoder.vectors([Encodable(jpeg=b"\xff\xd8 no picture")]) == [None]
    encoder.close()


# ---- a real video: the command, the API and the MCP server


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A video of an empty street, a blue van from 2 s on, and a red ball from 4 s on."""
    rng = np.random.default_rng(3)
    scenes = [None, ("van", "blue"), ("ball", "red")]
    drawn = [background(rng, 320, 180) for _ in scenes]
    shown = [
        paste(scene, draw_thing(*thing, rng), rng) if thing else scene
        for scene, thing in zip(drawn, scenes, strict=True)
    ]
    return write_video(tmp_path / "street.mp4", [np.asarray(picture) for picture in shown for _ in range(20)], rate=10)


def frame_of(video: Path, seconds: float) -> Image.Image:
    with av.open(str(video)) as container:
        return next(frame.to_image() for frame in container.decode(video=0) if float(frame.time or 0) >= seconds)


def found(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    capsys.readouterr()
    assert main.main(["find", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_video_is_searched_everywhere(
    street: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["analyse", str(street), "--no-model", "--quiet", "--output", str(tmp_path / "report.md")]) == 0
    without = found(capsys, "blue", "van")
    assert without["moments"] == [] and without["model"] == ""
    frame = tmp_path / "frame.png"
    frame_of(street, 2.5).resize((160, 90)).save(frame)
    (hit,) = found(capsys, "--picture", frame)["moments"]  # needs no model
    assert 2.0 <= hit["time_seconds"] < 4.0 and hit["reasons"] == ["same"]
    monkeypatch.setenv("FRAMELENS_SEARCH_MODEL", str(MODEL))
    (hit,) = found(capsys, "a blue van")["moments"]
    assert 2.0 <= hit["time_seconds"] < 2.5 and (hit["name"], hit["reasons"]) == ("street.mp4", ["seen"])
    picture = tmp_path / "query.jpg"
    picture.write_bytes(picture_of(("ball", "red")))
    (hit,) = found(capsys, "--picture", picture)["moments"]
    assert 4.0 <= hit["time_seconds"] < 4.5 and hit["reasons"] == ["alike"]
    assert found(capsys, "purple tent")["moments"] == []
    with open_library(config.load()) as opened:
        call = ToolCall(opened, lambda _: (None, None), Path)
        (moment,) = find_moments(call, "红色的球").moments
        assert moment.time == hit["time_seconds"] and find_moments(call, picture=str(picture)).moments == [
            moment.model_copy(update={"reasons": ["alike"]})
        ]
        with pytest.raises(AppError, match="find_nothing_asked"):
            find_moments(call)

        def refuse(name: str) -> NoReturn:
            raise InputError("job_unknown", id=name)

        assert find_moments(ToolCall(opened, refuse, Path), "红色的球").moments == []  # outside of the roots
    capsys.readouterr()
    assert main.main(["ask", "--library", "--no-model", "In which videos is a blue van?", "--language", "en"]) == 0
    answer = capsys.readouterr().out
    assert "“a blue van” was found in 1 of 1 video:" in answer and f"- {clock(2.0)} [1]" in answer
    (from_python,) = framelens.find(picture=picture, limit=3).moments
    assert (from_python.time_seconds, from_python.reasons) == (hit["time_seconds"], ("alike",))


@pytest.mark.slow
def test_a_part_of_a_picture_or_frame_is_looked_for(
    street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["analyse", str(street), "--no-model", "--quiet", "--output", str(tmp_path / "report.md")]) == 0
    both, edge = Image.new("RGB", (320, 90)), tmp_path / "both.png"
    for left, thing in ((0, ("van", "blue")), (160, ("ball", "red"))):
        both.paste(Image.open(io.BytesIO(picture_of(thing))), (left, 0))
    both.save(edge)
    assert main.main(["find", "--picture", str(edge), "--region", "0,0,0.5,1", "--language", "en"]) == 6
    assert "Only a model can find a part of a picture" in capsys.readouterr().err
    monkeypatch.setenv("FRAMELENS_SEARCH_MODEL", str(MODEL))
    for region, (first, last) in (("0,0,0.5,1", (2.0, 2.5)), ("50% 0% 100% 100%", (4.0, 4.5))):
        (hit,) = found(capsys, "--picture", edge, "--region", region)["moments"]
        assert first <= hit["time_seconds"] < last and hit["reasons"] == ["alike"]
    (hit,) = framelens.find(picture=edge, region=(0.0, 0.0, 0.5, 1.0)).moments
    assert 2.0 <= hit.time_seconds < 2.5
    (whole, *_) = found(capsys, "--report", "latest", "--at", "0:02.1")["moments"]
    assert 2.0 <= whole["time_seconds"] < 2.5 and whole["reasons"] == ["same", "alike"]
    (part, *_) = found(capsys, "--report", "latest", "--at", "2.1", "--region", "0,0,1,0.9")["moments"]
    assert part["time_seconds"] == whole["time_seconds"] and part["reasons"] == ["alike"]
    with open_library(config.load()) as opened:
        call = ToolCall(opened, lambda _: (None, None), Path)
        for arguments in ({"report": "latest", "at": 2.1}, {"picture": str(edge), "region": [0, 0, 0.5, 1]}):
            assert find_moments(call, **arguments).moments[0].time == whole["time_seconds"]
    capsys.readouterr()
    for wrong, said in (
        (["--picture", edge, "--region", "0.6,0,0.2,1"], "“0.6,0,0.2,1” is no part of a picture"),
        (["--picture", edge, "--region", "a corner"], "“a corner” is no part of a picture"),
        (["--picture", edge, "--region", "0,0,1%,1"], "3 x 90 pixels of 320 x 90"),
        (["van", "--region", "0,0,1,1"], "no picture"),
        (["--report", "latest"], "needs a report and a time"),
        (["--report", "latest", "--at", "1:00:00"], "has no frame at 1:00:00"),
        (["--report", "latest", "--at", "1", "--picture", edge], "Leave one of them out"),
    ):
        assert main.main(["find", *map(str, wrong), "--language", "en"]) != 0
        assert said in capsys.readouterr().err, wrong


def judging(*words: str) -> Behave:
    """An engine that answers each look at a picture with the next word, and each question why with a sentence."""
    left = list(words)

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if "logprobs" in body:
            top = [{"token": left.pop(0), "logprob": 0.0}]
            choice = {"message": {"content": "x"}, "logprobs": {"content": [{"token": "x", "top_logprobs": top}]}}
            raise Whole(json.dumps({"choices": [choice]}).encode(), content_type="application/json")
        yield "It stands on the left.\n"

    return behave


@pytest.mark.slow
def test_the_model_looks_at_what_was_found(
    street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["analyse", str(street), "--no-model", "--quiet", "--output", str(tmp_path / "report.md")]) == 0
    monkeypatch.setenv("FRAMELENS_SEARCH_MODEL", str(MODEL))
    with scripted.serve(judging("no", "yes", "perhaps", "yes", "no", "yes")) as server:
        monkeypatch.setenv("FRAMELENS_BASE_URL", server.base_url)
        for is_confirmed in (False, True, None):
            (hit,) = found(capsys, "a blue van", "--check")["moments"]
            remark = "" if is_confirmed is None else "It stands on the left."
            assert (hit["is_confirmed"], hit["remark"]) == (is_confirmed, remark)
        assert main.main(["find", "a blue van", "--check", "--language", "en"]) == 0
        assert "yes · It stands on the left." in capsys.readouterr().out
        with open_library(config.load()) as opened:
            quoted = find_moments(ToolCall(opened, lambda _: (None, None), Path), "a blue van", check=True)
        assert (quoted.moments[0].is_confirmed, quoted.quoted and quoted.quoted.remarks) == (
            False,
            ["It stands on the left."],
        )
        assert [hit.is_confirmed for hit in framelens.find("a blue van", check=True).moments] == [True]
    asked = server.requests[-1]["messages"][1]["content"]
    assert [part["type"] for part in asked] == ["text", "image_url", "text"]
    assert "There is no a blue van" not in asked[-1]["text"] and "a blue van" in asked[-1]["text"]
    assert main.main(["find", "--picture", "x.jpg", "--check", "--language", "en"]) == 6


@pytest.mark.slow
def test_the_model_is_downloaded_when_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = Hub(SIGLIP.hub_id, {name: (MODEL / name).read_bytes() for name in FILES} | {"onnx/model.onnx": b"-"})
    picture = tmp_path / "query.jpg"
    picture.write_bytes(picture_of(("van", "blue")))
    with serve(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        assert main.main(["find", "--picture", str(picture), "--language", "en"]) == 0
        offered = capsys.readouterr().err
        assert "418 MB" in offered and "--download" in offered and not hub.requests
        assert main.main(["find", "--download", "--quiet"]) == 0
    assert not any("onnx/model.onnx" in request for request in hub.requests)
    capsys.readouterr()
    assert main.main(["find", "--picture", str(picture), "--language", "en"]) == 0
    assert capsys.readouterr().out == "Nothing like that in the library.\n"


@pytest.mark.slow
def test_api_finds_moments(gate: Gate, services: Services) -> None:  # noqa: F811
    api_keys = pytest.importorskip("framelens.plugins.server.api_keys", reason="the plugin server serves the API")
    object.__setattr__(services, "library_search", library_search(services.settings, services.store, services.jobs))
    api_records = pytest.importorskip("framelens.plugins.server.api_records")
    with as_user(LOCAL_USER):
        key = api_keys.create(api_records.ApiStore(services.store), "tests")
    headers = {"Authorization": f"Bearer {key}", "Accept-Language": "en"}
    with TestClient(Starlette(routes=routes(gate)), base_url="http://testserver/api/v1/", headers=headers) as api:
        answer = api.post("moments/search", json={"words": "blue van"}).json()
        assert answer == {"moments": [], "model": "", "num_left": 0, "problem": None}
        picture = base64.b64encode(picture_of(("van", "blue"))).decode()
        for body in (
            {},
            {"picture": "no base64!"},
            {"picture": base64.b64encode(b"text").decode()},
            {"picture": picture, "region": [0, 0, 0, 1]},
            {"report": "latest", "picture": picture, "at_seconds": 1},
        ):
            assert api.post("moments/search", json=body).status_code == 409
        answer = api.post("moments/search", json={"picture": picture}).json()
        assert answer["moments"] == [] and "418 MB" in answer["problem"]
