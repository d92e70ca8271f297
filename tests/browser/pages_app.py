"""Two pages below a fragment that polls, and a job in the address, with Streamlit's patches. `streamlit run` this file.

Each run takes half a second, so that the fragment asks to be run again while the server switches to the other page.
"""

from __future__ import annotations

import time

import streamlit as st
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app import streamlit_patches

if not hasattr(streamlit_patches, "is_applied"):
    streamlit_patches.apply()
    vars(streamlit_patches)["is_applied"] = True


def _first() -> None:
    st.title("First")
    st.button("Switch", on_click=st.session_state.update, args=({"is_leaving": True},))
    st.button("Open", on_click=_open)
    st.button("Again")
    st.text(f"Job {st.query_params.get('job', 'none')}")
    if st.button("Hurry"):
        _poll_before_the_end()
        st.text("The end of the page")


def _poll_before_the_end() -> None:
    """Keep the server from sending messages until the page is drawn, and ask for the fragment just then."""
    context = get_script_run_ctx()
    assert context
    info = Runtime.instance()._session_mgr.get_active_session_info(context.session_id)
    assert info
    session, loop = info.session, info.session._event_loop

    def poll() -> None:
        time.sleep(2)
        fragment = next(iter(vars(session._fragment_storage)["_fragments"]))
        session.request_rerun(ClientState(fragment_id=fragment, is_auto_rerun=True))

    loop.call_soon_threadsafe(poll)


def _open() -> None:
    st.query_params["job"] = "1"
    st.session_state["is_open"] = True


def _poll() -> None:
    st.caption(f"polled at {time.monotonic()}")
    if st.session_state.get("is_open") and "job" not in st.query_params:
        st.session_state["is_lost"] = True
    if "is_lost" in st.session_state:
        st.caption("The address before came back.")


def _second() -> None:
    st.title("Second")


time.sleep(0.5)
pages = [st.Page(_first, title="first", default=True), st.Page(_second, title="second", url_path="second")]
page = st.navigation(pages)
if st.session_state.pop("is_leaving", False):
    st.switch_page(pages[1])
with st.sidebar:
    st.fragment(_poll, run_every=0.2)()
page.run()
