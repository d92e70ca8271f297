"""Patches of Streamlit for what goes wrong in it and no setting changes, most of it when many people use one server.

A class is replaced by a subclass, and a method is wrapped.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl, urlencode
from weakref import WeakKeyDictionary

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime import state as runtime_state
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import script_runner
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.runtime.scriptrunner_utils import script_requests
from streamlit.runtime.scriptrunner_utils.exceptions import StopException
from streamlit.runtime.scriptrunner_utils.script_requests import (
    RerunData,
    ScriptRequest,
    ScriptRequests,
    ScriptRequestType,
    _coalesce_widget_states,
    _has_active_trigger_value,
)
from streamlit.runtime.state import SessionState
from streamlit.runtime.state.safe_session_state import SafeSessionState

_FINISH_SECONDS = 0.05
"""From a request for a fragment, while the last messages of a run are on their way, to the next try."""
_MOST_ADDRESSES = 32
"""Replaced addresses of a session that are remembered."""
Address = tuple[tuple[str, str], ...]
"""Names and values of a query string, sorted."""


def apply() -> None:
    """Apply all patches; called once, before Streamlit runs a script."""
    script_requests._coalesce_widget_states = _coalesced  # type: ignore[assignment]
    _stay_on_the_page()
    _draw_the_page_to_its_end()
    _pass_clicks_on()
    _finish_callbacks()
    _change_the_state_in_turn()
    _keep_messages()


def _coalesced(old: WidgetStates | None, new: WidgetStates | None) -> WidgetStates | None:
    """Merge the widgets of two requests, with all undelivered messages of each component.

    All messages of a component are the value of one widget, and Streamlit keeps the newer request's value alone: a
    press would be lost if the component reports its position before the press is handled. Of two messages with the
    same name the newer message stays.
    """
    states = _coalesce_widget_states(old, new)
    if not (old and new and states):
        return states
    earlier = {one.id: one.json_trigger_value for one in old.widgets if one.json_trigger_value}
    merged = WidgetStates()
    merged.CopyFrom(states)
    for one in merged.widgets:
        if one.json_trigger_value and one.id in earlier:
            later = _messages(one.json_trigger_value)
            names = {message.get("event") for message in later}
            kept = [message for message in _messages(earlier[one.id]) if message.get("event") not in names]
            one.json_trigger_value = json.dumps(kept + later)
    return merged


def _messages(value: str) -> list[dict[str, Any]]:
    """Return the messages in the value of a component's widget."""
    found = json.loads(value)
    return [message for message in (found if isinstance(found, list) else [found]) if isinstance(message, dict)]


class _Addresses:
    """Addresses of a session that the server has replaced.

    The browser learns of a new address with some delay. A request it sends meanwhile, such as a second click, has the
    replaced address, which would be taken for a wish to return there. Such a wish is marked as a history navigation.
    """

    def __init__(self) -> None:
        self._requested: Address = ()
        self._replaced: deque[Address] = deque(maxlen=_MOST_ADDRESSES)

    def current(self, asked: str, here: str, *, is_final: bool) -> str:
        """Return the query string for a run.

        Args:
            asked: Query string of the request.
            here: Query string of the server.
            is_final: Whether the request's query string is right in any case.
        """
        server = _address(here)
        if server != self._requested:
            self._replaced.append(self._requested)
        query = here if not is_final and _address(asked) in self._replaced else asked
        self._requested = _address(query)
        return query


def _address(query: str) -> Address:
    return tuple(sorted(parse_qsl(query, keep_blank_values=True)))


