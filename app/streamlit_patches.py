"""Patches of Streamlit for what goes wrong in it and no setting changes, most of it when many people use one server.

A class is replaced by a subclass, and a method is wrapped.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl, urlencode
from weakref import WeakKeyDictionary

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequestType, _has_active_trigger_value
from streamlit.runtime.state.safe_session_state import SafeSessionState

_FINISH_SECONDS = 0.05
"""From a request for a fragment, while the last messages of a run are on their way, to the next try."""
_MOST_ADDRESSES = 32
"""Replaced addresses of a session that are remembered."""
Address = tuple[tuple[str, str], ...]
"""Names and values of a query string, sorted."""


def apply() -> None:
    """Apply all patches; called once, before Streamlit runs a script."""
    _stay_on_the_page()
    _draw_the_page_to_its_end()
    _finish_callbacks()
    _leave_the_state_to_the_next_run()
    _keep_messages()


class _Addresses:
    """Addresses of a session that the server has replaced.

    The browser learns of a new address with some delay; what it asks for meanwhile, such as a second click, has the one
    before, which would be taken for a wish to return there. Such a wish is marked as a navigation in its history.
    """

    def __init__(self) -> None:
        self._requested: Address = ()
        self._replaced: deque[Address] = deque(maxlen=_MOST_ADDRESSES)

    def current(self, asked: str, here: str, *, is_final: bool) -> str:
        """Return the query string for a run.

        Args:
            asked: That of the request.
            here: That of the server.
            is_final: Whether the request is right in any case.
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

    A fragment that polls may ask to be run again while the server switches pages. Streamlit would announce its run as
    one of the page before, whereupon the browser empties the page, and nothing draws it again. A request also has the
    browser's address, which the server may have changed meanwhile: then the analysis before would be opened again.
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


def _draw_the_page_to_its_end() -> None:
    """Let a request for a fragment wait until all messages of the run before have been handled.

    A run that has ended may have many messages left, if the server has much to do. Streamlit would make a new runner
    for the fragment and ignore what the old one has sent: of the page, only its beginning would be shown, without the
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


def _finish_callbacks() -> None:
    """Let callbacks run to their end before the next request is handled.

    Streamlit looks for requests whenever the session's state is read, and ends the run if there is one. A callback
    would end in its middle, and what was pressed, or a report that had arrived, would be lost.
    """
    calling = threading.local()  # callbacks run in the thread of their script
    handle, call = ScriptRunner._maybe_handle_execution_control_request, SafeSessionState.on_script_will_rerun

    @wraps(handle)
    def handle_later(self: ScriptRunner) -> None:
        if not getattr(calling, "is_calling", False):
            handle(self)

    @wraps(call)
    def call_all(self: SafeSessionState, *args: Any, **options: Any) -> None:
        self._yield_callback()
        calling.is_calling = True
        try:
            call(self, *args, **options)
        finally:
            calling.is_calling = False

    ScriptRunner._maybe_handle_execution_control_request = handle_later  # type: ignore[method-assign]
    SafeSessionState.on_script_will_rerun = call_all  # type: ignore[method-assign]


def _leave_the_state_to_the_next_run() -> None:
    """Keep a run that has been replaced from clearing the session's state, which belongs to its successor.

    A request that comes when a script has just ended stops its runner, and a new one begins at once. Streamlit would
    let the old one reset buttons and remove widgets meanwhile: the click of the request would be lost, or one of the
    two would end with an error, because both change the same dictionary.
    """
    stop, finish = ScriptRunner.request_stop, ScriptRunner._on_script_finished
    locks: WeakKeyDictionary[ScriptRunner, threading.Lock] = WeakKeyDictionary()

    @wraps(stop)
    def stop_before_or_after(self: ScriptRunner) -> None:
        with locks.setdefault(self, threading.Lock()):
            stop(self)

    @wraps(finish)
    def finish_unless_replaced(
        self: ScriptRunner, ctx: Any, event: Any, premature_stop: bool, run_descriptor: Any
    ) -> None:
        with locks.setdefault(self, threading.Lock()):
            is_replaced = self._requests._state is ScriptRequestType.STOP
            finish(self, ctx, event, premature_stop or is_replaced, run_descriptor)

    ScriptRunner.request_stop = stop_before_or_after  # type: ignore[method-assign]
    ScriptRunner._on_script_finished = finish_unless_replaced  # type: ignore[method-assign]


def _keep_messages() -> None:
    """Send the parts of a fragment that its next run would drop.

    A session's messages are sent together. Where a fragment is run twice before that, Streamlit would drop its first
    containers and keep some of what is inside: the parts that the browser has in its cache, and the fragments inside.
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
