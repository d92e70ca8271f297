"""The HTTP API with many clients at once, against the real app: median and 99th percentile of each request.

An analysis without a model is made first. Then the clients, at the same time, get its state, its events and its
report, list the jobs, upload a megabyte, and submit a file that was analysed before. Any unexpected answer counts as an
error and makes the exit code 1.

`python -m benchmarks.plugins.server.api --clients 50 --rounds 20`
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from benchmarks.page import serving

ROOT = Path(__file__).resolve().parents[3]
UPLOAD = bytes(1 << 20)
Times = dict[str, list[float]]


def main() -> int:
    """Measure, print a table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=20, help="of each client")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="framelens-bench-") as folder:
        data, videos = Path(folder) / "data", Path(folder) / "videos"
        videos.mkdir()
        shutil.copy(ROOT / "framelens" / "samples" / "sample.mp4", videos)
        os.environ["FRAMELENS_INPUT_DIRS"] = str(videos)
        key = _new_key(data, given.clients * given.rounds * 20)
        with serving(data) as url:
            times, errors = asyncio.run(_measure(f"{url}api/v1", key, given.clients, given.rounds))
    print(f"{given.clients} clients at once, {given.rounds} rounds each")
    print(f"{'request':<24} {'count':>6} {'p50 ms':>9} {'p99 ms':>9}")
    for name, seconds in times.items():
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        print(f"{name:<24} {len(seconds):>6} {cuts[49] * 1000:>9.1f} {cuts[98] * 1000:>9.1f}")
    for name, count in errors.items():
        print(f"error: {name}: {count}")
    return 1 if errors else 0


def _new_key(data: Path, per_minute: int) -> str:
    command = [sys.executable, "-m", "framelens", "admin", "keys", "create", "bench", "--jobs", "1000"]
    environ = {**os.environ, "FRAMELENS_DATA_DIR": str(data)}
    limit = f"{min(per_minute, 100_000)}/min"
    done = subprocess.run([*command, "--limit", limit], env=environ, capture_output=True, text=True, check=True)
    return done.stdout.strip()


async def _measure(base: str, key: str, clients: int, rounds: int) -> tuple[Times, dict[str, int]]:
    times: Times = defaultdict(list)
    errors: dict[str, int] = defaultdict(int)
    headers = {"Authorization": f"Bearer {key}"}
    source = {"source": {"type": "path", "path": "sample.mp4"}, "use_model": False, "frames": 4}
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=120, limits=limits, trust_env=False) as api:
        job = (await api.post("/jobs", json=source)).raise_for_status().json()["id"]
        while not (await api.get(f"/jobs/{job}")).json()["is_over"]:
            await asyncio.sleep(0.2)

        async def timed(name: str, status: int, request: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
            start = time.perf_counter()
            answer = await request()
            times[name].append(time.perf_counter() - start)
            if answer.status_code != status:
                errors[f"{name}: {answer.status_code} {answer.text[:200]}"] += 1
            return answer

        async def client() -> None:
            for _ in range(rounds):
                await timed("GET a job", 200, lambda: api.get(f"/jobs/{job}"))
                await timed("GET its events", 200, lambda: api.get(f"/jobs/{job}/events"))
                await timed("GET its report (JSON)", 200, lambda: api.get(f"/jobs/{job}/reports/json"))
                await timed("GET the list", 200, lambda: api.get("/jobs"))
                again = await timed("POST a known job", 202, lambda: api.post("/jobs", json=source))
                if again.status_code == 202 and again.json()["id"] != job:
                    errors["another job"] += 1
                await upload()

        async def upload() -> None:
            asked = {"name": "a.mp4", "size_bytes": len(UPLOAD)}
            made = await timed("POST an upload", 201, lambda: api.post("/uploads", json=asked))
            body = {"content": UPLOAD, "headers": {"Content-Type": "application/octet-stream"}}
            await timed("PATCH it, 1 MB", 200, lambda: api.patch(f"/uploads/{made.json()['id']}", **body))

        await asyncio.gather(*(client() for _ in range(clients)))
    return times, errors


if __name__ == "__main__":
    sys.exit(main())
