"""Entry script of the interface, run at every rerun of every page: page settings, language, sidebar, navigation.

The pages are in `views/`, not `pages/`: a folder of that name beside this file would switch Streamlit to its legacy
page mode for the first visitor. A page is a function; a new one is a module there and a line here.

The page links are our own, not those of `st.navigation`, which drop the query parameters and with them the open
analysis.
"""

import streamlit as st

from app.core import current_user
from app.i18n import t
from app.ui import error_words, page_state, plain, resources
from app.ui.components import assets
from app.ui.panels.analyse import batch
from app.ui.panels.sidebar import account, engine, jobs, language
from app.ui.views import analyse, ask, library, login, models, system

PAGES = (
    ("analyse", ":material/movie:", analyse.draw),
    ("ask", ":material/forum:", ask.draw),
    ("library", ":material/video_library:", library.draw),
    ("models", ":material/neurology:", models.draw),
    ("system", ":material/monitoring:", system.draw),
)
OF_ADMINISTRATORS = ("models", "system")

st.set_page_config(page_title="FrameLens", page_icon="🎞️", layout="wide")
assets.draw_styles()
needs_login = login.is_needed()
with st.sidebar:
    links = st.container(gap="xsmall")
    language.draw()
    if not needs_login:
        account.draw()
if needs_login:
    assets.turn_page("login", "")
    login.draw()
    st.stop()
state = page_state()
is_administrator = current_user().may("administrator")
open_pages = [one for one in PAGES if is_administrator or one[0] not in OF_ADMINISTRATORS]
names = [name for name, *_ in open_pages]
pages = [
    st.Page(draw, title=t(f"ui.page_{name}"), icon=icon, url_path=name, default=draw is analyse.draw)
    for name, icon, draw in open_pages
]
page = st.navigation(pages, position="hidden")
if state.pop_opened() and page is not pages[0]:
    st.switch_page(pages[0], query_params=state.address)
if (name := state.pop_requested_page()) in names and page is not (target := pages[names.index(name)]):
    st.switch_page(target, query_params=state.address)
with links:
    for one in pages:
        st.page_link(one, query_params=state.address)
with st.container(horizontal=True, gap=None, key=assets.PHONE_PAGES):
    for one, name in zip(pages, names, strict=True):
        st.page_link(one, label=t(f"ui.page_{name}_short"), query_params=state.address)
body = st.container()
assets.turn_page(page.url_path, state.job_id or "")  # mounted before the page body, so before a link can be pressed
if error := resources.installed().error:
    st.error(plain(error_words(error)), icon=":material/error:")
else:
    with body:
        page.run()
    with st.sidebar:
        if is_administrator:
            engine.draw()
        jobs.draw_queue()
        batch.draw_recent()
        jobs.draw_recent()
    resources.note_page_drawn()
