"""Memory and time that hostile engines cost, with the limits of responses and without them.

`python -m benchmarks.limits [ATTACK…]` asks a hostile engine in a process of its own, twice for each attack, and prints
by how much the process that asked has grown at most, how long it took, and how it ended. Without limits it is ended
after CEILING_SECONDS.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.row import Row
from framelens.core.errors import AppError
from tests.llm import floods, scripted
from tests.llm.scripted import Flood

CEILING_SECONDS = 20.0
GROWTH_MB = 256.0
"""Most growth with limits, four times the cap of bytes: a line of this length is held in pieces and as text."""
_MB = 2**20


def _of(flood: Flood, piece_bytes: int, megabytes: int) -> Flood:
    """The first megabytes of an endless response."""

    def pieces(aborted: threading.Event) -> Iterator[bytes]:
        return itertools.islice(flood.pieces(aborted), megabytes * _MB // piece_bytes)

    return Flood(pieces, flood.status, flood.headers, flood.content_type)


@dataclass(frozen=True)
class Attack:
    """A hostile response, and what asks for it."""

    flood: Flood
    asks: str = "chat"


ATTACKS = {
    "a line of 100 MB": Attack(_of(floods.LONG_LINE, 2**16, 100)),
    "300 MB in gzip": Attack(
        Flood(lambda _: iter([floods.gzipped(300 * _MB)]), 200, {"Content-Encoding": "gzip"}, "application/json")
    ),
    "an error of 200 MB": Attack(_of(floods.ENDLESS_ERROR, 2**16, 200)),
    "an endless answer": Attack(floods.ENDLESS_TEXT),
    "endless comments": Attack(floods.ENDLESS_COMMENTS),
    "a comment every 10 ms": Attack(floods.DRIPPED_COMMENTS),
    "an embedding of 300 MB": Attack(_of(floods.ENDLESS_JSON, 2**16, 300), "embeddings"),
    "metrics of 300 MB": Attack(_of(floods.ENDLESS_JSON, 2**16, 300), "metrics"),
}


def measure(name: str, *, limited: bool) -> tuple[float, float, str]:
    """Return the growth in MB, the seconds, and how it ended."""
    with scripted.serve(scripted.saying("")) as engine:  # in this process; the asking process is measured
        engine.flood = ATTACKS[name].flood
        command = [sys.executable, "-m", __spec__.name if __spec__ else "", "--ask", name, engine.base_url]
        asking = subprocess.Popen(
            [*command, str(limited)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert asking.stdout
        before = float(asking.stdout.readline())
        started, peak = time.perf_counter(), before
        while asking.poll() is None and time.perf_counter() - started < CEILING_SECONDS:
            peak = max(peak, _peak_mb(asking.pid))
            time.sleep(0.05)
        seconds = time.perf_counter() - started
        ended = asking.returncode is not None
        asking.kill()
        last = asking.stdout.read().split("\t")
        asking.wait()
        peak = max(peak, float(last[0])) if ended else peak
    return peak - before, seconds, last[1].strip() if ended else "did not end"


def _peak_mb(pid: int | str = "self") -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


# ---- the process that asks


def _ask(name: str, base_url: str, *, limited: bool) -> None:
    from langchain_core.messages import HumanMessage

    from framelens import http_client
    from framelens.engine.short_requests import NoAnswer, get_text
    from framelens.llm import stream
    from framelens.llm.chat import connect
    from framelens.llm.stream import ask
    from framelens.plugins.search.embeddings import EmbeddingModel

    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), http_client.request_loop()).result()
    if not limited:
        http_client._LimitedBody = lambda response, *_: response.stream  # type: ignore[misc, assignment]
        stream._PartialReply.exceeds = lambda *_: False  # type: ignore[method-assign]
    asks: dict[str, Callable[[], object]] = {
        "chat": lambda: (
            ask(
                connect(base_url, api_key="", model="model", timeout_seconds=2.0), [HumanMessage("What?")]
            ).finish_reason
        ),
        "embeddings": lambda: EmbeddingModel(base_url, timeout_seconds=5.0)(["text"]),
        "metrics": lambda: get_text(base_url),
    }
    print(_peak_mb(), flush=True)
    try:
        result = str(asks[ATTACKS[name].asks]())[:60]
    except (AppError, NoAnswer) as error:
        result = getattr(error, "key", "no answer")
    print(f"{_peak_mb()}\t{result}", flush=True)


def run(names: list[str]) -> Iterator[Row]:
    """Yield two rows for each attack."""
    for name in names or ATTACKS:
        for limited in (False, True):
            growth, seconds, ended = measure(name, limited=limited)
            label = f"{name}, {'with' if limited else 'without'} limits"
            yield Row(label, growth, "MB", GROWTH_MB if limited else None, f"{seconds:.1f} s, {ended}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ask"]:
        _ask(sys.argv[2], sys.argv[3], limited=json.loads(sys.argv[4].lower()))
    else:
        missed = 0
        for row in run(sys.argv[1:]):
            print(row, flush=True)
            missed += row.missed
        sys.exit(missed > 0)
