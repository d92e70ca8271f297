"""What Streamlit sends and calls: no part of a fragment is lost, and no callback ends in its middle."""

from __future__ import annotations

import json
import threading
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime import state as runtime_state
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.scriptrunner import script_runner
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.runtime.scriptrunner_utils import script_requests
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException, StopException
from streamlit.runtime.scriptrunner_utils.script_requests import (
    RerunData,
    ScriptRequest,
    ScriptRequests,
    ScriptRequestType,
)
from streamlit.runtime.state import SafeSessionState, SessionState

from app import streamlit_patches


def drawn_messages(name: str) -> list[ForwardMsg]:
    """A fragment's container, a heading, a picture that the browser has in its cache, and the end of its run."""
    container, heading, cached, end = ForwardMsg(), ForwardMsg(), ForwardMsg(), ForwardMsg()
    container.metadata.delta_path[:] = [0, 3]
    container.delta.add_block.SetInParent()
    heading.metadata.delta_path[:] = [0, 3, 0]
    heading.delta.new_element.markdown.body = name
    container.delta.fragment_id = heading.delta.fragment_id = "fragment"
    cached.metadata.delta_path[:] = [0, 3, 1]
    cached.ref_hash = "picture"
    end.script_finished = ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY
    return [container, heading, cached, end]


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """All patches until the end of a test."""
    for owner, names in {
        AppSession: ("request_rerun",),
        ForwardMsgQueue: ("clear",),
        SafeSessionState: ("__init__", "on_script_finished", "on_script_will_rerun"),
        ScriptRunner: ("_run_script", "_maybe_handle_execution_control_request"),
        script_requests: ("_coalesce_widget_states",),
        script_runner: ("ScriptRequests",),
        runtime_state: ("SessionState",),
    }.items():
        for name in names:
            monkeypatch.setattr(owner, name, getattr(owner, name))
    streamlit_patches.apply()


def make_runner(state: SessionState, data: RerunData | None = None) -> ScriptRunner:
    """A runner that has not been started."""
    return ScriptRunner("", "", state, None, None, data or RerunData(), *[None] * 4)  # type: ignore[arg-type]


def with_click(*names: str) -> WidgetStates:
    """The widgets of a request with a click on each of these buttons."""
    states = WidgetStates()
    for name in names:
        states.widgets.add(id=name, trigger_value=True)
    return states


def clicked(runner: ScriptRunner) -> list[str]:
    """The buttons of the request that a runner takes up."""
    return [one.id for one in runner._requests.on_scriptrunner_ready().rerun_data.widget_states.widgets]


@pytest.mark.usefixtures("patched")
def test_all_of_a_fragment_is_sent() -> None:
    messages = [*drawn_messages("first"), *drawn_messages("second")]
    queue = ForwardMsgQueue()
    for index, message in enumerate(messages):
        if index % 4 == 0:
            queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["fragment"])
        queue.enqueue(message)
    assert queue.flush() == messages


@pytest.mark.usefixtures("patched")
def test_callbacks_run_to_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived, done = list[ScriptRequest](), list[bool]()
    runner = make_runner(SessionState())
    runner._execing, runner._script_thread = True, threading.current_thread()
    monkeypatch.setattr(runner._requests, "on_scriptrunner_yield", lambda: next(iter(arrived), None))
    state = runner._session_state

    def call(*_: object, **__: object) -> None:
        arrived.append(ScriptRequest(ScriptRequestType.RERUN, RerunData()))
        done.append("of_the_page" in state)

    monkeypatch.setattr(SessionState, "on_script_will_rerun", call)
    state.on_script_will_rerun(None)
    assert done == [False]
    with pytest.raises(RerunException):
        state.on_script_will_rerun(None)  # not begun, since another request waits
    assert done == [False]


@pytest.mark.slow
@pytest.mark.usefixtures("patched")
def test_replaced_run_leaves_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    state = runtime_state.SessionState()
    first, second = make_runner(state), make_runner(state)
    is_clearing, may_go_on, order = threading.Event(), threading.Event(), list[str]()

    def clear(*_: object, **__: object) -> None:
        is_clearing.set()
        assert may_go_on.wait(60)
        order.append("cleared")

    monkeypatch.setattr(SessionState, "on_script_finished", clear)
    monkeypatch.setattr(SessionState, "on_script_will_rerun", lambda *_, **__: order.append("clicked"))
    finish = partial(first._on_script_finished, MagicMock(), None, False, None)  # type: ignore[arg-type]
    ends = threading.Thread(target=finish)
    begins = threading.Thread(target=second._session_state.on_script_will_rerun, args=[None])
    ends.start()
    assert is_clearing.wait(60)
    first.request_stop()
    begins.start()
    begins.join(0.1)
    may_go_on.set()
    ends.join()
    begins.join()
    assert order == ["cleared", "clicked"]
    finish()
    assert order == ["cleared", "clicked"]  # stopped: the second has the state


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize("is_taken_up", [False, True])
def test_click_of_a_run_that_never_began_is_passed_on(*, is_taken_up: bool) -> None:
    state, made = runtime_state.SessionState(), list[RerunData]()
    first = make_runner(state, RerunData(widget_states=with_click("a")))
    session: Any = SimpleNamespace(
        _state=AppSessionState.APP_NOT_RUNNING,
        _client_state=ClientState(),
        _scriptrunner=first,
        _create_scriptrunner=made.append,
    )
    if is_taken_up:
        assert clicked(first) == ["a"]
    AppSession.request_rerun(session, ClientState(widget_states=with_click("b")))
    second = make_runner(state, made[0])
    assert sorted(clicked(second)) == ["a", "b"]
    with pytest.raises(StopException):
        first._session_state.on_script_will_rerun(with_click("a"))
    second._session_state.on_script_will_rerun(with_click("a", "b"))
    session._scriptrunner = second
    AppSession.request_rerun(session, ClientState(widget_states=with_click("c")))
    assert clicked(make_runner(state, made[1])) == ["c"]  # the others were called


def with_messages(*messages: tuple[str, object]) -> RerunData:
    """A request with messages of a component."""
    states = WidgetStates()
    value = json.dumps([{"event": name, "value": value} for name, value in messages])
    states.widgets.add(id="player", json_trigger_value=value)
    return RerunData(widget_states=states)


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize("requests_type", ["Streamlit's", "patched"])
def test_messages_of_one_component_are_all_delivered(requests_type: str) -> None:
    requests = ScriptRequests() if requests_type == "Streamlit's" else script_runner.ScriptRequests()  # type: ignore[attr-defined]
    for request in (with_messages(("act", 1), ("seek", 2)), with_messages(("seek", 3)), with_messages(("range", 4))):
        requests.request_rerun(request)
    (widget,) = requests.on_scriptrunner_ready().rerun_data.widget_states.widgets
    assert [(one["event"], one["value"]) for one in json.loads(widget.json_trigger_value)] == [
        ("act", 1),
        ("seek", 3),
        ("range", 4),
    ]
