"""Entry script of the interface, run at every rerun of every page: page settings, menu, sidebar, navigation.

The pages are in `views/`, not `pages/`: a folder of that name beside this file would switch Streamlit to its legacy
page mode for the first visitor. A page is a function; a new page is a module there and a line here, or a plugin's.

The page links are drawn here, because `st.navigation` drops the query parameters from its links and with them the open
analysis.
"""

from collections.abc import Callable
from functools import partial

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.navigation.page import StreamlitPage

from app import context, resources
from app.components import assets, dialogs, slots
from app.components.controls import show_error
from app.page_tools import TOOLS
from app.panels.menu import menu
from app.panels.work import work
from app.state import page_state
from app.views import analyse, ask, library
from framelens import registry
from framelens.core.roles import current_user
from framelens.hookspecs import Role
from framelens.i18n import label

PAGES: tuple[tuple[str, str, Callable[[], None], Role], ...] = (
    ("analyse", ":material/movie:", analyse.draw, "viewer"),
    ("ask", ":material/forum:", ask.draw, "viewer"),
    ("library", ":material/video_library:", library.draw, "viewer"),
    *((name, page.icon, partial(draw, TOOLS), page.role) for name, page, draw in registry.pages()),
)


def _page_of(name: str, icon: str, draw: Callable[[], None], _: Role) -> StreamlitPage:
    """Return a page for the navigation, without the icon if Streamlit doesn't know a plugin's icon."""
    make = partial(st.Page, draw, title=label(f"ui.page_{name}", name), url_path=name, default=draw is analyse.draw)
    try:
        return make(icon=icon)
    except StreamlitAPIException:
        return make()


slots.pass_tools(TOOLS)
st.set_page_config(page_title="FrameLens", page_icon="🎞️", layout="wide")
assets.draw_styles()
is_visitor = context.is_visitor()
is_administrator = not is_visitor and current_user().may("administrator")
paths = ("", *(name for name, *_ in PAGES[1:]))
model = menu.draw(paths, shows_model=is_administrator, is_visitor=is_visitor)
if is_visitor:
    assets.turn_page("login", "", menu.language_cookie())
    slots.draw("login")
    st.stop()
state = page_state()
open_pages = [entry for entry in PAGES if current_user().may(entry[3])]
names = [name for name, *_ in open_pages]
pages = [_page_of(*entry) for entry in open_pages]
page = st.navigation(pages, position="hidden")
st.set_page_config(page_title=f"{page.title} · FrameLens")
if state.pop_opened() and page is not pages[0]:
    st.switch_page(pages[0], query_params=state.address)
if (name := state.pop_requested_page()) in names and page is not (target := pages[names.index(name)]):
    st.switch_page(target, query_params=state.address)
of_all = [linked for linked, (*_, role) in zip(pages, open_pages, strict=True) if role != "administrator"]
of_administrators = [linked for linked in pages if linked not in of_all]  # the menu has their links
with st.sidebar:
    with st.container(gap="xsmall"):
        for linked in of_all:
            st.page_link(linked, query_params=state.address)
    container = st.container()
with st.container(horizontal=True, gap=None, key=assets.PHONE_PAGES):
    for linked in of_all:
        st.page_link(linked, query_params=state.address)
body = st.container()
# mounted before the page body, so before a link can be pressed
assets.turn_page(page.url_path, state.job_id or "", menu.language_cookie())
if error := resources.installed().error:
    show_error(error)
else:
    with body:
        page.run()
        dialogs.draw_dialog()
    with container:
        work.draw()
        slots.draw("sidebar")
    if is_administrator:
        menu.draw_model(model, of_administrators)
    resources.note_page_drawn()
