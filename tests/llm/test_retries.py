"""The rule for requests that are sent again."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from framelens.core.errors import AppError, ContextExceeded, EngineBrokeOff, EngineBusy, EngineError
from framelens.llm import retries
from framelens.llm.chat import connect
from framelens.llm.retries import Retries, repeated
from framelens.llm.stream import ask
from framelens.llm.text_fallback import prove_sight
from tests.llm.scripted import Refuse, serve

BUSY, BROKEN = EngineBusy("engine_busy"), EngineBrokeOff("engine_broke_off")


def pauses(error: AppError, **known: bool) -> list[float | None]:
    rule = Retries()
    found = [rule.pause_after(error, **known)]
    while found[-1] is not None:
        found.append(rule.pause_after(error, **known))
    return found


@pytest.mark.parametrize(
    ("error", "known", "wanted"),
    [
        (BUSY, {}, [2.0, 4.0, 8.0, 16.0, 32.0, None]),
        (EngineBusy("engine_busy", wait_seconds=7.5), {}, [7.5] * 5 + [None]),
        (EngineBusy("engine_busy", wait_seconds=0.0), {}, [2.0, 4.0, 8.0, 16.0, 32.0, None]),
        (EngineBusy("engine_busy", wait_seconds=3600.0), {}, [None]),
        (BROKEN, {"runs": True}, [1.0, 3.0, None]),
        (BROKEN, {"was_lost": True}, [2.0, 4.0, 8.0, 16.0, 32.0, None]),
        (BROKEN, {}, [None]),
        (EngineError("engine_refused"), {"runs": True}, [None]),
        (EngineError("remote_certificate"), {"was_lost": True}, [None]),
        (ContextExceeded("context_exceeded"), {"runs": True}, [None]),
    ],
)
def test_busy_and_broken_requests_are_repeated(
    error: AppError, known: dict[str, bool], wanted: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 2.0)
    monkeypatch.setattr(retries, "_FIRST_PAUSE_SECONDS", 1.0)
    assert pauses(error, **known) == wanted


def test_repeated_request_raises_its_last_error() -> None:
    errors = [BUSY, BUSY, EngineError("engine_refused")]

    async def send() -> None:
        raise errors.pop(0)

    with pytest.raises(EngineError, match="engine_refused"):
        asyncio.run(repeated(send))
    assert not errors


@pytest.mark.parametrize("status", [429, 503, 529])
def test_vision_probe_waits_for_a_busy_engine(status: int) -> None:
    refusals = [Refuse(status, "slow down"), Refuse(status, "try again in 0.01s")]

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if refusals:
            raise refusals.pop()
        yield "x"

    with serve(behave) as server:
        assert prove_sight(connect(server.base_url, api_key="", model="model")).sees is True
    assert len(server.requests) == 4


@pytest.mark.slow
def test_request_to_a_lasting_busy_engine_fails() -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        raise Refuse(429, "slow down")
        yield ""

    with serve(behave) as server, pytest.raises(EngineBusy):
        ask(connect(server.base_url, api_key="", model="model"), [HumanMessage("What?")])
    assert len(server.requests) == 6
