"""One download at a time that a page can pause, go on with and give up, and what follows on it."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from app.core.domain import EngineProgress
from app.core.errors import AppError, Cancelled, ModelNotFound
from app.engine.base import ProgressListener
from app.engine.downloads.manager import DownloadManager
from app.engine.downloads.worker import innermost


class Hub:
    """A hub that hands out a model when it is told to, or fails with `error`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.error: AppError | None = None
        self.starts = 0

    def __call__(self, model: str, on_progress: ProgressListener, cancel: threading.Event) -> Path:
        self.starts += 1
        on_progress(EngineProgress("downloading", {"model": model}))
        while not self.go.wait(0.01):
            if cancel.is_set():
                raise Cancelled
        if self.error:
            raise self.error
        return Path(model)


def until_told(fetching: DownloadManager, state: str | None) -> None:
    while (fetching.current.state if fetching.current else None) != state:
        time.sleep(0.01)


def test_what_follows_happens_when_the_model_is_here() -> None:
    hub, done = Hub(), threading.Event()
    fetching = DownloadManager(hub)
    fetching.start("org/model", done.set)
    while not (fetching.current and fetching.current.progress):
        time.sleep(0.01)
    assert fetching.current.model == "org/model" and not done.is_set()
    hub.go.set()
    until_told(fetching, None)
    assert done.is_set()


def test_paused_download_resumes_and_runs_nothing_meanwhile() -> None:
    hub, done = Hub(), threading.Event()
    fetching = DownloadManager(hub)
    fetching.start("org/model", done.set)
    fetching.pause()
    assert fetching.current and fetching.current.state == "paused"
    fetching.resume()
    hub.go.set()
    until_told(fetching, None)
    assert done.is_set()


def test_a_failed_one_says_why_and_can_be_tried_again() -> None:
    hub, done = Hub(), threading.Event()
    hub.error = ModelNotFound("model_not_on_hub", model="org/model", endpoint="http://hub")
    hub.go.set()
    fetching = DownloadManager(hub)
    fetching.start("org/model", done.set)
    until_told(fetching, "failed")
    assert fetching.current and fetching.current.error is hub.error and not done.is_set()
    hub.error = None
    fetching.resume()
    until_told(fetching, None)
    assert done.is_set()


def test_what_cannot_follow_is_reported_like_a_failed_download() -> None:
    hub = Hub()
    hub.go.set()
    fetching = DownloadManager(hub)

    def refuse() -> None:
        raise AppError("switch_under_way")

    fetching.start("org/model", refuse)
    until_told(fetching, "failed")
    assert fetching.current and fetching.current.error and fetching.current.error.key == "switch_under_way"


def test_cancelled_download_is_forgotten_and_only_one_runs() -> None:
    hub, done = Hub(), threading.Event()
    fetching = DownloadManager(hub)
    fetching.start("org/model", done.set)
    with pytest.raises(AppError) as caught:
        fetching.start("org/other", done.set)
    assert caught.value.key == "download_under_way"
    fetching.cancel()
    assert fetching.current is None
    fetching.resume()
    fetching.close()
    assert fetching.current is None and not done.is_set()


def test_a_host_that_is_not_found_is_reported_in_words() -> None:
    try:
        raise ConnectionError("the request failed") from socket.gaierror(-2, "Name or service not known")
    except ConnectionError as error:
        assert innermost(error) == "Name or service not known"
    assert innermost(ValueError("[Errno -3] Temporary failure in name resolution")).startswith("Temporary failure")
    assert innermost(ValueError("odd")) == "ValueError: odd"
