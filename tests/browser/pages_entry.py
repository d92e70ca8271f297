"""Two pages below a fragment that polls, and a job in the address.

Each run takes half a second, so that the fragment asks to be run again while the server switches to the other page.
"""

import time

import streamlit as st


def _first() -> None:
    st.title("First")
    st.button("Switch", on_click=st.session_state.update, args=({"is_leaving": True},))
    st.button("Open", on_click=_open)
    st.button("Again")
    st.text(f"Job {st.query_params.get('job', 'none')}, opened {st.session_state.get('opened', 0)} times")
    st.button("Count", on_click=_count)
    st.text(f"Count {st.session_state.get('count', 0)}")


def _open() -> None:
    st.query_params["job"] = "1"
    st.session_state["is_open"] = True
    st.session_state["opened"] = st.session_state.get("opened", 0) + 1


def _count() -> None:
    time.sleep(0.5)
    st.session_state["count"] = st.session_state.get("count", 0) + 1


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
