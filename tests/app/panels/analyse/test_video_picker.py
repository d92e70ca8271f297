"""What the uploader sends to the page."""

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from app.components import assets, uploader
from app.panels.analyse import video_picker


@pytest.mark.usefixtures("english")
def test_a_message_that_comes_twice_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    state, received, mounted = dict[str, Any](), list[list[str]](), list[Callable[[], None]]()
    resources = SimpleNamespace(api_url=lambda *_, **__: "/", route_key=lambda: "key")
    monkeypatch.setattr(uploader, "resources", resources)
    monkeypatch.setattr(video_picker, "services", lambda: SimpleNamespace(videos=None))
    monkeypatch.setattr(video_picker, "page_state", lambda: SimpleNamespace(catching_errors=nullcontext))
    monkeypatch.setattr(video_picker, "pair_uploads", lambda _, ids: SimpleNamespace(video_ids=ids, alone=()))
    for module in (uploader, assets):
        monkeypatch.setattr(module, "st", SimpleNamespace(session_state=state))
    monkeypatch.setattr(uploader, "_mount", lambda on_uploaded_change, **_: mounted.append(on_uploaded_change))
    video_picker.draw_uploader(key="uploader", on_uploaded=lambda ids, refused: received.append(ids))
    state["uploader"] = {"uploaded": {"ids": ["one"], "mark": "1"}}
    mounted[0]()
    mounted[0]()
    del state["uploader"]  # Streamlit drops it when the uploader is no longer drawn
    mounted[0]()
    assert received == [["one"]]
