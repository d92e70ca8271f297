"""Batches on a Ray cluster.

    python -m benchmarks.plugins.batch [--footage FOLDER] [--videos N] [--only …] [--work FOLDER]

overhead: two nodes on two cores against the local run on them. scaling: two nodes against one, with as much processor
time each as a machine of their own has.
kills: an actor, a node and the driver are killed; what is lost, done twice or different from the local run is counted.
No model is asked, so that all time is FrameLens's own. Ends with 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.analysis.machine import machine_line
from benchmarks.clips import make_clips
from benchmarks.endurance import plain
from benchmarks.row import Row
from framelens import config
from framelens.composition import open_services
from framelens.core.domain import AnalysisRequest
from framelens.plugins.batch.batch import Batch, collect, make_batch
from framelens.plugins.batch.ray_jobs.client import RayCluster
from framelens.plugins.batch.ray_jobs.runner import run_on_ray
from framelens.plugins.batch.ray_jobs.task import RayTask
from framelens.plugins.batch.results import Results
from framelens.plugins.batch.runner import BatchHalted, BatchRunner, VideoEnded
from framelens.video.files import sha256_of
from framelens.video.worker_pool import worker_ready
from tests.plugins.batch.ray_jobs.local_cluster import TOKEN, LocalCluster, local_cluster

_PARTS = ("overhead", "scaling", "kills")
_CORES = 2
_NODE_SHARE = 0.4
"""Of a core, for a node: two of them and the head, with Ray's own processes and the driver, then don't disturb each
other on two cores."""
Disturb = Callable[[int], None]


@dataclass(frozen=True)
class Bench:
    """A batch and the folder in which each run gets folders of its own."""

    batch: Batch
    work: Path

    def fresh(self, name: str) -> Path:
        """Return an empty folder."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def locally(self, name: str, workers: int) -> tuple[Results, float]:
        """Run on this machine; return the results and the seconds."""
        folder = self.fresh(name)
        batch = replace(self.batch, folder=folder / "out")
        since = time.perf_counter()
        with worker_ready():
            services = open_services(_settings(folder / "data"), workers=workers)
            try:
                runner = BatchRunner(services.jobs, services.switcher, services.templates)
                for _ in runner.run(batch, workers=workers, cancel=threading.Event()):
                    pass
            finally:
                services.close()
        return Results(batch), time.perf_counter() - since

    def on_ray(
        self, folder: Path, cluster: LocalCluster, disturb: Disturb = lambda ended: None
    ) -> tuple[Results, float, list[Any]]:
        """Run on a cluster in this folder; return the results, the seconds, and how videos and the run ended.

        `disturb` gets the number of videos that have ended.
        """
        batch = replace(self.batch, folder=folder / "out")
        task = RayTask(batch, {"FRAMELENS_DATA_DIR": str(folder / "data")})
        since, events = time.perf_counter(), list[Any]()
        client = RayCluster(cluster.address)
        for event in run_on_ray(task, client, cancel=threading.Event(), on_followed=lambda job: None):
            if isinstance(event, VideoEnded | BatchHalted):
                events.append(event)
                disturb(sum(isinstance(one, VideoEnded) for one in events))
        return Results(batch), time.perf_counter() - since, events


def _settings(data: Path) -> config.Settings:
    return config.load({"FRAMELENS_DATA_DIR": str(data)}, Path(os.devnull))


def open_bench(clips: Sequence[Path], work: Path) -> Bench:
    """Build the batch of these clips, without a model."""
    request = AnalysisRequest(Path("x"), frames=8, use_model=False)
    services = open_services(_settings(work / "data"), adopts=False)
    try:
        conditions = services.switcher.session.conditions(request)
        return Bench(make_batch(collect([str(one) for one in clips], sha256_of), request, conditions), work)
    finally:
        services.close()


@contextmanager
def cluster_of(bench: Bench, nodes: int, *, core_share: float = 0.0) -> Iterator[LocalCluster]:
    """Start a cluster whose nodes take a video at a time each, with this part of a core each unless it is 0."""
    folder = bench.fresh(f"cluster-{nodes}")
    (folder / "data").mkdir()
    with local_cluster(folder / "data", {}, nodes=nodes, core_share=core_share) as cluster:
        yield cluster


