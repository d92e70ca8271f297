"""Buttons that save a file: a press is answered by the run that it causes, or by a run that overtakes it."""

from typing import Any

import pytest
import streamlit as st

from app.components import exports
from framelens.plugin_page import SaveButton, SaveGroup


def test_press_is_answered_by_every_later_run(monkeypatch: pytest.MonkeyPatch) -> None:
    mounted: list[dict[str, Any]] = []
    monkeypatch.setattr(exports, "_mount", lambda **given: mounted.append(given))
    monkeypatch.setattr(st, "session_state", {})
    groups = [SaveGroup((SaveButton("Save", "/api/v1/file"),))]

    def run(press: str | None) -> str | None:
        st.session_state["save"] = {"press": press}
        if press and mounted:
            mounted[-1]["on_press_change"]()
        exports.draw(groups, key="save", has_choices=True)
        return mounted[-1]["data"]["answer"]

    assert [run(press) for press in (None, "1", None, "2", None)] == [None, "1", "1", "2", "2"]
