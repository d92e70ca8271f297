"""Signal 9 at random moments to actors of a Ray cluster of two nodes that works on a batch.

Each video must end once, with the report of the local run. Cluster, batch and signals are real; the engine is scripted.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import psutil

from benchmarks.endurance import differences
from benchmarks.torture.line import Line, Scale
from benchmarks.torture.tally import Tally, kill

_FULL = 100
_LEAST = 10
"""Kills below which no cluster is started, which takes half a minute."""


def run(scale: Scale) -> Iterator[Line]:
    """Kill actors of a cluster of two nodes, and compare the results of a batch with the local run's."""
    if (count := scale.count(_FULL)) < _LEAST:
        return
    from benchmarks.clips import make_clips  # both import Ray
    from benchmarks.plugins.batch.__main__ import Bench, cluster_of, report_of
    from tests.plugins.batch.ray_jobs.local_cluster import TOKEN

    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN)
    tally, draw, folder = Tally(), random.Random(scale.seed), scale.folder("kills-ray")
    bench = Bench(make_clips(folder / "clips", None, 3 * count), folder)
    bench.run(local := bench.fresh("local"))
    moments = sorted(draw.sample(range(1, 3 * count - 3), count))
    with cluster_of(bench, 2) as cluster:

        def disturb(ended: int) -> None:
            while moments and moments[0] <= ended and (actors := cluster.actors()):
                moments.pop(0)
                time.sleep(draw.uniform(0, 1))
                with suppress(psutil.NoSuchProcess):
                    tally.gone(kill(draw.choice(actors)))
                    tally.count += 1

        videos, _ = bench.on_ray(shared := bench.fresh("ray"), cluster, disturb)
        tally.resumed = sum(video["error"] is not None for video in videos)
        if tally.resumed:  # after three kills a video fails; the same command tries it again
            bench.on_ray(shared, cluster)
    ended = Counter(video["path"] for video in videos)
    for clip in bench.clips:
        if ended[str(clip)] != 1:
            tally.lose(f"{clip.name} ended {ended[str(clip)]} times")
            continue
        for line in differences(report_of(local, clip.stem), report_of(shared, clip.stem)):
            tally.lose(f"{clip.name} has another report: {line}")
    yield tally.line("SIGKILL to an actor of Ray", f"{len(bench.clips)} videos")
