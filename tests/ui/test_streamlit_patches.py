"""Files that Streamlit serves: a download outlives the script runs of others until it was fetched."""

from __future__ import annotations

import time

import pytest
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileStorageError

from app.ui import streamlit_patches
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
