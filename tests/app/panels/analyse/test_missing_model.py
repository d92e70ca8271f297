"""The page on a machine without models: what the start says, the report without a model, and the ways to a model."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import resources
from app.panels.analyse import missing_model
from framelens import registry
from framelens.analysis.task import Task
from framelens.composition import Services
from framelens.core.engines.model_hub import MIRROR
from framelens.core.errors import Cancelled, EngineBrokeOff, EngineError, ModelNotFound
from framelens.core.events import AnalysisEvent, EngineProgress, ProgressListener
from framelens.engine.base import EngineStatus, NullEngine
from framelens.engine.hardware_profile import HardwareProfile
from framelens.engine.running_engines import RunningEngine, RunningModel
from framelens.i18n import t
from framelens.jobs import model_switch
from framelens.jobs.engine_session import EngineSession
from framelens.store.library_index import LibraryQuery
from framelens.store.model_records import confirmed_downloads
from tests.app.conftest import Open
from tests.app.fake_services import ScriptedEngine, ended, script, with_bench
from tests.app.views.test_analyse import started, texts
from tests.llm import scripted

BIG = "Qwen/Qwen2.5-VL-7B-Instruct"
SMALL = "Qwen/Qwen3-VL-4B-Instruct"
NO_VLLM = EngineError("vllm_not_installed", model=BIG)


def failing(task: Task) -> Iterator[AnalysisEvent]:
    """As an analysis goes whose engine cannot be had."""
    yield from list(script(with_model=False)(task))
    if task.request.use_model:
        raise NO_VLLM


@pytest.fixture
def absent(services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Services:
    """Services whose model, chosen by the user, is not on this machine, which has 20 GiB of memory."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(HardwareProfile, "here", lambda: HardwareProfile.of([], "cpu", 20))
    changed = with_bench(services, settings=replace(services.settings, model_path=BIG, model_chosen=True))
    resources.install(resources.Installed(services=changed, key="key"))
    return changed


def with_video(page: AppTest, services: Services) -> AppTest:
    page.query_params["video"] = services.videos.sample()
    return page.run()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A hub that can't be reached once the event is set, and is asked until then."""
    go = threading.Event()

    def fetch(model: str, on_progress: ProgressListener, cancel: threading.Event, **_: object) -> Path:
        on_progress(EngineProgress("checking", {"model": model}))
        while not go.wait(0.01):
            if cancel.is_set():
                raise Cancelled
        values = {"endpoint": "https://huggingface.co", "short": "model", "reason": "no route"}
        raise ModelNotFound("model_not_local", model=model, **values)

    monkeypatch.setattr("framelens.jobs.model_switch.download", fetch)
    yield go
    go.set()


@pytest.mark.slow
def test_the_start_says_what_is_downloaded(page: AppTest, absent: Services, hub: threading.Event) -> None:
    with_video(page, absent)
    offer = page.button(key="missing_use").label.replace("\\", "")
    assert offer == "Download Qwen3-VL-4B-Instruct · 8.9 GB · Apache-2.0"
    reported = texts(page)
    assert "is not on this machine yet" in reported
    assert "does not fit" in reported
    assert not confirmed_downloads(absent.settings.data_dir).get(SMALL)
    page.button(key="missing_use").click().run()
    assert confirmed_downloads(absent.settings.data_dir).get(SMALL)
    assert t("models.change.downloading", "en", model=SMALL) in texts(page) and "job" not in page.query_params
    absent.model_switch.download.close()


