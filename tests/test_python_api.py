"""The package `framelens` as another program uses it."""

import importlib.metadata as metadata
import inspect
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import framelens
from framelens.i18n import in_language, language, t
from framelens.reports.formats import FORMATS
from tests.cards import write_card_video
from tests.llm.scripted import HangUp, serve

pytestmark = pytest.mark.usefixtures("no_text_reading")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("api") / "cards.mp4", ["red", "blue", "green", "yellow"])


@pytest.fixture(scope="module")
def analysis(video: Path, tmp_path_factory: pytest.TempPathFactory) -> framelens.Analysis:
    folder = tmp_path_factory.mktemp("data")
    return framelens.analyse(video, frames=3, use_model=False, data_dir=folder, language="zh")


def behave(body: dict[str, Any]) -> Iterator[str]:
    reply = [{"frames": [1], "text": "Red comes first."}]
    yield json.dumps({"title": "Cards", "reply": reply, "overview": [], "findings": reply})


@pytest.mark.slow
def test_import_is_light_and_every_name_is_there() -> None:
    code = "import sys, framelens; print(*sys.modules); [getattr(framelens, name) for name in framelens.__all__]"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    assert {name for name in found if name.split(".")[0] in ("app", "framelens")} == {"framelens"}
    assert not found & {"numpy", "av", "cv2", "streamlit", "langchain_core", "pydantic", "httpx"}
    assert set(framelens.__all__) <= set(dir(framelens))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = framelens.nonsense


@pytest.mark.slow
def test_keyframes_have_times_pictures_shots_and_measures(video: Path, tmp_path: Path) -> None:
    frames = framelens.keyframes(video, frames=16, data_dir=tmp_path / "data")
    assert [int(frame.time_seconds) for frame in frames] == [0, 1, 2, 3]
    assert frames[0].jpeg.startswith(b"\xff\xd8") and frames[0].frame_index == 0 and frames[0].reason == "first"
    assert len(frames.shots) == 4 and frames.measures is not None and frames.video.name == "cards.mp4"
    document = json.loads(frames.to_json("en"))
    assert document["reused"] is False and document["source"]["sha256"] == frames.sha256
    assert framelens.keyframes(video, frames=16, data_dir=tmp_path / "data").reused
    saved = frames.save(tmp_path / "frames")
    assert len(saved) == 4 and all(path.read_bytes().startswith(b"\xff\xd8") for path in saved)
    assert framelens.keyframes(video, at=[1.5, "0:02.5"], data_dir=tmp_path / "data")[1].time_seconds >= 2
    part = framelens.keyframes(video, start=1, end="3", data_dir=tmp_path / "data")
    assert [int(frame.time_seconds) for frame in part] == [1, 2]


@pytest.mark.slow
def test_one_session_answers_several_questions_as_events(video: Path, tmp_path: Path) -> None:
    with (
        serve(behave) as server,
        framelens.Session(base_url=server.base_url, data_dir=tmp_path / "data", language="en") as session,
    ):
        events = list(session.analyse_events(video, "What comes first?", 4))
        again = session.analyse(video, "What comes first?", 4)
        requests = len(server.requests)
        other = session.analyse(video, "What comes last?", 4, language="zh")
        assert len(server.requests) > requests
    assert any(isinstance(event, framelens.AnswerDelta) for event in events)
    finished = events[-1]
    assert isinstance(finished, framelens.Finished)
    assert finished.analysis.reply[0].text == "Red comes first." and finished.analysis.title == "Cards"
    assert again.id == finished.analysis.id  # from the library
    assert other.id != again.id and other.request.language == "zh"


@pytest.mark.slow
def test_leaving_the_loop_stops_and_the_next_call_resumes(video: Path, tmp_path: Path) -> None:
    events = framelens.analyse_events(video, frames=4, use_model=False, data_dir=tmp_path)
    first = next(events)
    assert isinstance(first, framelens.StageStarted)
    events.close()
    assert framelens.analyse(video, frames=4, use_model=False, data_dir=tmp_path).keyframes
    with framelens.Session(data_dir=tmp_path, language="en") as session:
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(framelens.Cancelled, match="Cancelled"):
            session.analyse(video, frames=3, use_model=False, cancel=cancel)


