"""Notices of a report, a line each; what helps is behind a button, so that the report itself comes first."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from app.domain import Language, Notice
from app.i18n import notice_text, t
from app.ui.formatting import plain

_MARKS = {"error": ":red[:material/error:]", "warning": ":orange[:material/warning:]", "info": ":material/info:"}
_SIGNS = re.compile(r"^(?:⚠️|❌)\s*")
_END = re.compile(r"[:：]\s|[:：](?=[\u4e00-\u9fff])|[.。!！]\s|[。！]")


def draw(notices: Sequence[Notice], language: Language) -> None:
    """Draw them, errors first; the whole text of one that says more than its line opens over the page."""
    with st.container(gap="xsmall", key="notices"):
        for place, notice in enumerate(sorted(notices, key=lambda one: list(_MARKS).index(one.level))):
            text = notice_text(notice, language)
            line = brief(text)
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.caption(f"{_MARKS[notice.level]} {plain(line)}", width="content")
                if line != text:
                    with st.popover(t("ui.what_helps", language), type="tertiary", key=f"notice-{place}"):
                        st.markdown(plain(text))


def brief(text: str) -> str:
    """Return the first clause of a notice, without the sign before it."""
    text = _SIGNS.sub("", text)
    end = _END.search(text)
    return text if end is None else text[: end.start()]