def use_no_engine(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    session = EngineSession(services.settings, services.switcher.session.templates, NullEngine(BIG, NO_VLLM))
    monkeypatch.setattr(services.switcher, "_session", session)
    monkeypatch.setattr("framelens.engine.installation.installed_vllm", lambda: None)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_engine_and_model_come_with_one_click(
    page: AppTest, absent: Services, hub: threading.Event, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    use_no_engine(absent, monkeypatch)
    monkeypatch.setattr(model_switch, "build_engine", lambda settings: (NullEngine(settings.model_path, NO_VLLM), ()))
    monkeypatch.setattr(model_switch, "install_engine", lambda *_, log_path: steps.append("engine"))
    page.run()
    page.button_group(key="language").set_value(language).run()
    label = page.button(key="missing_use").label.replace("\\", "")
    offer = {"en": "Install vLLM and download Qwen3-VL-4B-Instruct", "zh": "安装 vLLM 并下载 Qwen3-VL-4B-Instruct"}
    assert label.split(" · ") == [offer[language], "3.0 GB + 8.9 GB", "Apache-2.0"]
    assert "5.7 GB" in texts(page)
    page.button(key="missing_use").click().run()
    hub.set()
    absent.model_switch.download.wait()
    assert steps == ["engine"] and confirmed_downloads(absent.settings.data_dir).get(SMALL)
    absent.model_switch.download.close()


@pytest.mark.slow
def test_replaced_packages_ask_for_a_restart(page: AppTest, absent: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    use_no_engine(absent, monkeypatch)
    monkeypatch.setattr(model_switch, "build_engine", lambda settings: (NullEngine(settings.model_path, NO_VLLM), ()))
    monkeypatch.setattr(model_switch, "install_engine", lambda *_, log_path: ("numpy",))
    monkeypatch.setattr(model_switch, "download", lambda *_, **__: None)
    page.run()
    page.button(key="missing_use").click().run()
    absent.model_switch.download.wait()
    page.run()
    asks = texts(page)
    assert "Restart FrameLens to use it" in asks and "numpy" in asks and "download failed" not in asks.lower()
    absent.model_switch.download.close()


@pytest.mark.slow
def test_environment_that_takes_no_engine_is_explained(
    page: AppTest, absent: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    use_no_engine(absent, monkeypatch)
    page.run()
    assert "framelens download --engine" in texts(page)
    assert "missing_use" not in {button.key for button in page.button}


@pytest.mark.slow
@pytest.mark.parametrize("has_video", [False, True])
def test_first_click_downloads_and_failure_is_open(
    page: AppTest, absent: Services, hub: threading.Event, has_video: bool
) -> None:
    page = with_video(page, absent) if has_video else page.run()
    page.button(key="missing_use").click().run()
    assert page.button(key="model_download_pause") and "missing_use" not in {one.key for one in page.button}
    hub.set()
    absent.model_switch.download.wait()
    page.run()
    (failure,) = [one.value.replace("\\", "") for one in page.error]
    assert failure == "The download failed: huggingface.co can't be reached."
    keys = {one.key for one in page.button}
    assert {"download_again", "download_from_0", "download_from_1"} <= keys and "missing_use" not in keys
    assert ("download_without" in keys) == has_video
    page.button(key="download_from_0").click().run()
    assert absent.model_switch.download.hub.endpoint == MIRROR
    absent.model_switch.download.close()


@pytest.mark.slow
def test_a_default_that_nobody_chose_is_not_named(page: AppTest, absent: Services) -> None:
    unnamed = with_bench(absent, settings=replace(absent.settings, model_chosen=False))
    resources.install(resources.Installed(services=unnamed, key="key"))
    with_video(page, unnamed)
    assert page.button(key="missing_use").label.startswith("Download Qwen3")
    reported = texts(page)
    assert t("models.missing.none", "en") in reported
    assert "Qwen2.5-VL-7B" not in reported and "does not fit" not in reported


@pytest.mark.slow
def test_an_engine_that_runs_here_is_used_by_one_click(
    page: AppTest, absent: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted.serve(scripted.saying("fine")) as engine:
        models = (RunningModel("model", True), RunningModel("small", False))
        running = (RunningEngine("Ollama", engine.base_url, models),)
        monkeypatch.setattr(missing_model, "running_engines", lambda: running)
        with_video(page, absent)
        missing_model.engine_search().wait()
        page.run()
        first, second = (page.button(key=f"running_Ollama_{model.name}").label for model in models)
        assert first == "Use model of Ollama · runs here, sees pictures" and second.endswith("text only")
        page.button(key="running_Ollama_model").click().run()
        absent.switcher.switch.wait()
        assert (absent.settings.base_url, absent.settings.model_path) == (engine.base_url, "model")
    absent.close()


@pytest.mark.slow
@pytest.mark.usefixtures("models_page")
def test_beside_it_is_the_way_without_a_model(page: AppTest, absent: Services) -> None:
    with_video(page, absent)
    page.button(key="start_without").click().run()
    job = ended(absent, page.query_params["job"])
    assert (job.state, job.request.use_model) == ("without_model", False)
    assert not confirmed_downloads(absent.settings.data_dir).get(BIG)
    page.run()
    assert t("notice.no_model", "en") in texts(page)
    assert page.button(key="choose_model")
    assert len(page.chat_input) == 1 and t("ask.page.without_model", "en") in texts(page)
    assert "without_model" not in {one.key for one in page.button} and not page.error


@pytest.mark.slow
def test_without_the_models_page_no_button_leads_to_it(
    page: AppTest, absent: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "page_names", tuple)
    with_video(page, absent)
    assert "missing_remote" not in {one.key for one in page.button}
    assert page.button(key="missing_use")
    assert not {"choose_model", "another_model"} & {one.key for one in page.button}


@pytest.mark.slow
@pytest.mark.usefixtures("models_page")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_report_without_a_model_is_no_failure(page: AppTest, open_services: Open, language: str) -> None:
    services = open_services(failing)
    job = started(page, services)
    assert ended(services, job).state == "model_failed"
    page.button_group(key="language").set_value(language).run()
    reported = texts(page)
    assert t("notice.no_model", language) in reported
    assert not page.error
    assert next(one.key for one in page.button if one.proto.type == "primary") == "choose_model"
    why = next(one for one in page.expander if one.label == t("ui.engine_why", language))
    assert not why.proto.expanded and why.caption
    entry = next(one for one in services.jobs.library.find(LibraryQuery(), order="newest", offset=0, limit=1))
    assert services.jobs.state_of(entry) == "model_failed"


@pytest.mark.slow
@pytest.mark.usefixtures("models_page")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_engine_that_broke_off_is_asked_again_first(page: AppTest, open_services: Open, language: str) -> None:
    def breaking(task: Task) -> Iterator[AnalysisEvent]:
        yield from list(script(with_model=False)(task))
        raise EngineBrokeOff("engine_broke_off", base_url="http://127.0.0.1:1/v1")

    services = open_services(breaking)
    job = started(page, services)
    assert ended(services, job).state == "model_failed"
    page.button_group(key="language").set_value(language).run()
    first, second = [one for one in page.button if one.key in ("continue", "choose_model")]
    assert (first.label, first.proto.type) == (t("ui.try_again", language), "primary")
    assert (second.key, second.proto.type) == ("choose_model", "secondary")
    assert texts(page).count(t("notice.no_model", language)) == 1


@pytest.mark.slow
def test_a_new_analysis_keeps_the_video(page: AppTest, services: Services) -> None:
    job = started(page, services)
    ended(services, job)
    video = page.query_params["video"]
    page.run()
    page.button(key="new").click().run()
    page.query_params["job"] = job  # as the library opens it, by its id alone
    page.run()
    page.button(key="ask_again").click().run()
    assert page.query_params["video"] == video and "job" not in page.query_params
    assert not page.button(key="start").disabled


def test_an_address_is_said_to_be_one(page: AppTest, services: Services) -> None:
    page.run()
    page.text_input(key="path").set_value("rtsp://admin:secret@10.0.0.2/live").run()
    reported = "\n".join(one.value for one in page.error)
    assert "rtsp" in reported and "secret" not in reported and "video" not in page.query_params


def test_a_remote_engine_is_not_said_to_be_stopped(page: AppTest, services: Services) -> None:
    assert isinstance(services.engine, ScriptedEngine)
    services.engine.now = EngineStatus("stopped", "remote", "http://127.0.0.1:9/v1")
    page.run()
    reported = texts(page)
    assert t("ui.engine_unchecked", "en") in reported
    assert t("ui.engine_stopped", "en") not in reported and "http" not in reported


def test_changed_settings_show_on_models_page_only(page: AppTest, services: Services) -> None:
    words = t("notice.sight_unknown", "en")  # what the scripted services have to say
    page.run()
    assert words not in texts(page)
