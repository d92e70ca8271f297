"""What is said in the video, or written under it: the cues with their times, a page at a time."""

from __future__ import annotations

import streamlit as st

from app.domain import Language, Transcript, clock
from app.i18n import t
from app.ui.components import report_rows
from app.ui.formatting import plain

_PAGE = 100


@st.fragment
def draw(transcript: Transcript, language: Language) -> None:
    """Where the words come from, and the words; a click on a time goes there."""
    source = t(f"ui.said_{transcript.source}", language, label=transcript.label)
    st.caption(plain(f"{source} · {t('ui.said_cues', language, n=len(transcript.cues))}"))
    words = st.text_input(t("ui.said_search", language), key="said_search", icon=":material/search:", width=320)
    wanted = words.strip().casefold()
    found = [cue for cue in transcript.cues if wanted in cue.text.casefold()]
    if not found:
        st.caption(t("ui.findings_none", language))
        return
    pages = -(-len(found) // _PAGE)
    first = _PAGE * (st.pagination(pages, key=f"said_page_{pages}") - 1) if pages > 1 else 0
    shown = found[first : first + _PAGE]
    chips = [[{"label": clock(cue.start_seconds), "seconds": cue.start_seconds}] for cue in shown]
    cards = [report_rows.card([{"text": cue.text}], lead=chip) for cue, chip in zip(shown, chips, strict=True)]
    report_rows.draw(cards, {}, key="said")
