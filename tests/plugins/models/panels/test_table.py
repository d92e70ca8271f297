"""What the Models page measures and reaches: a trial of a shape, the vision check, a remote engine, a download."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from framelens.analysis.task import Control
from framelens.core.domain import AnalysisRequest, Language
from framelens.core.errors import Cancelled, EngineError
from framelens.core.events import EngineProgress
from framelens.core.units import GIB
from framelens.engine.base import EngineStatus, Launcher
from framelens.engine.downloads.hub import download
from framelens.engine.hardware import cpu_name
from framelens.engine.remote_engine import RemoteEngine
from framelens.i18n import LANGUAGES, error_text, t
from framelens.llm.vision_check import cards
from framelens.plugins.models.benchmark import measurements
from framelens.plugins.models.tasks import tasks_of
from framelens.services.container import Services
from framelens.services.engines.hardware_profile import HardwareProfile
from framelens.services.engines.launch_checks import LaunchChecks
from framelens.store.model_records import trials as kept_trials
from tests.app.conftest import Open
from tests.app.fake_services import script, with_bench
from tests.app.panels.report.test_report import parts_shown
from tests.app.views.test_analyse import texts
from tests.engine.fakes import fake_launcher
from tests.engine.hub_server import Hub
from tests.engine.hub_server import serve as serve_hub
from tests.engine.weights import model_files
from tests.llm.scripted import saying, serve
from tests.models.measured import MEASURED
from tests.plugins.models.test_page import Show, name, over, show

__all__ = ["show"]

CPU = HardwareProfile("here", None, memory_gib=24)
VL_3B = MEASURED.model
RIGHT = "\n".join(f"{place}: {one.colour} {one.form} {one.digit}" for place, one in enumerate(cards(8), 1))
DOCUMENT = {**asdict(MEASURED), "machine": cpu_name(), "at": "2026-01-02 03:04"}
Work = Callable[..., dict[str, Any]]


def measure_with(monkeypatch: pytest.MonkeyPatch, work: Work, free_gib: float = 20) -> None:
    monkeypatch.setattr(measurements, "try_model", work)
    monkeypatch.setattr(measurements, "free_bytes", lambda: int(free_gib * GIB))
    monkeypatch.setattr("framelens.services.engines.hardware_profile.installed_vllm", lambda: ("cpu", "0.32.0"))


def keeping(proposal: Any, arguments: Any, settings: Any, on_progress: Any, cancel: Any) -> dict[str, Any]:
    """A trial that has measured at once."""
    kept_trials(settings.data_dir).save(DOCUMENT)
    return DOCUMENT


def until(ready: Callable[[], object]) -> None:
    while not ready():
        time.sleep(0.01)


# ---- a trial ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_trial_says_what_it_costs_and_what_it_measured_stays(
    show: Show, services: Services, monkeypatch: pytest.MonkeyPatch, language: Language
) -> None:
    measure_with(monkeypatch, keeping)
    page = name(show(place=CPU, language=language), VL_3B)
    assert "11.2 GiB" in texts(page).replace("\\", "") and "20.0 GiB" in texts(page).replace("\\", "")
    page.button(key="trial_begin").click().run()
    until(lambda: not tasks_of(services).benchmark.is_running)
    again = name(show(place=CPU, language=language), VL_3B)
    written = texts(again)
    assert t("models.benchmark.measured", language, at=DOCUMENT["at"]) in written
    assert t("models.benchmark_speed", language, pace="10.0") in written
    again.number_input(key="trial_frames").set_value(100).run()
    assert "100" in texts(again)
    table = next(shown for shown in parts_shown(again) if "folds" in shown)
    row = next(one for fold in table["folds"] for one in fold["rows"] if one["id"] == VL_3B)
    assert row["note"] == t("models.page.measured", language, each="2.3", pace="10.0", gib="13.0")


@pytest.mark.slow
def test_a_trial_goes_on_without_the_page_and_can_be_given_up(
    show: Show, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(proposal: Any, arguments: Any, settings: Any, on_progress: Any, cancel: threading.Event) -> Any:
        on_progress(EngineProgress("benchmarking_frames", {"width": 448, "height": 252, "n": 8}))
        cancel.wait()
        raise Cancelled

    measure_with(monkeypatch, wait)
    name(show(place=CPU), VL_3B).button(key="trial_begin").click().run()
    until(lambda: tasks_of(services).benchmark.progress)
    page = name(show(place=CPU), VL_3B)
    shown = t("engine.phase.benchmarking_frames", "en", width=448, height=252, n=8)
    until(lambda: shown in texts(page.run()))
    assert page.button(key="model_use").disabled and page.button(key="model_start").disabled
    page.button(key="trial_cancel").click().run()
    until(lambda: not tasks_of(services).benchmark.is_running)
    page.run()
    assert t("models.benchmark.cancelled", "en") in texts(page)
    assert not page.button(key="model_use").disabled


@pytest.mark.slow
def test_what_serves_the_way_of_a_trial_is_said_before(
    show: Show, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_with(monkeypatch, keeping, free_gib=4)
    page = name(show(place=CPU), VL_3B)
    assert page.button(key="trial_begin").disabled, "nothing of ours could be ended for it"
    assert any("4.0 GiB" in one.value.replace("\\", "") for one in page.warning)
    runs = name(show(EngineStatus("ready", "vllm", "/models/Tiny-VL"), place=CPU), VL_3B)
    assert t("models.benchmark.ends", "en", model="Tiny-VL") in texts(runs)
    assert not runs.button(key="trial_begin").disabled


@pytest.mark.slow
def test_a_running_analysis_is_finished_before_a_trial_begins(
    show: Show, open_services: Open, hold: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = open_services(script(hold=hold))
    services.jobs.submit(AnalysisRequest(services.videos.path(services.videos.sample())), name="video.mp4")
    until(lambda: services.jobs.running())
    measured = threading.Event()
    measure_with(monkeypatch, lambda *_: measured.set() or DOCUMENT)  # type: ignore[func-returns-value]
    page = name(show(place=CPU, changed=services), VL_3B)
    assert t("models.benchmark.waits", "en", n=1) in texts(page)
    with services.switcher.admitted(Control()):  # as the queue lets a job in
        page.button(key="trial_begin").click().run()
        assert not measured.wait(0.5)
    assert measured.wait(20)


@pytest.mark.slow
def test_unbenchmarkable_model_has_no_button(show: Show) -> None:
    page = name(show(place=HardwareProfile("here", None, memory_gib=64)), "llava-hf/llava-1.5-7b-hf")
    assert not [one for one in page.button if one.key == "trial_begin"]


@pytest.mark.slow
def test_a_failed_trial_says_why(show: Show, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise EngineError("cuda_out_of_memory", model="m")

    measure_with(monkeypatch, fail)
    page = name(show(place=CPU), VL_3B)
    page.button(key="trial_begin").click().run()
    until(lambda: not tasks_of(services).benchmark.is_running)
    page.run()
    assert error_text(EngineError("cuda_out_of_memory", model="m"), "en") in texts(page)


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
    monkeypatch.setattr("framelens.services.engines.local_engine_builder.vllm_launcher", launch)
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
    monkeypatch.setattr("framelens.services.engines.local_engine_builder.vllm_launcher", launch)
    monkeypatch.setattr("framelens.services.engines.local_engine_builder.launch_checks", lambda _: LaunchChecks())
    monkeypatch.setattr(
        "framelens.services.engines.model_switch.download", partial(download, cache_dir=tmp_path / "hub")
    )
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
