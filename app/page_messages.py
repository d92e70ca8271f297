"""Messages of Streamlit's protocol: those that a browser may send, because the page uses them, and a session's first.

The protocol has more: it names the installation's repository and branch, empties the caches of all sessions, and writes
files beside the app.
"""

from __future__ import annotations

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from framelens.core.roles import Role

DRAW = BackMsg(rerun_script=ClientState()).SerializeToString()
"""Asks for the page to be drawn."""
KINDS: dict[str, Role | None] = {
    "rerun_script": None,
    "stop_script": "viewer",
}
"""Kinds of messages that pass, with the least role of their sender; None if the login page needs them, too."""
REFUSED = frozenset(
    {
        *("clear_cache", "load_git_info", "set_run_on_save", "app_heartbeat"),
        *("debug_disconnect_websocket", "debug_shutdown_runtime"),
        *("install_skills", "dismiss_skills_nudge", "dataframe_chunk", "deferred_file"),
        "file_urls_request",
    }
)
"""The others of this version of Streamlit. A kind that is in neither is refused as well."""


def kind_of(message: bytes) -> str:
    """Return the kind of a message, or "" if the message isn't Streamlit's."""
    try:
        parsed = BackMsg.FromString(message)
    except Exception:  # noqa: BLE001 - protobuf has no public name for its error
        return ""
    kind = parsed.WhichOneof("type") or ""
    if kind == "backend_operation_request":
        return parsed.backend_operation_request.WhichOneof("payload") or ""
    return kind


def session_of(message: bytes) -> str:
    """Return the id of the session that a message of Streamlit begins, or "" for another message."""
    return ForwardMsg.FromString(message).new_session.initialize.session_id if message else ""
