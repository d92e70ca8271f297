"""Requests of a page wait for the answer to the previous one, and get the server's page and address."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from starlette.types import Message
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetStates

from app import page_requests
from app.page_requests import RequestsInTurn

CLICK = WidgetStates()
CLICK.widgets.add(id="button", trigger_value=True)
FINISHED = ForwardMsg(script_finished=ForwardMsg.FINISHED_SUCCESSFULLY)
EARLY = ForwardMsg(script_finished=ForwardMsg.FINISHED_EARLY_FOR_RERUN)


def click(page: str = "first", query: str = "", **others: object) -> ClientState:
    """A press of a button."""
    return ClientState(page_script_hash=page, query_string=query, widget_states=CLICK, **others)  # type: ignore[arg-type]


def poll(page: str = "first", query: str = "") -> ClientState:
    """A timer's request for a fragment."""
    return ClientState(page_script_hash=page, query_string=query, fragment_id="list", is_auto_rerun=True)


def link(page: str, query: str = "", **others: object) -> ClientState:
    """A wish for another page."""
    return ClientState(page_script_hash=page, query_string=query, **others)  # type: ignore[arg-type]


def begins(page: str) -> ForwardMsg:
    message = ForwardMsg()
    message.new_session.page_script_hash = page
    return message


def address(query: str) -> ForwardMsg:
    message = ForwardMsg()
    message.page_info_changed.query_string = query
    return message


async def settle() -> None:
    """Let the tasks of a line come to where they wait."""
    for _ in range(50):
        await asyncio.sleep(0)


class Line:
    """A page's connection: what the browser has sent, and what has reached Streamlit."""

    def __init__(self) -> None:
        self._sent = asyncio.Queue[Message]()
        self._reached = asyncio.Queue[Message]()
        self._send: Callable[[Message], Coroutine[None, None, None]]
        self._serving = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        async def streamlit(_: object, receive: object, send: object) -> None:
            self._send = send  # type: ignore[assignment]
            while True:
                self._reached.put_nowait(await receive())  # type: ignore[operator]

        async def ignore(_: Message) -> None: ...

        await RequestsInTurn(streamlit)({"type": "websocket"}, self._sent.get, ignore)

    async def ask(self, *requests: ClientState) -> None:
        for request in requests:
            content = BackMsg(rerun_script=request).SerializeToString()
            self._sent.put_nowait({"type": "websocket.receive", "bytes": content})
        await settle()

    async def answer(self, *messages: ForwardMsg) -> None:
        for message in messages:
            await self._send({"type": "websocket.send", "bytes": message.SerializeToString()})
        await settle()

    def close(self) -> None:
        self._serving.cancel()

    def reached(self) -> list[tuple[str, str, bool]]:
        """Page, address, and whether a button is pressed, of the requests that have reached Streamlit since."""
        found = []
        while not self._reached.empty():
            request = BackMsg.FromString(self._reached.get_nowait()["bytes"]).rerun_script
            is_click = bool(request.widget_states.widgets)
            found.append((request.page_script_hash, request.query_string, is_click))
        return found


def over_a_line(test: Callable[[Line], Coroutine[None, None, None]]) -> Callable[[], None]:
    def run() -> None:
        async def connected() -> None:
            line = Line()
            await line.ask(link("first"))
            await line.answer(begins("first"), FINISHED)
            line.reached()
            await test(line)
            line.close()

        asyncio.run(connected())

    return run


def test_click_waits_for_the_answer_to_the_previous() -> None:
    async def test(line: Line) -> None:
        await line.ask(click(), click())
        assert len(line.reached()) == 1
        await line.answer(begins("first"), EARLY, begins("first"))
        assert line.reached() == []
        await line.answer(FINISHED)
        assert len(line.reached()) == 1

    over_a_line(test)()


def test_button_does_nothing_while_its_action_runs() -> None:
    async def test(line: Line) -> None:
        await line.ask(click(), click(), click())
        for is_click in (True, False, False):
            assert [pressed for _, _, pressed in line.reached()] == [is_click]
            await line.answer(FINISHED)
        await line.ask(click())
        assert [pressed for _, _, pressed in line.reached()] == [True]

    over_a_line(test)()


def test_click_without_an_answer_delays_the_next_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_requests, "LONGEST_WAIT_SECONDS", 0.05)

    async def test(line: Line) -> None:
        await line.ask(click(), click())
        await asyncio.sleep(0.1)
        assert len(line.reached()) == 2

    over_a_line(test)()


def test_timers_ask_unless_a_click_is_answered() -> None:
    async def test(line: Line) -> None:
        await line.ask(poll(), poll())
        assert len(line.reached()) == 2
        await line.ask(click(), poll())
        assert len(line.reached()) == 1
        await line.answer(begins("first"), FINISHED)
        await line.ask(poll())
        assert len(line.reached()) == 1

    over_a_line(test)()


def test_click_waits_for_the_run_of_a_timer() -> None:
    async def test(line: Line) -> None:
        await line.answer(begins("first"))
        await line.ask(click())
        assert line.reached() == []
        await line.answer(ForwardMsg(script_finished=ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY))
        assert len(line.reached()) == 1

    over_a_line(test)()


@pytest.mark.parametrize("late", [click(), click(fragment_id="list"), click(fragment_id="list", is_auto_rerun=True)])
def test_late_request_gets_the_new_page_and_address(late: ClientState) -> None:
    async def test(line: Line) -> None:
        await line.ask(click())
        await line.answer(begins("first"), address("job=1"), EARLY, begins("second"), FINISHED)
        line.reached()
        await line.ask(poll(), late)
        assert line.reached() == [("second", "job=1", False)]

    over_a_line(test)()


def test_address_of_the_reader_is_kept() -> None:
    async def test(line: Line) -> None:
        await line.ask(click())
        await line.answer(begins("first"), address("job=1"), FINISHED)
        line.reached()
        for asked in (link("first", is_history_navigation=True), link("second", "?job=1"), link("first", "?job=2")):
            await line.ask(asked)
            await line.answer(begins(asked.page_script_hash), FINISHED)
            assert line.reached() == [(asked.page_script_hash, asked.query_string, False)]

    over_a_line(test)()


def test_page_that_connects_again_keeps_its_address() -> None:
    async def test() -> None:
        line = Line()
        await line.ask(poll("second", "job=1"))
        await line.answer(begins("second"), FINISHED)
        await line.ask(click("second", "job=1", fragment_id="list"))
        assert line.reached() == [("second", "job=1", False), ("second", "job=1", True)]
        line.close()

    asyncio.run(test())


def test_other_messages_pass_at_once() -> None:
    async def test(line: Line) -> None:
        await line.ask(click())
        line.reached()
        line._sent.put_nowait({"type": "websocket.receive", "bytes": BackMsg(stop_script=True).SerializeToString()})
        line._sent.put_nowait({"type": "websocket.disconnect"})
        await settle()
        assert line._reached.qsize() == 2

    over_a_line(test)()
