"""Page with the headlines of the latest report."""

import streamlit as st

from framelens.plugin import t
from framelens.plugin_page import PageTools
from framelens_headlines.format import headlines


def draw(ui: PageTools) -> None:
    """Draw the page."""
    st.markdown(f"## {t('ui.page_headlines')}")
    latest = next((job for job in ui.services.jobs.recent() if job.analysis), None)
    if latest is None or latest.analysis is None:
        st.caption(t("ui.headlines_none"))
        return
    for line in headlines(latest.analysis):
        st.text(line)
