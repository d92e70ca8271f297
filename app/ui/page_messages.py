"""Which messages of Streamlit's protocol a browser may send: those that the page uses.

The protocol has more: it names the installation's repository and branch, empties the caches of all sessions, and writes
files beside the app.
"""

from __future__ import annotations

from streamlit import runtime
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState

from app.core import Role
from app.services import COOKIE

DRAW = BackMsg(rerun_script=ClientState()).SerializeToString()
"""Asks for the page to be drawn."""
KINDS: dict[str, Role | None] = {
    "rerun_script": None,
    "stop_script": "viewer",
    "file_urls_request": "analyst",
}
"""Kinds of messages that pass, with the least role of who sends them; None if the login page needs them, too."""
REFUSED = frozenset(
    {
        *("clear_cache", "load_git_info", "set_run_on_save", "app_heartbeat"),
        *("debug_disconnect_websocket", "debug_shutdown_runtime"),
        *("install_skills", "dismiss_skills_nudge", "dataframe_chunk", "deferred_file"),
    }
)
"""The others of this version of Streamlit. A kind that is in neither is refused as well."""


def is_session_of(session_id: str, cookie: str) -> bool:
    """Return whether a session of Streamlit is that of a page in a browser with this login cookie."""
    client = runtime.get_instance().get_client(session_id)
    context = client.client_context if client else None
    return context is not None and context.cookies.get(COOKIE) == cookie


def kind_of(message: bytes) -> str:
    """Return the kind of a message, "" if it isn't one of Streamlit's."""
    try:
        parsed = BackMsg.FromString(message)
    except Exception:  # noqa: BLE001 - protobuf has no public name for its error
        return ""
    kind = parsed.WhichOneof("type") or ""
    if kind == "backend_operation_request":
        return parsed.backend_operation_request.WhichOneof("payload") or ""
    return kind
