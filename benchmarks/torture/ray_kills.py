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
    # Both import Ray.
    from benchmarks.clips import make_clips
    from benchmarks.plugins.batch.__main__ import cluster_of, open_bench, report_of
    from framelens.plugins.batch.runner import VideoEnded
    from tests.plugins.batch.ray_jobs.local_cluster import TOKEN

    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN)
    tally, draw, folder = Tally(), random.Random(scale.seed), scale.folder("kills-ray")
    bench = open_bench(make_clips(folder / "clips", None, 3 * count), folder)
    local, _ = bench.locally("local", 2)
    moments = sorted(draw.sample(range(1, 3 * count - 3), count))
    with cluster_of(bench, 2) as cluster:

        def disturb(ended: int) -> None:
            while moments and moments[0] <= ended and (actors := cluster.actors()):
                moments.pop(0)
                time.sleep(draw.uniform(0, 1))
                with suppress(psutil.NoSuchProcess):
                    tally.gone(kill(draw.choice(actors)))
                    tally.count += 1

        results, _, events = bench.on_ray(shared := bench.fresh("ray"), cluster, disturb)
        videos = [one for one in events if isinstance(one, VideoEnded)]
        tally.resumed = sum(one.result.failure is not None for one in videos)
        if tally.resumed:  # after three kills a video fails; the same command tries it again
            results, _, _ = bench.on_ray(shared, cluster)
    ended = Counter(one.video.key for one in videos)
    for video in bench.batch.videos:
        if ended[video.key] != 1:
            tally.lose(f"{video.name} ended {ended[video.key]} times")
            continue
        for line in differences(report_of(local, video.key), report_of(results, video.key)):
            tally.lose(f"{video.name} has another report: {line}")
    yield tally.line("SIGKILL to an actor of Ray", f"{len(bench.batch.videos)} videos")
