"""Many conversations at once on one engine: whether each gets its answer, and its place in the queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import framelens
from benchmarks.row import Row

CONVERSATIONS = 20


def rows(one: framelens.Session, video: Path) -> Iterator[Row]:
    """Ask from as many threads, all at the same moment, each in a conversation of its own."""
    one.ask(video, "What is there?", frames=8, max_tokens=64)
    begin = threading.Barrier(CONVERSATIONS)

    def converse(number: int) -> tuple[framelens.Turn, list[int], float]:
        begin.wait()
        started, places = time.perf_counter(), list[int]()
        for event in one.ask_events(video, f"Which cards are there, number {number}?", max_tokens=64):
            if isinstance(event, framelens.Queued):
                places.append(event.place)
            elif isinstance(event, framelens.AnswerDone):
                turn = event.conversation.last
        return turn, places, time.perf_counter() - started

    with ThreadPoolExecutor(CONVERSATIONS) as pool:
        running = [pool.submit(converse, number) for number in range(CONVERSATIONS)]
        failures = [error for each in running if (error := each.exception())]
        done = [each.result() for each in running if not each.exception()]
    incomplete = sum(turn.state != "complete" or not turn.answer for turn, _, _ in done)
    untold = sum(not places for _, places, _ in done)
    waited = [places for _, places, _ in done if any(places)]
    note = f"of {CONVERSATIONS}" + (f"; {failures[0]}" if failures else "")
    yield Row("many: conversations that failed", len(failures) + incomplete, "of all", 0, note)
    yield Row("many: conversations without a place in the queue", untold, "of all", 0,
              f"{len(waited)} waited, from place {max((max(places) for places in waited), default=0)} on")  # fmt: skip
    yield Row("many: last answer after", max((seconds for _, _, seconds in done), default=0.0), "s")
