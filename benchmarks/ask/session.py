"""FrameLens by its Python API on the engine of a benchmark, and when its requests went out, with how many bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import framelens
from benchmarks.analysis.engine import Caches
from benchmarks.analysis.recorded import recording

ARGUMENTS = {
    "enforce_eager": True,
    "max_model_len": 4096,
    "dtype": "bfloat16",
    "max_num_seqs": 16,
    "limit_mm_per_prompt": {"image": 16},
}
"""Arguments of the engine, as in the tests: nothing is compiled; the context is what the model was made for."""


@contextmanager
def session(caches: Caches, data: Path) -> Iterator[framelens.Session]:
    """Open a session with a data folder of its own."""
    at = caches.endpoint
    with framelens.Session(
        base_url=at.base_url, api_key=at.api_key, model=at.model, data_dir=data, language="en"
    ) as opened:
        yield opened


@dataclass(frozen=True)
class Asked:
    """A question and its answer.

    Attributes:
        conversation: Its last turn is the answer.
        first_seconds: From the question to the first text.
        engine_seconds: From the request for the answer to the first text.
        sent_bytes: Bytes of the requests for the answer.
        requests: Number of all requests, with those for votes.
        places: Places in the queue that were reported.
    """

    conversation: framelens.Conversation
    first_seconds: float
    engine_seconds: float
    sent_bytes: int
    requests: int
    places: tuple[int, ...] = ()


def ask(one: framelens.Session, about: Path | framelens.Conversation, question: str, **options: object) -> Asked:
    """Ask a question, and measure its requests; no other question may be asked meanwhile."""
    with recording() as sent:
        asked = began = first = time.perf_counter()
        done: framelens.Conversation | None = None
        places: list[int] = []
        for event in one.ask_events(about, question, **options):  # type: ignore[arg-type]
            match event:
                case framelens.ContextChosen():
                    began = first = time.perf_counter()
                case framelens.AnswerText() if first == began:
                    first = time.perf_counter()
                case framelens.Queued(place):
                    places.append(place)
                case framelens.AnswerDone(conversation):
                    done = conversation
                case _:
                    pass
    assert done is not None
    answers = [request for request in sent if request.at_seconds >= began]
    size = sum(len(request.body) for request in answers)
    return Asked(done, first - asked, first - began, size, len(sent), tuple(places))
