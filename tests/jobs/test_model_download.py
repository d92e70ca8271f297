"""A model that is downloaded and then used: paused, continued, followed by the switch, and what is in its way."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from framelens.analysis.task import Control
from framelens.composition import Services
from framelens.core.engines.model_hub import MIRROR, ModelHub, other_hubs
from framelens.core.errors import AppError, Cancelled, ModelNotFound
from framelens.core.events import EngineProgress, ProgressListener
from framelens.engine.base import Launcher
from framelens.engine.local.launch_checks import LaunchChecks
from tests.app.fake_services import open_fake, script
from tests.engine.fakes import fake_launcher


@dataclass
class Hub:
    """A hub that hands out a model when it may, or fails with `error`."""

    go: threading.Event = field(default_factory=threading.Event)
    error: AppError | None = None
    is_deaf: bool = False
    starts: int = 0
    asked: list[ModelHub] = field(default_factory=list)

    def __call__(
        self, model: str, on_progress: ProgressListener, cancel: threading.Event, *, hub: ModelHub, allow_pickle: bool
    ) -> Path:
        self.starts += 1
        self.asked.append(hub)
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
    monkeypatch.setattr("framelens.jobs.model_switch.download", hub)
    monkeypatch.setattr("framelens.engine.local.local_engine_builder.vllm_launcher", launch)
    monkeypatch.setattr("framelens.engine.local.local_engine_builder.launch_checks", lambda _: LaunchChecks())
    return hub


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = open_fake(tmp_path / "data", run=script(), sample=tmp_path / "none.mp4")
    yield services
    services.close()


def begin(services: Services, model: str = "org/model") -> None:
    services.model_switch.get(replace(services.settings, model_path=model))


@pytest.mark.slow
def test_the_switch_follows_when_the_model_is_here(services: Services, hub: Hub) -> None:
    begin(services)
    while not services.model_switch.download.progress:
        time.sleep(0.01)
    assert (services.model_switch.download.state, services.model_switch.download.subject) == ("running", "org/model")
    assert services.switcher.switch.state == "idle"
    hub.go.set()
    services.model_switch.download.wait()
    services.switcher.switch.wait()
    assert (services.model_switch.download.state, services.switcher.switch.state) == ("done", "done")
    assert services.settings.model_path == "org/model"


@pytest.mark.slow
def test_paused_download_resumes_and_switches(services: Services, hub: Hub) -> None:
    hub.is_deaf = True
    begin(services)
    services.model_switch.download.cancel()
    assert services.model_switch.download.state == "cancelling"
    services.model_switch.download.restart()
    assert hub.starts <= 1  # the first download has not ended
    hub.go.set()
    services.model_switch.download.wait()
    services.switcher.switch.wait()
    assert (services.model_switch.download.state, services.switcher.switch.state) == ("done", "done")


def test_one_that_arrives_while_it_is_paused_waits(services: Services, hub: Hub) -> None:
    hub.is_deaf = True
    begin(services)
    while not hub.starts:
        time.sleep(0.01)
    services.model_switch.download.cancel()
    hub.go.set()
    services.model_switch.download.wait()
    assert (services.model_switch.download.state, services.switcher.switch.state) == ("cancelled", "idle")


def test_failed_download_is_repeated_from_a_mirror(services: Services, hub: Hub) -> None:
    hub.error = ModelNotFound("model_not_local", model="org/model", endpoint="http://hub", reason="", short="model")
    hub.go.set()
    begin(services)
    download = services.model_switch.download
    download.wait()
    first, others = download.hub, other_hubs(download.hub)
    assert first.endpoint not in {one.endpoint for one in others} and others[0].endpoint == MIRROR
    hub.error, download.hub = None, others[0]
    download.restart()
    download.wait()
    assert (download.state, hub.asked) == ("done", [first, others[0]])


def test_a_failed_one_says_why_and_can_be_tried_again(services: Services, hub: Hub) -> None:
    hub.error = ModelNotFound("model_not_on_hub", model="org/model", endpoint="http://hub")
    hub.go.set()
    begin(services)
    services.model_switch.download.wait()
    assert services.model_switch.download.state == "failed" and services.model_switch.download.error is hub.error
    assert services.switcher.switch.state == "idle"
    hub.error = None
    services.model_switch.download.restart()
    services.model_switch.download.wait()
    assert services.model_switch.download.state == "done"


def test_what_cannot_follow_is_reported_like_a_failed_download(services: Services, hub: Hub) -> None:
    hub.go.set()
    with services.switcher.admitted(Control()):
        services.switcher.begin(services.switcher.session)  # waits until the job has left
        begin(services)
        services.model_switch.download.wait()
    assert services.model_switch.download.state == "failed"
    assert services.model_switch.download.error and services.model_switch.download.error.key == "switch_under_way"


def test_only_one_runs_and_a_cancelled_one_is_forgotten(services: Services, hub: Hub) -> None:
    begin(services)
    with pytest.raises(AppError) as caught:
        begin(services, "org/other")
    assert (caught.value.key, caught.value.values["model"]) == ("download_under_way", "org/model")
    services.model_switch.download.forget()
    services.model_switch.download.restart()
    services.model_switch.download.close()
    assert (services.model_switch.download.state, services.switcher.switch.state) == ("idle", "idle")
