"""What Streamlit sends: no part of a fragment is lost."""

from __future__ import annotations

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from app.ui import streamlit_patches


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
