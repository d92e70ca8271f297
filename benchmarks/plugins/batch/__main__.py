"""Batches on a Ray cluster.

    python -m benchmarks.plugins.batch [--footage FOLDER] [--videos N] [--only …] [--work FOLDER]

overhead: two nodes on two cores against the local run on them. scaling: two nodes against one, with as much processor
time each as a machine of their own has.
kills: an actor and a node are killed; what is lost, done twice or different from the local run is counted.
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
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.analysis.machine import machine_line
from benchmarks.clips import make_clips
from benchmarks.endurance import plain
from benchmarks.row import Row
from framelens.cli.main import main as framelens
from framelens.core.background_task import in_thread
from framelens.plugins.batch.ray_jobs import client
from tests.plugins.batch.ray_jobs.local_cluster import TOKEN, LocalCluster, local_cluster

_PARTS = ("overhead", "scaling", "kills")
_CORES = 2
_NODE_SHARE = 0.4
"""Of a core, for a node: two of them and the head, with Ray's own processes, then don't disturb each other on two
cores."""
Disturb = Callable[[int], None]


@dataclass(frozen=True)
class Bench:
    """Clips, and the folder in which each run gets folders of its own."""

    clips: Sequence[Path]
    work: Path

    def fresh(self, name: str) -> Path:
        """Return an empty folder."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def run(self, folder: Path, *options: str) -> tuple[list[dict[str, Any]], float]:
        """Run `framelens batch` in a folder; return what became of each video, and the seconds."""
        os.environ["FRAMELENS_DATA_DIR"] = str(folder / "data")
        words = ["batch", *map(str, self.clips), "--output", str(folder / "out"), "--no-model", "--frames", "8"]
        printed, since = StringIO(), time.perf_counter()
        with redirect_stdout(printed):
            framelens([*words, "--format", "json", "--json", *options])
        events = [json.loads(line) for line in printed.getvalue().splitlines()]
        return [event for event in events if event["event"] == "video"], time.perf_counter() - since

    def on_ray(
        self, folder: Path, cluster: LocalCluster, disturb: Disturb = lambda ended: None
    ) -> tuple[list[dict[str, Any]], float]:
        """Run on a cluster; `disturb` gets the number of reports again and again, in a thread."""
        client.CLIENT_PORT = cluster.port
        reports, is_over = folder / "out" / "reports", False

        def watch() -> None:
            while not is_over:
                disturb(len(list(reports.glob("*.json"))))
                time.sleep(0.1)

        watching = in_thread("disturb", watch)
        try:
            return self.run(folder, "--ray", cluster.address)
        finally:
            is_over = True
            watching.result()


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
            _, alone = bench.run(bench.fresh("local"), "--jobs", str(_CORES))
            _, spread = bench.on_ray(bench.fresh("ray"), cluster)
            print(f"round {number + 1}: local {alone:.1f} s, Ray {spread:.1f} s, load {os.getloadavg()[0]:.1f}")
            pairs.append(spread / alone)
    count = len(bench.clips)
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
    yield Row(f"two nodes / one, {len(bench.clips)} videos", median(pairs), "times", 1 / 1.8)


def kills(bench: Bench, rounds: int) -> Iterator[Row]:
    """Kill an actor and a node, and count what is lost, twice or different."""
    local, ray, count = bench.fresh("local"), bench.fresh("killed"), len(bench.clips)
    bench.run(local)
    with cluster_of(bench, _CORES) as cluster:
        waiting: dict[int, Callable[[], None]] = {
            count // 4: lambda: cluster.actors()[0].send_signal(signal.SIGKILL),
            count // 2: cluster.kill_node,
        }

        def disturb(ended: int) -> None:
            for after in [one for one in waiting if one <= ended]:
                waiting.pop(after)()

        videos, _ = bench.on_ray(ray, cluster, disturb)
    names = [Path(video["path"]).stem for video in videos]
    different = sum(report_of(ray, name) != report_of(local, name) for name in names)
    yield Row(f"videos of {count} without a result after two kills", count - len(set(names)), "videos", 0)
    yield Row("videos with two results", len(names) - len(set(names)), "videos", 0)
    yield Row("reports that differ from the local run", different, "reports", 0)


def report_of(folder: Path, name: str) -> Any:
    """Return a report without what differs between two runs on a machine, or None if it is missing."""
    path = folder / "out" / "reports" / f"{name}.json"
    return plain(json.loads(path.read_bytes())) if path.exists() else None


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
    bench = Bench(clips, given.work)
    print(f"{len(clips)} videos, {sum(clip.stat().st_size for clip in clips) / 1e6:.1f} MB")
    parts = {"overhead": overhead, "scaling": scaling, "kills": kills}
    missed = False
    for name in given.only:
        for row in parts[name](bench, given.rounds):
            print(row, flush=True)
            missed = missed or row.missed
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
