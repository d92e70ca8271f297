"""The System page: live charts, and sentences where there is nothing to chart."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pynvml
import pytest
from streamlit.testing.v1 import AppTest

from app import resources
from app.context import LANGUAGE_KEY
from framelens.composition import Services
from framelens.core.domain import AnalysisRequest, EngineInfo, Language
from framelens.core.errors import EngineError, InputError
from framelens.core.events import EngineProgress
from framelens.core.roles import User, as_user
from framelens.engine.base import EngineStatus
from framelens.engine.engine_pool import EnginePool
from framelens.engine.gpu_metrics import GpuReader, GpuSample, GpuSamples
from framelens.engine.remote_engine import RemoteEngine
from framelens.i18n import LANGUAGES, error_text, t
from framelens.plugins.monitor import page as system
from framelens.plugins.monitor.engine_metrics import EngineLoad
from framelens.plugins.monitor.machine_metrics import SystemSample
from framelens.plugins.monitor.monitor import Monitor, Sample
from tests.app.conftest import Open
from tests.app.fake_services import ScriptedEngine, script, with_bench
from tests.app.panels.report.test_report import parts_shown
from tests.app.views.test_analyse import texts
from tests.engine.fake_nvml import ANSWERS, FakeNvml
from tests.llm.scripted import saying, serve

LOAD = EngineLoad(3.0, 1.0, 0.25, 0.75, 300.0, 50.0, 0.3)
Show = Callable[..., AppTest]


def system_page() -> None:
    from app.page_tools import TOOLS
    from framelens.plugins.monitor import page as system

    system.draw(TOOLS)


@pytest.fixture
def show(services: Services) -> Iterator[Show]:
    """The page over a monitor with these cards and this load, and an engine of this status."""
    opened: list[Monitor] = []

    def show_with(
        nvml: FakeNvml | None = None,
        load: Any = "not_running",
        status: EngineStatus | None = None,
        language: Language = "en",
    ) -> AppTest:
        cards = GpuReader((nvml or FakeNvml()).as_module(), root=Path("/nowhere"))
        opened.append(Monitor(lambda: load, lambda: (0, 0), cards=cards))
        engine = ScriptedEngine(status) if status else services.engine
        shown = replace(with_bench(services, engine=engine), _parts={"monitor": opened[-1]})
        resources.install(resources.Installed(services=shown, key="key"))
        page = AppTest.from_function(system_page, default_timeout=30)
        page.session_state[LANGUAGE_KEY] = language
        page.run()
        assert not page.exception
        return page

    yield show_with
    for monitor in opened:
        monitor.close()


def charts(page: AppTest) -> dict[str, dict[str, Any]]:
    return {chart["title"]: chart for shown in parts_shown(page) for chart in shown["charts"]}


def test_several_engines_are_listed_with_their_states(show: Show, services: Services) -> None:
    with serve(saying("yes")) as server:
        pool = EnginePool([RemoteEngine(server.base_url), RemoteEngine("http://127.0.0.1:9")])
        pool.ensure_ready(lambda _: None, threading.Event())
        monitor = Monitor(lambda: "no_metrics", lambda: (0, 0), cards=GpuReader(FakeNvml().as_module()))
        resources.install(
            resources.Installed(
                services=replace(with_bench(services, engine=pool), _parts={"monitor": monitor}), key="key"
            )
        )
        page = AppTest.from_function(system_page, default_timeout=30)
        page.session_state[LANGUAGE_KEY] = "en"
        page.run()
        assert not page.exception
        words = texts(page)
        assert f"{urlsplit(server.base_url).netloc} · {t('ui.engine_ready', 'en')}" in words
        assert f"127.0.0.1:9 · {t('ui.engine_failed', 'en')}" in words
        pool.stop()
        monitor.close()


def test_machine_cards_engine_and_queue_have_their_charts(show: Show) -> None:
    status = EngineStatus("ready", "vllm", "m", info=EngineInfo("vllm", "m", "http://127.0.0.1:1/v1", "0.32.0", 8192))
    page = show(load=LOAD, status=status)
    words = ["cpu", "memory", "card_busy", "card_memory", "card_temperature", "card_power"]
    words += ["requests", "tokens", "cache", "first_token"]
    assert list(charts(page)) == [t(f"system.{word}", "en") for word in words]
    tokens = charts(page)[t("system.tokens", "en")]["lines"]
    assert [(line["label"], line["values"][-1]) for line in tokens] == [("read", 300.0), ("written", 50.0)]
    assert "RTX 4090" in texts(page)
    assert t("models.context", "en", n=8192) in texts(page)


def test_missing_gpu_value_is_shown_as_missing(show: Show) -> None:
    refused = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
    shown = charts(show(FakeNvml([{**ANSWERS, "nvmlDeviceGetPowerUsage": refused}])))
    power, temperature = (shown[t(f"system.card_{name}", "en")] for name in ("power", "temperature"))
    assert power["note"] == t("system.not_reported", "en") and set(power["lines"][0]["values"]) == {None}
    assert temperature["note"] == "" and temperature["lines"][0]["values"][-1] == 64


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_card_or_jobs_only_the_rest_is_shown(show: Show, language: Language) -> None:
    failure = pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    page = show(FakeNvml(failure=failure), language=language)
    assert t("system.head_cards", language) not in texts(page) and t("system.head_queue", language) not in texts(page)
    assert list(charts(page)) == [t(f"system.{word}", language) for word in ("cpu", "memory")]


@pytest.mark.parametrize("silence", ["no_metrics", "no_answer", "not_running"])
def test_an_engine_that_reports_nothing_has_a_sentence(show: Show, silence: str) -> None:
    page = show(load=silence)
    assert t(f"system.engine_unavailable.{silence}", "en") in texts(page)
    assert t("system.requests", "en") not in charts(page)


def test_an_engine_that_starts_or_failed_says_that_instead(show: Show) -> None:
    starting = EngineStatus("starting", "vllm", "m", phase=EngineProgress("loading", {"done": 1, "total": 2}))
    assert t("engine.phase.loading", "en", done=1, total=2) in texts(show(status=starting))
    error = EngineError("cuda_out_of_memory", model="m")
    failed = texts(show(status=EngineStatus("failed", "vllm", "m", error=error)))
    assert error_text(error, "en") in failed
    assert t("system.engine_unavailable.not_running", "en") not in failed


@pytest.mark.slow
def test_jobs_that_run_and_wait_are_named(open_services: Open, hold: threading.Event) -> None:
    services = open_services(script(hold=hold))
    path = services.videos.path(services.videos.sample())
    for number in range(3):
        services.jobs.submit(AnalysisRequest(path, frames=10 + number), name=f"video *{number}*.mp4")
    while sum(job.state == "running" for job in services.jobs.recent()) < 2 or not services.jobs.waiting():
        time.sleep(0.01)
    page = AppTest.from_function(system_page, default_timeout=30).run()
    written = texts(page)
    assert all(f"video *{number}*.mp4" in written for number in range(3))
    assert "1. video *2*.mp4" in written
    assert t("system.head_queue", "en") in written


def test_a_monitor_that_cannot_measure_says_where_the_cause_is(show: Show, services: Services) -> None:
    monitor = Monitor(lambda: "not_running", lambda: (0, 0))
    monitor.close()
    resources.install(resources.Installed(services=replace(services, _parts={"monitor": monitor}), key="key"))
    page = AppTest.from_function(system_page, default_timeout=30).run()
    assert not page.exception
    assert t("system.nothing", "en", log=services.log_path) in texts(page)


@pytest.mark.slow
def test_a_monitor_that_fails_later_says_where_the_charts_end(show: Show, services: Services) -> None:
    loads = iter(["not_running"])
    monitor = Monitor(lambda: next(loads), lambda: (0, 0), period_seconds=0.01)  # type: ignore[arg-type, return-value]
    resources.install(resources.Installed(services=replace(services, _parts={"monitor": monitor}), key="key"))
    assert monitor.watch()
    while not monitor.has_failed:
        time.sleep(0.01)
    page = AppTest.from_function(system_page, default_timeout=30).run()
    assert t("system.stopped", "en", log=services.log_path) in texts(page)
    assert t("system.cpu", "en") in charts(page)
    monitor.close()


def test_links_and_memory_follow_what_is_there(page: AppTest, services: Services) -> None:
    # Page links follow the language.
    page.run()
    assert links(page) == [t(f"ui.page_{name}", "en") for name in ("analyse", "ask", "library")]
    page.button_group(key="language").set_value("zh").run()
    assert links(page) == [t(f"ui.page_{name}", "zh") for name in ("analyse", "ask", "library")]
    # The links keep the open analysis in the address.
    page.query_params["video"] = "abc"
    page.run()
    queries = [link.proto.query_string for link in page.get("page_link")]
    assert set(queries) == {"video=abc"} and len(queries) >= 7  # in the sidebar, on a phone above the page, in the menu


def links(page: AppTest) -> list[str]:
    return [link.proto.label for link in page.sidebar.get("page_link")]


def sample(at: float, **parts: int) -> Sample:
    machine = SystemSample(0.5, 4, 1000, 4000, {"app": 100, "decoders": 0, "engines": 0, **parts})  # type: ignore[dict-item]
    return Sample(at, machine, GpuSamples((GpuSample(0, "x", celsius=50),)), LOAD, (0, 0))


def stacked(samples: Sequence[Sample]) -> list[list[float | None]]:
    _, memory = system.machine_charts(samples, "CPU")
    return [list(line.values) for line in memory.lines]


def test_memory_has_parts_that_add_up() -> None:
    # The parts of the memory add up to what is in use.
    moments = zip(*stacked([sample(0.0), sample(2.0, engines=300)]), strict=True)
    assert [sum(value or 0 for value in values) for values in moments] == [1000, 1000]
    assert stacked([sample(0.0, engines=1500)])[-1] == [0]  # shared pages counted twice leave no part below nothing


def test_a_card_that_was_not_there_yet_leaves_a_gap() -> None:
    before = replace(sample(0.0), cards=GpuSamples(absence="unreadable"))
    busy, _, warm, _ = system.card_charts([before, sample(2.0)], GpuSample(0, "x", celsius=50))
    assert list(warm.lines[0].values) == [None, 50]
    assert busy.note == t("system.not_reported", "en")


def test_the_time_shown_grows_with_what_there_is_to_show() -> None:
    assert [system.span_seconds([sample(0.0), sample(at)]) for at in (0.0, 130.0, 420.0)] == [
        120.0,
        300.0,
        600.0,
    ]
    assert system.ages([sample(3.0), sample(5.0)]) == [2.0, 0.0]


def test_only_administrators_see_the_page() -> None:
    with as_user(User("1", "eve", "analyst")), pytest.raises(InputError, match="role_administrator"):
        system.draw()