@pytest.mark.slow
def test_model_that_cannot_answer_raises_after_the_report(video: Path, tmp_path: Path) -> None:
    seen = []
    with pytest.raises(framelens.ModelNotFound) as raised:
        for event in framelens.analyse_events(video, model=str(tmp_path / "none"), data_dir=tmp_path, language="zh"):
            seen.append(event)
    assert str(raised.value) == framelens.error_text(raised.value, "zh")
    assert isinstance(seen[-1], framelens.Finished) and seen[-1].analysis.keyframes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["markdown", "pdf", "edl"])
def test_every_format_of_export_is_bytes(name: str, analysis: framelens.Analysis) -> None:
    if FORMATS[name].fits(analysis):
        assert framelens.report(analysis, name)
    else:
        with pytest.raises(framelens.InputError, match=r"cards\.mp4"):
            framelens.report(analysis, name)


@pytest.mark.slow
def test_report_is_made_of_a_json_file(analysis: framelens.Analysis, tmp_path: Path) -> None:
    [path] = framelens.save_report(analysis, tmp_path / "cards.json")
    assert framelens.load_reports(path)[0].id == analysis.id
    assert framelens.report(path, "csv") == framelens.report(analysis, "csv")
    assert framelens.report(path, "markdown", language="en").decode() != framelens.report(path, "markdown").decode()
    written = framelens.save_report(path, tmp_path / "out" / "cards.md")
    assert written[0].name == "cards.md" and len(written) == 4 and all(one.exists() for one in written)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"frames": 0}, "frames_wrong"),
        ({"every": 0}, "interval_empty"),
        ({"start": -1}, "time_unreadable"),
        ({"start": 3, "end": 2}, "range_reversed"),
        ({"strategy": "times"}, "option_missing"),
        ({"every": 2, "strategy": "auto"}, "option_unused"),
        ({"strategy": "best"}, "setting_choice"),
        ({"language": "fr"}, "setting_choice"),
        ({"settings": {"FRAMELENS_ANSWER_TOKENS": "many"}}, "setting_number"),
    ],
)
def test_wrong_arguments_are_named_as_python_writes_them(
    arguments: dict[str, Any], key: str, video: Path, tmp_path: Path
) -> None:
    with pytest.raises(framelens.ConfigError) as raised:
        framelens.keyframes(video, data_dir=tmp_path, **arguments)
    assert raised.value.key == key and "--" not in str(raised.value) and len(str(raised.value)) > 15


@pytest.mark.slow
def test_one_value_is_not_taken_apart(video: Path) -> None:
    for at in (1, 1.0, "1.0", "0:01"):
        assert len(framelens.keyframes(video, at=at)) == 1  # type: ignore[arg-type]
    with pytest.raises(framelens.InputError, match=r"badge\.jpg"):
        framelens.ask([], "Who?", images="badge.jpg")


@pytest.mark.parametrize("path", [None, 5, ["a.mp4"]])
def test_what_is_no_path_is_a_type_error(path: object, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=type(path).__name__):
        framelens.keyframes(path, data_dir=tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["", " ", "\n"])
def test_blank_path_is_not_the_working_folder(path: str, video: Path, tmp_path: Path) -> None:
    with framelens.Session(data_dir=tmp_path) as session:
        for call in (
            lambda: session.keyframes(path),
            lambda: session.analyse(path),
            lambda: session.ask(path, "Who?"),
            lambda: session.ask([], "Who?", images=path),
            lambda: session.keyframes(video, 1).save(path),
            lambda: framelens.load_reports(path),
        ):
            with pytest.raises(framelens.InputError) as raised:
                call()
            assert raised.value.key == "path_blank"


def test_wrong_types_are_named(video: Path) -> None:
    for call, name in (
        (lambda: framelens.analyse(video, 5), "question"),  # type: ignore[arg-type]
        (lambda: framelens.analyse(video, model=5), "model"),  # type: ignore[arg-type]
        (lambda: framelens.ask(video, None), "question"),  # type: ignore[arg-type]
        (lambda: framelens.with_conversations(5), "analysis"),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match=f"^{name} must be a"):
            call()


