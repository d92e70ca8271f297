"""Which engine answers, and how another one takes its place while the program goes on.

Jobs are let in by `admitted`, inside which the engine stays the same. A switch lets nobody in, waits until all are out,
ends the old engine so that its memory is free, and starts the new one. Where that does not come to be, the old one
takes its place again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, Literal, Protocol, TypeVar

from app.analysis.task import Control
from app.core.errors import AppError, Cancelled, Paused
from app.engine import Engine

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
SwitchState = Literal["waiting", "ending", "starting", "done", "failed", "cancelled"]


class Bench(Protocol):
    """An engine with everything that was made for it."""

    @property
    def engine(self) -> Engine: ...

    def close(self) -> None:
        """End the engine and all beside it; it may be used again."""


B = TypeVar("B", bound=Bench)


@dataclass(frozen=True)
class Switch:
    """How a switch stands. `error` is why the new engine could not be had."""

    before: str
    after: str
    state: SwitchState
    error: AppError | None = None

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


class EngineRoom(Generic[B]):
    """`bench` is what is used at first. All methods may be called from any thread."""

    def __init__(self, bench: B) -> None:
        self._bench = bench
        self._changed = threading.Condition()
        self._inside = 0
        self._switch: Switch | None = None
        self._cancel = threading.Event()
        self._is_closing = threading.Event()
        self._is_held = False
        self._thread: threading.Thread | None = None

    @property
    def bench(self) -> B:
        """What is used now; while a switch starts an engine, that one."""
        return self._bench

    @property
    def switch(self) -> Switch | None:
        """The switch that is under way, or the last one."""
        return self._switch

    @contextmanager
    def admitted(self, control: Control) -> Iterator[None]:
        """Inside this, the engine does not change. Waits for a switch to end; raises Cancelled or Paused meanwhile."""
        with self._changed:
            while self._is_switching():
                if control.cancel.is_set():
                    raise Cancelled
                if control.pause.is_set():
                    raise Paused
                self._changed.wait(_POLL_SECONDS)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, cancel: threading.Event, *, ends_engine: Callable[[], bool]) -> Iterator[None]:
        """Inside this no job runs, and none is let in. Waits until all are out, then ends the engine where
        `ends_engine()` says so; one that ran is started again afterwards. Raises Cancelled, or
        AppError("switch_under_way").
        """
        with self._changed:
            if self._is_switching():
                raise AppError("switch_under_way")
            self._is_held = True
        comes_back = False
        try:
            self._wait_until_all_are_out(cancel)
            if ends_engine():
                comes_back = self._bench.engine.status().state in ("ready", "starting")
                self._bench.close()
            yield
        finally:
            with self._changed:
                self._is_held = False
                self._changed.notify_all()
            if comes_back and not self._is_closing.is_set():
                args = (self._bench,)
                self._thread = threading.Thread(target=self._start_again, args=args, name="engine-back", daemon=True)
                self._thread.start()

    def begin(self, bench: B, *, on_end: Callable[[Switch], None] = lambda _: None, starts: bool = True) -> None:
        """Switch to this bench, in a thread of its own; how it goes is told by `switch`. `on_end` is called when it
        is over, before a job is let in. Unless `starts`, its engine is left to start with the first job. Raises the
        AppError of an engine that cannot even be tried, or AppError("switch_under_way"), or "trial_under_way"; all
        stays as it is then.
        """
        if error := bench.engine.status().error:
            raise error
        with self._changed:
            if self._is_held:
                raise AppError("trial_under_way")
            if self._is_switching():
                raise AppError("switch_under_way")
            names = (self._bench.engine.status().model, bench.engine.status().model)
            self._switch = Switch(*names, "waiting")
            self._cancel.clear()
            self._thread = threading.Thread(
                target=self._go_through, args=(bench, on_end, starts), name="switch", daemon=True
            )
        self._thread.start()

    def cancel(self) -> None:
        """Give the switch up that is under way: the old engine stays, or comes back."""
        self._cancel.set()

    def close(self) -> None:
        """Give up a switch, and end the engine."""
        self._is_closing.set()
        self._cancel.set()
        if self._thread:
            self._thread.join()
        self._bench.close()

    def _is_switching(self) -> bool:
        return self._is_held or (self._switch is not None and not self._switch.is_over)

    def _over(self, state: SwitchState, on_end: Callable[[Switch], None], error: AppError | None = None) -> None:
        assert self._switch
        try:
            on_end(replace(self._switch, state=state, error=error))
        except Exception:
            log.exception("what follows on a switch failed")
        self._tell(state, error)

    def _tell(self, state: SwitchState, error: AppError | None = None) -> None:
        with self._changed:
            if self._switch:
                self._switch = replace(self._switch, state=state, error=error)
            self._changed.notify_all()

    def _go_through(self, bench: B, on_end: Callable[[Switch], None], starts: bool) -> None:
        old = self._bench
        was_ready = old.engine.status().state in ("ready", "starting")
        try:
            self._wait_until_all_are_out(self._cancel)
            self._tell("ending")
            old.close()
            self._bench = bench
            self._tell("starting")
            if starts:
                bench.engine.ensure_ready(lambda _: None, self._cancel)
        except Exception as error:
            ours = error if isinstance(error, AppError) else AppError("internal", kind=type(error).__name__, log="")
            log.warning("the switch did not come to be", exc_info=True)
            if self._bench is bench:
                bench.close()
            self._bench = old
            self._over("cancelled" if isinstance(error, Cancelled) else "failed", on_end, ours)
            if was_ready and not self._is_closing.is_set():
                self._start_again(old)
            return
        self._over("done", on_end)

    def _wait_until_all_are_out(self, cancel: threading.Event) -> None:
        with self._changed:
            while self._inside:
                if cancel.is_set():
                    raise Cancelled
                self._changed.wait(_POLL_SECONDS)

    def _start_again(self, bench: B) -> None:
        """The engine that worked, so that nobody has to wait for it at the next question."""
        try:
            bench.engine.ensure_ready(lambda _: None, self._is_closing)
        except AppError:
            log.warning("the engine of before could not be started again", exc_info=True)
