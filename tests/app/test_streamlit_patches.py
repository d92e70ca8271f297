"""What Streamlit sends and calls: no part of a fragment is lost, and no callback ends in its middle."""

from __future__ import annotations

import threading
from functools import partial
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequest, ScriptRequestType
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


def test_all_of_a_fragment_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForwardMsgQueue, "clear", ForwardMsgQueue.clear)
    streamlit_patches._keep_messages()
    messages = [*drawn_messages("first"), *drawn_messages("second")]
    queue = ForwardMsgQueue()
    for index, message in enumerate(messages):
        if index % 4 == 0:
            queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["fragment"])
        queue.enqueue(message)
    assert queue.flush() == messages


def test_callbacks_run_to_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in (
        (ScriptRunner, "_maybe_handle_execution_control_request"),
        (SafeSessionState, "on_script_will_rerun"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    streamlit_patches._finish_callbacks()
    arrived, done = list[ScriptRequest](), list[bool]()
    runner = ScriptRunner.__new__(ScriptRunner)
    runner._execing, runner._script_thread = True, threading.current_thread()
    monkeypatch.setattr(
        runner, "_requests", SimpleNamespace(on_scriptrunner_yield=lambda: next(iter(arrived), None)), raising=False
    )
    state = SafeSessionState(SessionState(), runner._maybe_handle_execution_control_request)

    def call(*_: object, **__: object) -> None:
        arrived.append(ScriptRequest(ScriptRequestType.RERUN, RerunData()))
        done.append("of_the_page" in state)

    monkeypatch.setattr(SessionState, "on_script_will_rerun", call)
    state.on_script_will_rerun(None)
    assert done == [False]
    with pytest.raises(RerunException):
        state.on_script_will_rerun(None)  # not begun, since another request waits
    assert done == [False]


def test_replaced_run_leaves_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("request_stop", "_on_script_finished"):
        monkeypatch.setattr(ScriptRunner, name, getattr(ScriptRunner, name))
    streamlit_patches._leave_the_state_to_the_next_run()
    runner = ScriptRunner("", "", SessionState(), None, None, RerunData(), *[None] * 4)  # type: ignore[arg-type]
    is_clearing, may_go_on, cleared = threading.Event(), threading.Event(), list[bool]()

    def clear(*_: object, **__: object) -> None:
        is_clearing.set()
        assert may_go_on.wait(60)
        cleared.append(runner._requests._state is ScriptRequestType.STOP)

    monkeypatch.setattr(SessionState, "on_script_finished", clear)
    finish = partial(runner._on_script_finished, MagicMock(), None, False, None)  # type: ignore[arg-type]
    ends, stops = threading.Thread(target=finish), threading.Thread(target=runner.request_stop)
    ends.start()
    assert is_clearing.wait(60)
    stops.start()
    stops.join(0.1)
    may_go_on.set()
    ends.join()
    stops.join()
    assert cleared == [False]  # the request waited
    finish()
    assert cleared == [False]  # stopped: a new run has the state