def overhead(bench: Bench, rounds: int) -> Iterator[Row]:
    """Compare two nodes with the local run on as many cores, in turns."""
    with cluster_of(bench, _CORES) as cluster:
        pairs = []
        for number in range(rounds):
            _, alone = bench.locally("local", _CORES)
            _, spread, _ = bench.on_ray(bench.fresh("ray"), cluster)
            print(f"round {number + 1}: local {alone:.1f} s, Ray {spread:.1f} s, load {os.getloadavg()[0]:.1f}")
            pairs.append(spread / alone)
    count = len(bench.batch.videos)
    yield Row(f"Ray on {_CORES} nodes / local run, {count} videos", median(pairs), "times", 1.10)


def scaling(bench: Bench, rounds: int) -> Iterator[Row]:
    """Compare one node with two, in turns. The head runs apart from them, on the processor time they leave."""
    pairs = []
    for number in range(rounds):
        seconds = []
        for nodes in (1, 2):
            with cluster_of(bench, nodes, core_share=_NODE_SHARE) as cluster:
                seconds.append(bench.on_ray(bench.fresh(f"ray-{nodes}"), cluster)[1])
        print(f"round {number + 1}: one node {seconds[0]:.1f} s, two {seconds[1]:.1f} s, load {os.getloadavg()[0]:.1f}")
        pairs.append(seconds[1] / seconds[0])
    yield Row(f"two nodes / one, {len(bench.batch.videos)} videos", median(pairs), "times", 1 / 1.8)


def kills(bench: Bench, rounds: int) -> Iterator[Row]:
    """Kill an actor, a node and the driver, begin again, and count what is lost, twice or different."""
    local, _ = bench.locally("local", _CORES)
    count = len(bench.batch.videos)
    with cluster_of(bench, _CORES) as cluster:
        folder = bench.fresh("killed")
        waiting: dict[int, Callable[[], None]] = {
            count // 4: lambda: cluster.actors()[0].send_signal(signal.SIGKILL),
            count // 2: cluster.kill_node,
            count * 3 // 4: lambda: cluster.drivers()[0].send_signal(signal.SIGKILL),
        }

        def disturb(ended: int) -> None:
            for after in [one for one in waiting if one <= ended]:
                waiting.pop(after)()

        _, _, first = bench.on_ray(folder, cluster, disturb)
        cluster.add_node()
        results, _, again = bench.on_ray(folder, cluster)
    fresh = [one.video.key for one in (*first, *again) if isinstance(one, VideoEnded) and not one.was_done]
    analysed = Counter(fresh)
    different = sum(report_of(results, video.key) != report_of(local, video.key) for video in bench.batch.videos)
    yield Row(
        "halts reported, of the killed driver", abs(1 - sum(isinstance(one, BatchHalted) for one in first)), "", 0
    )
    yield Row(f"videos of {count} without a result after three kills", count - len(analysed), "videos", 0)
    yield Row("videos with two results", sum(number > 1 for number in analysed.values()), "videos", 0)
    yield Row("reports that differ from the local run", different, "reports", 0)


def report_of(results: Results, key: str) -> Any:
    """Return a stored report without what differs between two runs on a machine, or None if it is missing."""
    path = results.path(key)
    return plain(json.loads(path.read_bytes())["report"]) if path.exists() else None


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.plugins.batch", description=__doc__)
    parser.add_argument("--footage", type=Path)
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=_PARTS, nargs="+", default=_PARTS)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "framelens-fleet")
    given = parser.parse_args()
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN)
    psutil.Process().cpu_affinity(sorted(os.sched_getaffinity(0))[:_CORES])
    print(machine_line())
    kind = given.footage.name if given.footage else "cards"
    clips = make_clips(given.work / f"clips-{kind}", given.footage, given.videos)
    bench = open_bench(clips, given.work)
    print(f"{len(bench.batch.videos)} videos, {sum(one.size_bytes for one in bench.batch.videos) / 1e6:.1f} MB")
    parts = {"overhead": overhead, "scaling": scaling, "kills": kills}
    missed = False
    for name in given.only:
        for row in parts[name](bench, given.rounds):
            print(row, flush=True)
            missed = missed or row.missed
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