@pytest.mark.slow
def test_no_report_replaces_the_video(video: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(video.read_bytes())
    (tmp_path / "link.md").symlink_to(copy)
    analysis = framelens.analyse(copy, use_model=False, frames=1)
    assert "1 keyframe, 0 findings" in repr(analysis)
    for target in (copy, tmp_path / "link.md"):
        with pytest.raises(framelens.ConfigError) as caught:
            framelens.save_report(analysis, target, "markdown")
        assert caught.value.key == "output_is_input"
    assert copy.read_bytes() == video.read_bytes()


def test_unknown_argument_and_missing_file_are_named(video: Path, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="frame"):
        framelens.keyframes(video, frame=2)  # type: ignore[call-arg]
    with pytest.raises(framelens.InputError) as raised:
        framelens.analyse(tmp_path / "none.mp4", data_dir=tmp_path, language="zh")
    assert str(raised.value) == framelens.error_text(raised.value, "zh") and "none.mp4" in str(raised.value)


def test_unknown_argument_is_refused(tmp_path: Path) -> None:
    session = framelens.Session(data_dir=tmp_path)
    calls: list[Callable[[], object]] = [
        lambda: framelens.keyframes("a.mp4", frame=2),  # type: ignore[call-arg]
        lambda: framelens.analyse("a.mp4", frame=2),  # type: ignore[call-arg]
        lambda: framelens.ask("a.mp4", "Who?", frame=2),  # type: ignore[call-arg]
        lambda: session.analyse("a.mp4", frame=2),  # type: ignore[call-arg]
        lambda: session.ask("a.mp4", "Who?", frame=2),  # type: ignore[call-arg]
        lambda: session.analyse_events("a.mp4", frame=2),  # type: ignore[call-arg]
        lambda: session.analyse_events("a.mp4", frame=tmp_path),  # type: ignore[call-arg]
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"\(\) got an unexpected keyword argument 'frame'$"):
            call()
    with pytest.raises(TypeError, match="'data_dir'"):
        session.analyse("a.mp4", data_dir=tmp_path)


def test_call_and_the_texts_in_its_errors_have_one_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMELENS_LANGUAGE", "en")
    said = []

    def check_file(path: Path) -> None:
        said.append(t("error.cancelled"))
        raise framelens.InputError("path_missing", path=t("error.cancelled"))

    monkeypatch.setattr("framelens.python.calls.check_file", check_file)
    events = framelens.Session(data_dir=tmp_path, language="zh").analyse_events("a.mp4")
    with in_language("en"):
        with pytest.raises(framelens.InputError) as raised:
            next(events)
        assert language() == "en"
    assert said == [t("error.cancelled", "zh")] and said[0] in str(raised.value)
    assert str(raised.value) == framelens.error_text(raised.value, "zh")


def test_language_of_a_call_comes_from_dotenv_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRAMELENS_LANGUAGE", raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    (tmp_path / "my.env").write_text("FRAMELENS_LANGUAGE=zh\n")
    monkeypatch.setenv("FRAMELENS_ENV_FILE", str(tmp_path / "my.env"))
    for call in (
        lambda: framelens.load_reports("none.json"),
        lambda: framelens.keyframes("none.mp4", data_dir=tmp_path),
        lambda: framelens.Session(settings={"FRAMELENS_ANSWER_TOKENS": "many"}),
        lambda: framelens.Session(language="fr"),  # type: ignore[arg-type]
        lambda: framelens.ChatModel(base_url=""),
    ):
        with pytest.raises(framelens.AppError, match=r"[一-龥]"):
            call()
    with pytest.raises(framelens.AppError, match="cannot be read"):
        framelens.load_reports("none.json", language="en")


def test_dotenv_of_the_current_folder_is_said_to_be_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder := tmp_path / "videos").mkdir()
    monkeypatch.chdir(folder)
    Path(".env").write_text("FRAMELENS_BASE_URL=http://127.0.0.1:9/v1\n")
    with pytest.warns(UserWarning, match="FRAMELENS_ENV_FILE"):
        assert framelens.Session(data_dir=tmp_path, language="en").settings.base_url == ""
    assert framelens.Session(data_dir=tmp_path, settings={"FRAMELENS_ENV_FILE": ".env"}).settings.base_url


