"""Tokens that an engine reads a second under load, and the time of a step of its answers, on this machine's card.

    python -m benchmarks.engine_load    # Qwen2.5-VL-7B with its usual settings
    python -m benchmarks.engine_load --model Qwen3-VL-8B --at-once 1 4 16

vLLM makes the weights up, so only the small files of the model are downloaded. Each request has 16 new pictures of
896 × 504, no two alike, or the engine would find them in its cache. The time to read is taken by requests with an
answer of one token; decoding the pictures is part of it, as it is in an analysis. A step is the difference between long
and short answers to a text, by the tokens between them.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from benchmarks.analysis.engine import started
from benchmarks.shapes import DUMMY, shape_folder
from framelens.engine.base import Endpoint
from framelens.models.catalogue import built_in

_FRAMES = 16
_WIDTH, _HEIGHT = 896, 504
_LONG, _SHORT = 260, 4
"""Tokens of the answers whose difference is a step's time."""


@contextmanager
def serving(model: str, arguments: dict[str, Any]) -> Iterator[Endpoint]:
    """Serve the shape of a model of the catalogue with dummy weights until the block ends.

    Raises:
        ModelNotFound: There is no such model.
        EngineError: vLLM is missing, or doesn't start.
    """
    entry, _ = built_in().find_entry(model)
    with (
        tempfile.TemporaryDirectory(prefix="engine-load-") as logs,
        started(shape_folder(entry.id), {**arguments, **DUMMY}, Path(logs)) as caches,
    ):
        yield caches.endpoint


def picture(numbers: np.random.Generator) -> str:
    """Draw a unique picture, as the address of a JPEG of some 60 kB."""
    coarse = numbers.integers(0, 256, (_HEIGHT // 14, _WIDTH // 14, 3), np.uint8)
    drawn = cv2.resize(coarse, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)
    _, jpeg = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()


def body(endpoint: Endpoint, numbers: np.random.Generator, pictures: int, tokens: int) -> str:
    """Build a unique request: so many pictures, and an answer of so many tokens."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": f"Say what you see ({numbers.integers(2**62)})."}]
    parts += [{"type": "image_url", "image_url": {"url": picture(numbers)}} for _ in range(pictures)]
    messages = [{"role": "user", "content": parts}]
    asked = {"model": endpoint.model, "max_tokens": tokens, "ignore_eos": True, "messages": messages}
    return json.dumps(asked)


def seconds_for(endpoint: Endpoint, bodies: Sequence[str], at_once: int) -> tuple[float, int]:
    """Send requests, so many at a time; return the seconds until all are answered, and the tokens that were read."""
    headers = {"Authorization": f"Bearer {endpoint.api_key}", "Content-Type": "application/json"}
    with httpx.Client(timeout=3600, headers=headers) as client, ThreadPoolExecutor(at_once) as pool:

        def ask(content: str) -> int:
            answer = client.post(f"{endpoint.base_url}/chat/completions", content=content)
            answer.raise_for_status()
            return int(answer.json()["usage"]["prompt_tokens"])

        started = time.perf_counter()
        tokens = sum(pool.map(ask, bodies))
        return time.perf_counter() - started, tokens


def main(words: list[str]) -> int:
    """Print a line for each number of requests at once, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_load")
    parser.add_argument("--model", default="Qwen2.5-VL-7B-Instruct")
    parser.add_argument("--config", type=json.loads, default={"max_model_len": 32768}, metavar="JSON")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 4, 16, 32])
    parser.add_argument("--frames", type=int, default=_FRAMES)
    given = parser.parse_args(words)
    arguments = {"limit_mm_per_prompt": {"image": given.frames, "video": 0}, **given.config}
    numbers = np.random.default_rng(2026)
    with serving(given.model, arguments) as endpoint:
        seconds_for(endpoint, [body(endpoint, numbers, given.frames, 1)], 1)  # compiles what is left to compile
        print("| requests at once | tokens read a second | frames a second | step | tokens written a second |")
        print("|---|---|---|---|---|")
        for at_once in given.at_once:
            asked = [body(endpoint, numbers, given.frames, 1) for _ in range(2 * at_once)]
            reading, tokens = seconds_for(endpoint, asked, at_once)
            short, _ = seconds_for(endpoint, [body(endpoint, numbers, 0, _SHORT) for _ in range(at_once)], at_once)
            long, _ = seconds_for(endpoint, [body(endpoint, numbers, 0, _LONG) for _ in range(at_once)], at_once)
            step = (long - short) / (_LONG - _SHORT)
            frames = len(asked) * given.frames / reading
            line = f"| {at_once} | {tokens / reading:,.0f} | {frames:.1f} "
            print(f"{line}| {step * 1000:.1f} ms | {at_once / step:,.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
