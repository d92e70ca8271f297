"""Videos that several tests read, written once a run."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from framelens.core.events import KeyframesChosen, VideoEvent
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions
from tests.media import COLOURS, cards, moving, repeated, write_video

Chosen = Callable[..., KeyframesChosen]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="session")
def moving_video(folder: Path) -> Path:
    """Two seconds of a square that crosses the picture, 160x96, 25 frames a second."""
    return write_video(folder / "moving.mp4", moving(50))


@pytest.fixture(scope="session")
def long_video(folder: Path) -> Path:
    """Enough frames that a child is still at work when a test interferes with it."""
    once = write_video(folder / "once.mp4", moving(250, 640, 360))
    return repeated(once, folder / "long.mp4", 12)


@pytest.fixture(scope="session")
def card_video(folder: Path) -> Path:
    """The eight colours of tests.media, a second each."""
    return write_video(folder / "cards.mp4", cards(COLOURS, 25))


@pytest.fixture
def chosen() -> Chosen:
    """Extracts and gives back the choice; everything else is thrown away."""

    def run(path: Path, frames: int = 8) -> KeyframesChosen:
        events: list[VideoEvent] = list(extract(path, ExtractOptions(frames, read_text=False)))
        return next(event for event in events if isinstance(event, KeyframesChosen))

    return run


def decoding_children() -> list[psutil.Process]:
    """The decoding children of this process that are still running."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            is_forked = "tests.forked_workers" in child.cmdline() and child.ppid() != os.getpid()
            is_decoder = is_forked or "framelens.video.worker" in child.cmdline()
            if is_decoder and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.fixture(autouse=True)
def no_child_left() -> Iterator[None]:
    yield
    assert decoding_children() == []
