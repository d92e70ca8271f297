"""Every run of every page begins here: page settings, language, sidebar, navigation.

The pages are in `views/`, not `pages/`: a folder of that name beside this file would switch Streamlit to its older way
of building pages for the first visitor. A page is a function; a new one is a module there and a line here.
"""

from __future__ import annotations

import streamlit as st

from app.i18n import error_text, t
from app.ui import resources
from app.ui.panels import engine, language, queue, recent
from app.ui.state import page_state
from app.ui.views import analyse
from app.ui.words import plain

st.set_page_config(page_title="FrameLens", page_icon="🎞️", layout="wide")
state = page_state()
with st.sidebar:
    state.language = language.draw(resources.installed())
page = st.navigation(
    [st.Page(analyse.draw, title=t("ui.page_analyse", state.language), icon=":material/movie:", default=True)],
    position="hidden",
)
if error := resources.installed().error:
    st.error(plain(error_text(error, state.language)), icon=":material/error:")
else:
    page.run()
    with st.sidebar:
        engine.draw(resources.services(), state.language)
        queue.draw(resources.services(), state.language)
        recent.draw(resources.services(), state.language)