@pytest.mark.slow
def test_log_is_opened_once_per_session(video: Path, tmp_path: Path) -> None:
    before = logging.getLogger("framelens").handlers[:]
    session = framelens.Session(data_dir=tmp_path)
    opened = []
    for _ in range(2):
        for _ in range(2):
            session.keyframes(video, 2)
            opened.append(set(logging.getLogger("framelens").handlers) - set(before))
        session.analyse(video, frames=2, use_model=False)
        session.close()
        assert logging.getLogger("framelens").handlers == before
    assert opened[0] == opened[1] and opened[2] == opened[3] and len(opened[0]) == 1


def test_closing_a_session_cancels_its_analysis(video: Path, tmp_path: Path) -> None:
    session = framelens.Session(data_dir=tmp_path, language="en")
    events = session.analyse_events(video, frames=4, use_model=False)
    next(events)
    closing = threading.Thread(target=session.close)
    closing.start()
    closing.join()
    with pytest.raises(framelens.Cancelled, match="Cancelled"):
        list(events)


@pytest.mark.slow
def test_nothing_is_left_behind(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, threads = logging.getLogger("framelens").handlers[:], threading.active_count()
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "unused"))
    framelens.keyframes(video, 2, data_dir=tmp_path / "data")
    framelens.analyse(video, frames=2, use_model=False, data_dir=tmp_path / "data")
    assert logging.getLogger("framelens").handlers == before
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= children
    assert threading.active_count() <= threads
    assert not (tmp_path / "unused").exists() and (tmp_path / "data" / "framelens.sqlite").exists()


def test_every_public_function_is_documented_and_typed() -> None:
    assert (Path(framelens.__file__).parent / "py.typed").exists()
    for name in framelens.__all__:
        value = getattr(framelens, name)
        if inspect.isfunction(value):
            assert value.__doc__ and "return" in value.__annotations__


def test_chat_model_reads_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(lambda _: iter(())) as server:
        monkeypatch.setenv("FRAMELENS_BASE_URL", server.base_url)
        monkeypatch.setenv("FRAMELENS_API_KEY", "sk-mine")
        model = framelens.ChatModel()
        assert (model.openai_api_base, model.openai_api_key.get_secret_value()) == (server.base_url, "sk-mine")
        assert model.model_name == "model"
        monkeypatch.setenv("VLLM_MODEL_PATH", "other")
        assert framelens.ChatModel(base_url=server.base_url).model_name == "other"


def test_errors_of_the_chat_model_name_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRAMELENS_BASE_URL", raising=False)
    with pytest.raises(framelens.ConfigError, match="FRAMELENS_BASE_URL"):
        framelens.ChatModel()
    model = framelens.ChatModel(base_url="http://127.0.0.1:9", model="m")
    with pytest.raises(framelens.EngineError, match=r"http://127\.0\.0\.1:9/v1"):
        model.invoke("hello")


@pytest.mark.slow
def test_chat_model_returns_no_half_answer() -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield "half an"
        if "cut" in str(body["messages"]):
            raise HangUp

    with serve(behave) as engine:
        model = framelens.ChatModel(base_url=engine.base_url, model="model")
        assert repr(model) == str(model) == f"ChatModel(model='model', base_url={engine.base_url!r})"
        assert model.invoke("whole").content == "half an"
        for call in (lambda: model.invoke("cut"), lambda: list(model.stream("cut")), lambda: model.batch(["cut"])):
            with pytest.raises(framelens.EngineError, match="in the middle of an answer"):
                call()


@pytest.mark.slow
def test_reprs_are_short_and_the_version_is_that_of_the_package(analysis: framelens.Analysis) -> None:
    assert framelens.__version__ == metadata.version("framelens")
    assert repr(analysis) == f"Analysis('cards.mp4', 3 keyframes, 0 findings, id={analysis.id!r})"
    frames = framelens.KeyframeList(analysis.keyframes, analysis.video, analysis.decode, False, analysis.sha256)
    assert repr(analysis.video) == "VideoInfo('cards.mp4', 640x360, h264)"
    assert repr(frames.decode) == "DecodeSummary(40 frames, 4 shots, 4.00 s)"
    assert repr(frames) == "KeyframeList('cards.mp4', 3 frames, 4 shots, 4.00 s)"