def _stay_on_the_page() -> None:
    """Keep runs from being made for a page or an address that the session has left.

    A fragment that polls may ask to be run again while the server switches pages. Streamlit would announce its run as a
    run of the previous page, whereupon the browser empties the page, and nothing draws it again. A request also has the
    browser's address, which the server may have changed meanwhile: then the previous analysis would be opened again.
    """
    run = ScriptRunner._run_script
    addresses: WeakKeyDictionary[PagesManager, _Addresses] = WeakKeyDictionary()  # by the pages of each session

    @wraps(run)
    def run_script(self: ScriptRunner, rerun_data: RerunData) -> None:
        page = self._pages_manager.current_page_script_hash
        if rerun_data.fragment_id_queue and page and rerun_data.page_script_hash != page:
            if rerun_data.is_auto_rerun and not _has_click(rerun_data):
                return
            rerun_data = replace(rerun_data, page_script_hash=page, page_name="")  # a click counts all the same
        with self._session_state.query_params() as params:
            query = urlencode(params._query_params, doseq=True)
        if not rerun_data.fragment_id_queue:
            is_final = rerun_data.is_history_navigation or rerun_data.page_script_hash not in ("", page)
            known = addresses.setdefault(self._pages_manager, _Addresses())
            query = known.current(rerun_data.query_string, query, is_final=is_final)
        run(self, replace(rerun_data, query_string=query))

    ScriptRunner._run_script = run_script  # type: ignore[method-assign]


class _Requests(ScriptRequests):
    """Requests for runs of a script, which keep the clicks of requests whose callbacks have not begun."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()  # type: ignore[assignment]
        self._undelivered: WidgetStates | None = None

    def on_scriptrunner_ready(self) -> ScriptRequest:
        with self._lock:
            return self._taken(super().on_scriptrunner_ready())

    def on_scriptrunner_yield(self) -> ScriptRequest | None:
        with self._lock:
            request = super().on_scriptrunner_yield()
            return request and self._taken(request)

    def _taken(self, request: ScriptRequest) -> ScriptRequest:
        if request.type is not ScriptRequestType.RERUN:
            return request
        self._undelivered = _coalesced(self._undelivered, request.rerun_data.widget_states)
        return replace(request, _rerun_data=replace(request.rerun_data, widget_states=self._undelivered))

    def deliver(self) -> None:
        """Take note that callbacks begin.

        Raises:
            StopException: The runner has been stopped, and its successor calls them.
        """
        with self._lock:
            if self.is_stopped:
                raise StopException
            self._undelivered = None

    @property
    def is_stopped(self) -> bool:
        """Whether the runner ends, at the latest where it looks for requests next."""
        return self._state is ScriptRequestType.STOP

    def stop_and_take(self) -> WidgetStates | None:
        """Stop the runner; return the widgets of the requests whose callbacks have not begun, or None."""
        with self._lock:
            waiting = self._rerun_data.widget_states if self._state is ScriptRequestType.RERUN else None
            undelivered, self._undelivered = _coalesced(self._undelivered, waiting), None
            self.request_stop()
            return undelivered


def _draw_the_page_to_its_end() -> None:
    """Let a request for a fragment wait until all messages of the previous run have been handled.

    A run that has ended may have many messages left, if the server has much to do. Streamlit would make a new runner
    for the fragment and ignore the old runner's messages: only the beginning of the page would be shown, without the
    timers of its fragments.
    """
    request = AppSession.request_rerun

    @wraps(request)
    def request_rerun(self: AppSession, client_state: ClientState | None) -> None:
        runner = self._scriptrunner
        is_ending = runner is not None and runner._requests._state is ScriptRequestType.STOP
        if is_ending and client_state is not None and client_state.fragment_id:
            self._event_loop.call_later(_FINISH_SECONDS, self.request_rerun, client_state)
        else:
            request(self, client_state)

    AppSession.request_rerun = request_rerun  # type: ignore[method-assign]


def _pass_clicks_on() -> None:
    """Let a run that replaces another have the clicks whose callbacks have not begun.

    A request for the whole page stops the previous request's runner. If that runner has not begun, since the server is
    busy, Streamlit would drop its request: the click would be lost.
    """
    request = AppSession.request_rerun

    @wraps(request)
    def request_rerun(self: AppSession, client_state: ClientState | None) -> None:
        requests = _requests_of(self._scriptrunner)
        if requests is not None and client_state is not None and not client_state.fragment_id:
            states = _coalesced(requests.stop_and_take(), client_state.widget_states)
            if states is not None:
                client_state.widget_states.CopyFrom(states)
        request(self, client_state)

    script_runner.ScriptRequests = _Requests  # type: ignore[attr-defined]
    AppSession.request_rerun = request_rerun  # type: ignore[method-assign]


def _finish_callbacks() -> None:
    """Let callbacks run to their end before the next request is handled.

    Streamlit looks for requests whenever the session's state is read, and ends the run if a request waits. A callback
    would end in its middle, and a click, or a report that had arrived, would be lost.
    """
    calling = threading.local()  # callbacks run in the thread of their script
    handle, call = ScriptRunner._maybe_handle_execution_control_request, SafeSessionState.on_script_will_rerun

    @wraps(handle)
    def handle_later(self: ScriptRunner) -> None:
        if not getattr(calling, "is_calling", False):
            handle(self)

    @wraps(call)
    def call_all(self: SafeSessionState, *args: Any, **options: Any) -> None:
        with self._lock:
            self._yield_callback()
            if (requests := _requests_of(_runner_of(self))) is not None:
                requests.deliver()
            calling.is_calling = True
            try:
                call(self, *args, **options)
            finally:
                calling.is_calling = False

    ScriptRunner._maybe_handle_execution_control_request = handle_later  # type: ignore[method-assign]
    SafeSessionState.on_script_will_rerun = call_all  # type: ignore[method-assign]


class _State(SessionState):
    """State of a session with one lock for all its runs."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.RLock()


