"""The recent analyses, to come back to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.domain import Language
from app.i18n import t
from app.reports.content.labels import title_and_details
from app.store.library import Entry, Wanted
from app.ui.components import jobs
from app.ui.formatting import local_time
from app.ui.panels.analyse import time_range
from app.ui.panels.report.comparison import template_name
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.wiring import Services

_NUMBER = 8


def draw(services: Services, language: Language) -> None:
    """Draw a row for each; the one that is open is marked."""
    entries = services.jobs.library.find(Wanted(), order="newest", offset=0, limit=_NUMBER)
    if not entries:
        return
    st.markdown(f"**{t('ui.recent', language)}**")
    rows = [_row(services, entry, language) for entry in entries]
    jobs.draw(rows, key="recent", on_open=page_state().open_job)


def _row(services: Services, entry: Entry, language: Language) -> jobs.Job:
    state = services.jobs.state_of(entry)
    state_words = t(f"library.state.{state}", language)
    title, line = title_and_details(
        entry.name,
        title=entry.title,
        question=entry.question,
        part=time_range.words_of_part(entry.start_seconds, entry.end_seconds, language, digits=0),
        model=entry.model,
    )
    made = (template_name(services, entry.template, language), state_words, local_time(entry.created))
    return jobs.Job(
        id=entry.id,
        name=entry.name,
        title=title,
        line=line or local_time(entry.created),
        icon=state,
        state=state_words,
        about=" · ".join(filter(None, (title, line, *made))),
        is_open=entry.id == page_state().job_id,
    )
