"""Check of a running Ray cluster: its nodes, their links, and what would keep a model from running there."""

import threading
from collections.abc import Callable, Iterable, Sequence

import streamlit as st

from app import fleet
from app.core import Notice
from app.i18n import notice_text, t
from app.services import pass_on
from app.ui import error_words, plain, resources, services

_POLL_SECONDS = 1.0
_ADDRESS, _MODEL = "cluster_address", "cluster_folder"


def draw() -> None:
    """Draw the fields, the button, and what the last check found."""
    st.caption(t("cluster.check_about"))
    left, right = st.columns(2)
    left.text_input(
        t("cluster.check_address"), key=_ADDRESS, placeholder=fleet.LOCAL_DASHBOARD, persist_state="session"
    )
    right.text_input(
        t("cluster.check_model"), key=_MODEL, placeholder="/models/Qwen2.5-VL-72B", persist_state="session"
    )
    is_running = resources.cluster_check.is_running
    st.fragment(_draw, run_every=_POLL_SECONDS if is_running else None)(is_running)


def _draw(did_run: bool) -> None:
    task = resources.cluster_check
    if task.is_running != did_run:
        st.rerun()
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button(
            t("cluster.check"), key="cluster_check", icon=":material/network_check:", disabled=did_run, on_click=_start
        )
        if did_run:
            st.button(t("cluster.check_stop"), key="cluster_check_stop", on_click=task.cancel)
            st.caption(plain(t("cluster.check_runs", address=task.subject)))
    if task.state == "failed" and task.error:
        st.error(plain(error_words(task.error)), icon=":material/error:")
    elif task.result:
        _draw_found(*task.result)


def _draw_found(facts: fleet.ClusterFacts, problems: Sequence[Notice]) -> None:
    st.markdown(plain(fleet.found_text(facts.nodes)))
    _draw_table(fleet.NODE_COLUMNS, map(fleet.node_row, facts.nodes))
    if facts.links:
        _draw_table(fleet.LINK_COLUMNS, map(fleet.link_row, facts.links))
    for problem in problems:
        show = st.error if problem.level == "error" else st.warning
        show(plain(notice_text(problem)))
    if not problems:
        st.success(t("cluster.well"), icon=":material/check_circle:")


def _draw_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    titles = [fleet.column_title(name) for name in columns]
    st.dataframe([dict(zip(titles, row, strict=True)) for row in rows], hide_index=True)


def _start() -> None:
    address = (st.session_state.get(_ADDRESS) or "").strip() or fleet.LOCAL_DASHBOARD
    model = (st.session_state.get(_MODEL) or "").strip()
    pass_on(services().settings)  # the token of the cluster may be in .env

    def check(
        on_progress: Callable[[None], None], cancel: threading.Event
    ) -> tuple[fleet.ClusterFacts, tuple[Notice, ...]]:
        facts = fleet.check_cluster(fleet.RayCluster(address), model=model, port=fleet.ENGINE_PORT, cancel=cancel)
        return facts, fleet.find_problems(facts, model=model, port=fleet.ENGINE_PORT)

    resources.cluster_check.start(check, subject=address)
