"""A model that is downloaded and then used: paused, continued, followed by the switch, and what is in its way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from framelens.core.errors import AppError, Cancelled, ModelNotFound
from framelens.core.events import EngineProgress, ProgressListener
from framelens.engine.base import Launcher
from framelens.plugins.models.tasks import tasks_of
from framelens.services.container import Services
from tests.app.fake_services import open_fake, script
from tests.engine.fakes import fake_launcher


@dataclass
class Hub:
    """A hub that hands out a model when it may, or fails with `error`."""

    go: threading.Event = field(default_factory=threading.Event)
    error: AppError | None = None
    is_deaf: bool = False
    starts: int = 0

    def __call__(
        self, model: str, on_progress: ProgressListener, cancel: threading.Event, *, allow_pickle: bool = False
    ) -> Path:
        self.starts += 1
        on_progress(EngineProgress("downloading", {"model": model}))
        while not self.go.wait(0.01):
            if cancel.is_set() and not self.is_deaf:
                raise Cancelled
        if self.error:
            raise self.error
        return Path(model)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    def launch(model: str, arguments: object, **_: object) -> Launcher:
        return fake_launcher({}, model=model, fetch=lambda on_progress, cancel: Path(model))

    hub = Hub()
    monkeypatch.setattr("framelens.engine.downloads.hub.download", hub)
    monkeypatch.setattr("framelens.services.engines.local_engine_builder.vllm_launcher", launch)
    return hub


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = open_fake(tmp_path / "data", run=script(), sample=tmp_path / "none.mp4")
    yield services
    services.close()


def begin(services: Services, model: str = "org/model") -> None:
    tasks_of(services).download_and_switch(replace(services.settings, model_path=model), pausing=False)


@pytest.mark.slow
def test_the_switch_follows_when_the_model_is_here(services: Services, hub: Hub) -> None:
    begin(services)
    while not tasks_of(services).download.progress:
        time.sleep(0.01)
    assert (tasks_of(services).download.state, tasks_of(services).download.subject) == ("running", "org/model")
    assert services.switcher.switch.state == "idle"
    hub.go.set()
    tasks_of(services).download.wait()
    services.switcher.switch.wait()
    assert (tasks_of(services).download.state, services.switcher.switch.state) == ("done", "done")
    assert services.settings.model_path == "org/model"


@pytest.mark.slow
def test_paused_download_resumes_and_switches(services: Services, hub: Hub) -> None:
    hub.is_deaf = True
    begin(services)
    tasks_of(services).download.cancel()
    assert tasks_of(services).download.state == "cancelling"
    tasks_of(services).download.restart()
    assert hub.starts <= 1  # the first download has not ended
    hub.go.set()
    tasks_of(services).download.wait()
    services.switcher.switch.wait()
    assert (tasks_of(services).download.state, services.switcher.switch.state) == ("done", "done")


def test_one_that_arrives_while_it_is_paused_waits(services: Services, hub: Hub) -> None:
    hub.is_deaf = True
    begin(services)
    while not hub.starts:
        time.sleep(0.01)
    tasks_of(services).download.cancel()
    hub.go.set()
    tasks_of(services).download.wait()
    assert (tasks_of(services).download.state, services.switcher.switch.state) == ("cancelled", "idle")


def test_a_failed_one_says_why_and_can_be_tried_again(services: Services, hub: Hub) -> None:
    hub.error = ModelNotFound("model_not_on_hub", model="org/model", endpoint="http://hub")
    hub.go.set()
    begin(services)
    tasks_of(services).download.wait()
    assert tasks_of(services).download.state == "failed" and tasks_of(services).download.error is hub.error
    assert services.switcher.switch.state == "idle"
    hub.error = None
    tasks_of(services).download.restart()
    tasks_of(services).download.wait()
    assert tasks_of(services).download.state == "done"


def test_what_cannot_follow_is_reported_like_a_failed_download(services: Services, hub: Hub) -> None:
    hub.go.set()
    with services.switcher.exclusive(threading.Event(), ends_engine=lambda: False):
        begin(services)
        tasks_of(services).download.wait()
    assert tasks_of(services).download.state == "failed"
    assert tasks_of(services).download.error and tasks_of(services).download.error.key == "benchmark_under_way"


def test_only_one_runs_and_a_cancelled_one_is_forgotten(services: Services, hub: Hub) -> None:
    begin(services)
    with pytest.raises(AppError) as caught:
        begin(services, "org/other")
    assert (caught.value.key, caught.value.values["model"]) == ("download_under_way", "org/model")
    tasks_of(services).download.forget()
    tasks_of(services).download.restart()
    tasks_of(services).download.close()
    assert (tasks_of(services).download.state, services.switcher.switch.state) == ("idle", "idle")
