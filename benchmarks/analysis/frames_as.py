"""Frames as a video against frames as pictures: tokens, time to the first text and bytes, with empty caches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from langchain_core.messages import convert_to_openai_messages

import framelens
from benchmarks.analysis.engine import Caches
from benchmarks.analysis.raw import first_text_seconds
from benchmarks.analysis.recorded import Sent
from benchmarks.row import Row
from framelens.llm.messages import data_url, media_options, with_pictures, with_video

_FRAMES, _SIDE = 8, 448


def rows(name: str, caches: Caches, video: Path, *, rounds: int) -> Iterator[Row]:
    """Measure both forms in turns, with the keyframes of a video."""
    sent = _requests(caches, video)
    seconds: dict[str, list[float]] = {form: [] for form in sent}
    for request in sent.values():  # the engine's own first time
        first_text_seconds(request)
    for _ in range(rounds):
        for form, request in sent.items():
            caches.empty()
            seconds[form].append(first_text_seconds(request)[0])
    tokens = {form: _tokens(caches, request) for form, request in sent.items()}
    row = f"{name}, {_FRAMES} frames, one video / pictures"
    yield Row(f"{row}: prompt tokens", tokens["video"] / tokens["images"], "x", None, f"{tokens}")
    video_seconds, image_seconds = median(seconds["video"]), median(seconds["images"])
    ratio = f"{video_seconds:.2f} s / {image_seconds:.2f} s"
    yield Row(f"{row}: first text", video_seconds / image_seconds, "x", None, ratio)
    yield Row(f"{row}: bytes", len(sent["video"].body) / len(sent["images"].body), "x")


def _requests(caches: Caches, video: Path) -> dict[str, Sent]:
    frames = framelens.keyframes(video, frames=_FRAMES)
    endpoint, url = caches.endpoint, partial(data_url, side=_SIDE)
    sent = {}
    for form, build in (("images", with_pictures), ("video", with_video)):
        messages = build(frames, "What happens?", system="Answer briefly.", url=url)
        asked = {"model": endpoint.model, "messages": convert_to_openai_messages(messages), "stream": True}
        body = json.dumps({**asked, "max_tokens": 2, "ignore_eos": True, **media_options(messages)}).encode()
        sent[form] = Sent(f"{endpoint.base_url}/chat/completions", f"Bearer {endpoint.api_key}", body, 0.0)
    return sent


def _tokens(caches: Caches, request: Sent) -> int:
    import httpx

    asked = {**json.loads(request.body), "stream": False}
    headers = {"Authorization": request.authorization}
    answer = httpx.post(request.url, json=asked, headers=headers, timeout=600.0)
    return int(answer.raise_for_status().json()["usage"]["prompt_tokens"])
