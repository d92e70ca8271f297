"""The queue of stills: who waits holds no thread, and a file that is open is served in a row."""

import asyncio
from pathlib import Path

import pytest

from framelens.api import media
from framelens.api.media import StillsQueue


def served(keys: str, *, leaving: int | None = None) -> str:
    """Let requests come in this order while the first is served; return the order in which they got their turns."""
    order: list[str] = []

    async def run() -> None:
        queue, open_gate = StillsQueue(), asyncio.Event()

        async def request(key: str) -> None:
            async with queue.turn(Path(key)):
                order.append(key)
                await open_gate.wait()

        tasks = [asyncio.create_task(request(key)) for key in keys]
        await asyncio.sleep(0)
        if leaving is not None:
            tasks[leaving].cancel()
            await asyncio.sleep(0)
        open_gate.set()
        await asyncio.wait(tasks)
        async with asyncio.timeout(1), queue.turn(Path("z")):  # it is free again
            pass

    asyncio.run(run())
    return "".join(order)


def test_the_open_file_goes_first_but_not_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    assert served("abababc") == "aaabbbc"  # the file that is open goes first
    # Nobody waits for one file forever.
    monkeypatch.setattr(media, "_MOST_IN_A_ROW", 2)
    assert served("aaaaabb") == "aabbaaa"


@pytest.mark.parametrize(("leaving", "order"), [(1, "aac"), (0, "aabc")])
def test_a_request_that_is_gone_takes_no_turn(leaving: int, order: str) -> None:
    assert served("abac", leaving=leaving) == order


@pytest.mark.parametrize("is_late", [True, False])
def test_a_request_that_goes_as_its_turn_comes_passes_it_on(is_late: bool) -> None:
    async def run() -> list[str]:
        queue, order = StillsQueue(), list[str]()

        async def request(key: str) -> None:
            async with queue.turn(Path(key)):
                order.append(key)

        async with queue.turn(Path("a")):
            gone, other = asyncio.create_task(request("b")), asyncio.create_task(request("c"))
            await asyncio.sleep(0)
            if not is_late:
                gone.cancel()
        if is_late:
            gone.cancel()
        await asyncio.wait([gone, other])
        return order

    assert asyncio.run(run()) == ["c"]
