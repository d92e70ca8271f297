"""Every kind of message that this version of Streamlit knows is either used by the page or refused."""

from streamlit.proto.BackMsg_pb2 import BackendOperationRequest, BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from app.page_messages import DRAW, KINDS, REFUSED, kind_of, session_of

_OPERATIONS = "backend_operation_request"


def test_every_kind_of_message_is_used_or_refused() -> None:
    kinds = {one.name for one in BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields} - {_OPERATIONS}
    kinds |= {one.name for one in BackendOperationRequest.DESCRIPTOR.oneofs_by_name["payload"].fields}
    assert kinds == KINDS.keys() | REFUSED
    assert not KINDS.keys() & REFUSED


def test_messages_have_kinds_and_sessions() -> None:
    # Kind of a message is read and nonsense has none.
    asked = BackendOperationRequest(request_id="1")
    asked.install_skills.SetInParent()
    assert kind_of(DRAW) == "rerun_script"
    assert kind_of(BackMsg(load_git_info=True).SerializeToString()) == "load_git_info"
    assert kind_of(BackMsg(backend_operation_request=asked).SerializeToString()) == "install_skills"
    assert kind_of(BackMsg(backend_operation_request=BackendOperationRequest()).SerializeToString()) == ""
    assert [kind_of(one) for one in (b"", b"\xff\xff", b"load_git_info")] == ["", "", ""]
    # Session of a first message is read.
    first = ForwardMsg()
    first.new_session.initialize.session_id = "one"
    assert session_of(first.SerializeToString()) == "one"
    assert session_of(ForwardMsg(script_finished=0).SerializeToString()) == session_of(b"") == ""
