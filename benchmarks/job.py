"""The whole job against its raw engine calls: what FrameLens adds beyond decoding the video.

The engine is a server with the speed of Qwen2.5-VL-3B on two CPU cores: 2.3 s of prefill a frame and 10 tokens a
second. The raw calls are the same requests, recorded from the job, sent again in turn.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.analysis.answers import answer_to, pieces
from benchmarks.footage import make
from benchmarks.row import Row, seconds
from framelens.analysis.prompts.templates import Templates
from framelens.analysis.task import Task
from framelens.config import load
from framelens.core.domain import AnalysisRequest
from framelens.core.events import KeyframesChosen
from framelens.engine.engine_builder import build_engine
from framelens.jobs.engine_session import EngineSession
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions
from tests.llm.scripted import serve

FRAMES = 8
SECONDS_A_FRAME = 2.3
TOKENS_A_SECOND = 10


def run(folder: Path) -> Iterator[Row]:
    video = make(folder / "job.mp4", seconds=60, width=1280, height=720, frame_rate=30)
    other = make(folder / "warm.mp4", seconds=2, width=640, height=360, frame_rate=30)
    with serve(_model_of_known_speed) as server:
        settings = load({"FRAMELENS_BASE_URL": server.base_url, "FRAMELENS_DATA_DIR": str(folder)})
        engine, _ = build_engine(settings)
        analyse = EngineSession(settings, Templates(settings.template_dir), engine).run
        request = AnalysisRequest(video, frames=FRAMES)
        # Imports and the proof of sight come once a process; another video, since a video's findings are kept.
        _to_the_end(analyse(Task(AnalysisRequest(other, frames=1), "warm")))
        server.requests.clear()
        decode = seconds(lambda: _until_chosen(video))
        job = seconds(lambda: _to_the_end(analyse(Task(request, "measured"))))
        sent = list(server.requests)
        raw = seconds(lambda: [_send(server.base_url, body) for body in sent])
    beyond = job - decode
    note = f"job {job:.2f} s, of it decoding {decode:.2f} s; {len(sent)} raw calls {raw:.2f} s"
    yield Row("job beyond decoding / its raw engine calls", beyond / raw, "x", 1.05, note)


def _model_of_known_speed(body: dict[str, Any]) -> Iterator[str]:
    content = body["messages"][-1]["content"]
    pictures = sum(part["type"] == "image_url" for part in content) if isinstance(content, list) else 0
    is_proof = body.get("max_tokens") == 1
    time.sleep(0 if is_proof else pictures * SECONDS_A_FRAME)
    for piece in pieces(answer_to(body)):
        time.sleep(0 if is_proof else 1 / TOKENS_A_SECOND)
        yield piece


def _send(base_url: str, body: dict[str, Any]) -> None:
    with httpx.stream("POST", f"{base_url}/chat/completions", json=body, timeout=600) as answer:
        for _ in answer.iter_lines():
            pass


def _until_chosen(video: Path) -> None:
    for event in extract(video, ExtractOptions(FRAMES)):
        if isinstance(event, KeyframesChosen):
            return


def _to_the_end(events: Iterator[object]) -> None:
    for _ in events:
        pass
