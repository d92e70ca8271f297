"""What Streamlit sends: downloads wait for their browser, a failed one says why, and no part of a fragment is lost."""

from __future__ import annotations

import asyncio
import time

import pytest
from streamlit.proto.BackMsg_pb2 import BackendOperationRequest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.backend_operation_handler import DeferredFileHandler
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileStorageError

from app.core import InputError
from app.i18n import in_language
from app.services.container import Services
from app.ui import context, resources, streamlit_patches
from app.ui.streamlit_patches import DownloadStorage


def is_gone(storage: DownloadStorage, address: str) -> bool:
    try:
        storage.get_file(address.rpartition("/")[2])
    except MediaFileStorageError:
        return True
    return False


def downloaded(manager: MediaFileManager) -> str:
    """The address of a file that a press of a button makes, when two sessions have drawn their pages since."""
    address = manager.execute_deferred(manager.add_deferred(lambda: b"report", "text/html", "button"))
    for _ in range(2):
        manager.remove_orphaned_files()
    return address


def test_a_download_waits_for_the_browser() -> None:
    storage = DownloadStorage("/media")
    assert not is_gone(storage, downloaded(MediaFileManager(storage)))


def test_a_download_is_dropped_and_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamlit_patches, "_FETCH_SECONDS", 0.05)
    storage = DownloadStorage("/media")
    manager = MediaFileManager(storage)
    address = downloaded(manager)
    assert downloaded(manager) == address
    while not is_gone(storage, address):
        time.sleep(0.01)
    monkeypatch.setattr(streamlit_patches, "_FETCH_SECONDS", 60)
    assert downloaded(manager) == address and not is_gone(storage, address)


def test_a_picture_goes_with_its_page() -> None:
    storage = DownloadStorage("/media")
    manager = MediaFileManager(storage)
    address = manager.add(b"picture", "image/png", "picture")
    manager.clear_session_refs()
    manager.remove_orphaned_files()
    assert is_gone(storage, address)


def test_failed_download_says_why_in_the_readers_language(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeferredFileHandler, "handle", DeferredFileHandler.handle)  # undone after the test
    streamlit_patches._say_why_a_download_failed()
    resources.install(resources.Installed(services=services, key="key"))
    manager = MediaFileManager(DownloadStorage("/media"))

    def fail(error: Exception) -> bytes:
        raise error

    def said(error: Exception) -> str:
        with in_language("zh"):
            made = context.for_reader(lambda: fail(error))
        request = BackendOperationRequest(request_id="1")
        request.deferred_file.file_id = manager.add_deferred(made, "text/html", "button")
        answer = asyncio.run(DeferredFileHandler(lambda: manager).handle(request, "session"))
        assert answer.request_id == "1"
        return answer.error_msg

    assert said(InputError("job_unknown", id="x")).startswith("找不到")
    assert "KeyError" in said(KeyError("page"))


def test_click_on_a_button_that_was_drawn_again_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "_remove_orphaned_deferred_callables"
    monkeypatch.setattr(MediaFileManager, name, getattr(MediaFileManager, name))
    streamlit_patches._keep_buttons_of_downloads()
    manager = MediaFileManager(DownloadStorage("/media"))
    before = manager.add_deferred(lambda: b"report", "text/html", "button")
    manager.clear_session_refs()
    after = manager.add_deferred(lambda: b"report", "text/html", "button")
    manager.remove_orphaned_files()
    assert manager.execute_deferred(before)
    monkeypatch.setattr(streamlit_patches, "_CLICK_SECONDS", -1.0)
    manager.remove_orphaned_files()
    with pytest.raises(MediaFileStorageError):
        manager.execute_deferred(before)
    assert manager.execute_deferred(after)


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


@pytest.mark.parametrize("fragments", [None, ["fragment"]])
def test_an_answer_to_the_browser_is_sent(fragments: list[str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForwardMsgQueue, "clear", ForwardMsgQueue.clear)
    streamlit_patches._keep_messages()
    download, upload = ForwardMsg(), ForwardMsg()
    download.backend_operation_response.deferred_file.url = "/media/report.html"
    upload.file_urls_response.response_id = "upload"
    queue = ForwardMsgQueue()
    for message in (download, upload):
        queue.enqueue(message)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=fragments)
    assert queue.flush() == [download, upload] and queue.is_empty()