def _change_the_state_in_turn() -> None:
    """Keep two runs of a session from changing its state at once, and a stopped run from clearing the state.

    A request that comes when a script has just ended stops its runner, and a new runner begins at once. Each runner has
    its own lock: Streamlit would let the old runner reset buttons and remove widgets meanwhile. The request's click
    would be lost, or either runner would end with an error, because both change the same dictionary.
    """
    make, clear = SafeSessionState.__init__, SafeSessionState.on_script_finished

    @wraps(make)
    def make_with_lock(self: SafeSessionState, state: SessionState, yield_callback: Callable[[], None]) -> None:
        make(self, state, yield_callback)
        if isinstance(state, _State):
            object.__setattr__(self, "_lock", state.lock)

    @wraps(clear)
    def clear_unless_stopped(self: SafeSessionState, *args: Any, **options: Any) -> None:
        with self._lock:
            requests = _requests_of(_runner_of(self))
            if requests is None or not requests.is_stopped:
                clear(self, *args, **options)

    runtime_state.SessionState = _State  # type: ignore[assignment, misc]
    SafeSessionState.__init__ = make_with_lock  # type: ignore[method-assign]
    SafeSessionState.on_script_finished = clear_unless_stopped  # type: ignore[method-assign]


def _runner_of(state: SafeSessionState) -> ScriptRunner | None:
    """Return the runner that the state was given to, or None if the state wasn't given to a runner."""
    runner = getattr(state._yield_callback, "__self__", None)
    return runner if isinstance(runner, ScriptRunner) else None


def _requests_of(runner: ScriptRunner | None) -> _Requests | None:
    """Return the requests of a runner, or None without a runner or if it was made before the patches."""
    requests = runner and runner._requests
    return requests if isinstance(requests, _Requests) else None


def _keep_messages() -> None:
    """Send the parts of a fragment that its next run would drop.

    A session's messages are sent together. Where a fragment is run twice before that, Streamlit would drop its first
    containers and keep some of their contents: the parts that the browser has in its cache, and the fragments inside.
    The browser has no place for these, and its script ends with an error.
    """
    clear = ForwardMsgQueue.clear

    @wraps(clear)
    def keep(
        self: ForwardMsgQueue, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: list[str] | None = None
    ) -> None:
        if retain_lifecycle_msgs and fragment_ids_this_run:
            self._delta_index_map = {}  # else the second run would be merged into the first
        else:
            clear(self, retain_lifecycle_msgs, fragment_ids_this_run)

    ForwardMsgQueue.clear = keep  # type: ignore[method-assign]


def _has_click(rerun_data: RerunData) -> bool:
    """Return whether a request has a click or a message: Streamlit merges it with a later request of a timer."""
    states = rerun_data.widget_states
    return states is not None and any(map(_has_active_trigger_value, states.widgets))
