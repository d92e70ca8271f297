"""What the Models page checks and reaches: the vision check, a remote engine, a download."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from framelens.composition import Services
from framelens.core.domain import AnalysisRequest, Language
from framelens.engine.base import Launcher
from framelens.engine.downloads.hub import download
from framelens.engine.hardware_profile import HardwareProfile
from framelens.engine.local.launch_checks import LaunchChecks
from framelens.engine.remote_engine import RemoteEngine
from framelens.i18n import LANGUAGES, t
from framelens.plugins.models.tasks import tasks_of
from framelens.plugins.models.vision_scoring import cards
from tests.app.conftest import Open
from tests.app.fake_services import script, with_bench
from tests.app.views.test_analyse import texts
from tests.engine.fakes import fake_launcher
from tests.engine.hub_server import Hub
from tests.engine.hub_server import serve as serve_hub
from tests.engine.weights import model_files
from tests.llm.scripted import saying, serve
from tests.plugins.models.test_page import Show, name, over, show

__all__ = ["show"]

CPU = HardwareProfile("here", None, memory_gib=24)
RIGHT = "\n".join(f"{place}: {one.colour} {one.form} {one.digit}" for place, one in enumerate(cards(8), 1))


def until(ready: Callable[[], object]) -> None:
    while not ready():
        time.sleep(0.01)


# ---- the vision check ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("answer", "verdict"), [(RIGHT, "well"), ("I see nothing.", "poor")])
def test_vision_check_shows_cards_and_keeps_verdict(
    show: Show, services: Services, answer: str, verdict: str, language: Language
) -> None:
    with serve(saying(answer)) as server:
        changed = at(services, server.base_url)
        page = show(changed=changed, language=language)
        page.button(key="sight_begin").click().run()
        until(lambda: not tasks_of(changed).vision_check.is_running)
        page.run()
    assert not page.exception
    written = texts(page)
    assert t(f"vision_check.{verdict}", language) in written
    assert sum("<img" in one.proto.body for one in page.get("html")) == 8
    assert t(f"models.vision_check.short_{verdict}", language) in written
    again = texts(show(changed=at(services, server.base_url), language=language))
    assert t(f"vision_check.{verdict}", language) in again, "it is there after a restart"
    other = texts(show(changed=at(services, "http://127.0.0.1:1/v1"), language=language))
    assert t(f"vision_check.{verdict}", language) not in other, "and is not another engine's"


@pytest.mark.slow
def test_while_an_analysis_runs_the_check_says_so(show: Show, open_services: Open, hold: threading.Event) -> None:
    services = open_services(script(hold=hold))
    services.jobs.submit(AnalysisRequest(services.videos.path(services.videos.sample())), name="video.mp4")
    until(lambda: services.jobs.running())
    page = show(changed=services)
    assert page.button(key="sight_begin").disabled
    assert t("models.vision_check.waits", "en", n=1) in texts(page)


def at(services: Services, base_url: str) -> Services:
    """The same with a remote engine in use."""
    settings = replace(services.settings, base_url=base_url, model_chosen=False)
    return with_bench(services, engine=RemoteEngine(base_url), settings=settings)


# ---- a remote engine ---------------------------------------------------------------------------------------------


def write(page: AppTest, url: str, key: str = "") -> None:
    page.text_input(key="elsewhere_url").set_value(url)
    page.text_input(key="elsewhere_key").set_value(key).run()


@pytest.mark.slow
@pytest.mark.parametrize("sees", [True, False])
def test_remote_engine_is_asked_for_models_and_vision(show: Show, services: Services, sees: bool) -> None:
    with serve(saying("red"), sees=sees) as server:
        page = show()
        assert page.button(key="elsewhere_test").disabled
        write(page, server.base_url)
        page.button(key="elsewhere_test").click().run()
        until(lambda: not tasks_of(services).remote_query.is_running)
        page.run()
    reported = (page.success if sees else page.warning)[0].value.replace("\\", "").replace("`", "")
    assert t("models.remote.answers", "en", url=server.base_url, model="model") in reported
    assert t(f"models.remote.sees_{'yes' if sees else 'no'}", "en") in reported


@pytest.mark.slow
def test_what_does_not_answer_and_what_is_no_address_is_said(show: Show, services: Services) -> None:
    page = show()
    write(page, "ftp://box")
    page.button(key="elsewhere_test").click().run()
    assert "ftp://box" in texts(page)
    write(page, "http://127.0.0.1:9/v1")
    page.button(key="elsewhere_test").click().run()
    until(lambda: not tasks_of(services).remote_query.is_running)
    page.run()
    assert "http://127.0.0.1:9/v1" in texts(page) and page.error


@pytest.mark.slow
def test_key_that_cannot_be_sent_is_refused_without_showing_it(show: Show) -> None:
    page = show()
    write(page, "http://127.0.0.1:9/v1", "sk-\u5bc6\u94a5")
    page.button(key="elsewhere_test").click().run()
    assert "FRAMELENS_API_KEY" in texts(page) and "sk-" not in texts(page)


@pytest.mark.slow
def test_page_switches_to_remote_engine_and_back(
    show: Show, services: Services, tiny_text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framelens.engine.local.local_engine_builder.vllm_launcher", launch)
    page = show(place=CPU)
    with serve(saying("red")) as server:
        write(page, server.base_url, "secret")
        page.button(key="elsewhere_use").click().run()
        assert over(services) == "done"
    assert services.settings.base_url == server.base_url
    kept = json.loads((services.settings.data_dir / "model.json").read_text())
    assert (kept["FRAMELENS_BASE_URL"], kept["FRAMELENS_API_KEY"]) == (server.base_url, "secret")
    assert "secret" not in texts(page.run())
    name(page, str(tiny_text)).button(key="model_use").click().run()
    assert over(services) == "done"
    assert services.settings.base_url == ""
    assert "FRAMELENS_BASE_URL" not in json.loads((services.settings.data_dir / "model.json").read_text())
    services.switcher.close()


def launch(model: str, arguments: object, **_: object) -> Launcher:
    return fake_launcher({}, model=model, fetch=lambda on_progress, cancel: Path(model))


# ---- a download, and then the change ---------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serve_hub(Hub("Someone/Tiny-VL", model_files(size=300_000))) as served:
        yield served


@pytest.mark.slow
def test_a_model_that_is_not_here_is_downloaded_and_then_taken(
    show: Show, services: Services, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framelens.engine.local.local_engine_builder.vllm_launcher", launch)
    monkeypatch.setattr("framelens.engine.local.local_engine_builder.launch_checks", lambda _: LaunchChecks())
    monkeypatch.setattr("framelens.jobs.model_switch.download", partial(download, cache_dir=tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    page = name(show(place=CPU), hub.model)
    assert page.button(key="model_use").label == t("models.page.use_download", "en")
    page.button(key="model_use").click().run()
    assert not page.exception and not page.error
    tasks_of(services).preflight.wait()
    services.model_switch.download.wait()
    assert services.model_switch.download.state == "done"
    assert over(services) == "done"
    page.run()
    assert f"**{hub.model}**" in texts(page).replace("\\", "")
    assert json.loads((services.settings.data_dir / "model.json").read_text())["VLLM_MODEL_PATH"] == hub.model
    assert list((tmp_path / "hub").rglob("*.safetensors"))
    services.switcher.close()
