"""Names of the speakers of a report, above its transcript."""

from __future__ import annotations

import streamlit as st

from app.context import may_change, services
from app.state import page_state
from framelens.core.domain import Analysis
from framelens.core.units import clock
from framelens.i18n import t
from framelens.jobs.stored.speakers import LONGEST_NAME, SpeakerSummary


def draw(job_id: str, analysis: Analysis) -> None:
    """Draw a field for the name of each speaker; nothing without speakers, or for users who may not change reports."""
    speakers = SpeakerSummary.all_of(analysis.transcript)
    if not (speakers and may_change()):
        return
    with st.container(key="speakers"):
        st.caption(t("ui.speakers_help"))
        with st.container(horizontal=True, gap="small"):
            for speaker in speakers:
                _draw_name(job_id, speaker)


def _draw_name(job_id: str, speaker: SpeakerSummary) -> None:
    key = f"speaker_{job_id}_{speaker.letter}"
    first, length = clock(speaker.first_seconds), clock(speaker.seconds)
    st.text_input(
        t("report.speaker", letter=speaker.letter),
        value=speaker.name,
        key=key,
        max_chars=LONGEST_NAME,
        placeholder=t("ui.speaker_name"),
        help=t("cli.speakers_line", n=speaker.num_cues, time=length, first=first),
        width=180,
        on_change=_on_change,
        args=(job_id, speaker.letter, key),
    )


def _on_change(job_id: str, letter: str, key: str) -> None:
    with page_state().catching_errors():
        names = {letter: str(st.session_state[key])}
        services().reports.name_speakers(job_id, names)
