"""Several machines: a plan of a model on them with its commands, and a check of the Ray cluster that runs there.

It is part of the Models page, beside the memory calculator: the plan answers the same question for several machines.
"""

import threading
from collections.abc import Callable, Iterable, Sequence

import streamlit as st

from framelens import AppError, notice_text
from framelens.plugin import t
from framelens.plugin.command_line import export_environment
from framelens.plugin.machine import CheckFinding
from framelens.plugin.models import Catalogue, GpuCard
from framelens.plugin.processes import BackgroundTask
from framelens.plugin.texts import plain
from framelens.plugin_page import PageTools
from framelens.plugins.batch.cluster.check import (
    LINK_COLUMNS,
    NODE_COLUMNS,
    ClusterFacts,
    check_cluster,
    column_title,
    find_problems,
    found_text,
    link_row,
    node_row,
)
from framelens.plugins.batch.cluster.commands import ENGINE_PORT, ClusterNetwork, cluster_commands
from framelens.plugins.batch.cluster.plan import ClusterHardware, plan_cluster
from framelens.plugins.batch.ray_jobs.client import LOCAL_DASHBOARD, RayCluster

_USUAL_GIB = 80
_CheckResult = tuple[ClusterFacts, tuple[CheckFinding, ...]]
ClusterCheck = BackgroundTask[None, _CheckResult]
_ADDRESS, _MODEL = "cluster_address", "cluster_folder"


def draw(ui: PageTools, catalogue: Catalogue) -> None:
    """Draw the plan and the check, folded."""
    with st.expander(t("cluster.page")):
        draw_plan(ui, catalogue)
        st.divider()
        draw_check(ui)


def draw_plan(ui: PageTools, catalogue: Catalogue) -> None:
    """Draw the form, and below it the plan or the reason why there is no plan."""
    st.caption(t("cluster.page_about"))
    hardware, model = _draw_machines(catalogue)
    network = _draw_network()
    try:
        plan = plan_cluster(hardware, model, catalogue)
        blocks = cluster_commands(plan, network)
    except AppError as error:
        ui.show_error(error)
        return
    layout = plan.layout
    sizes = {"tensor": layout.tensor, "pipeline": layout.pipeline, "copies": layout.copies}
    st.markdown(f"**{plain(t('cluster.layout', **sizes))}**")
    st.markdown("\n".join(f"- {plain(notice_text(reason))}" for reason in plan.reasons))
    for block in blocks:
        st.caption(plain(notice_text(block.notice)))
        st.code(block.text, language="bash", wrap_lines=True)


def _draw_machines(catalogue: Catalogue) -> tuple[ClusterHardware, str]:
    entries = [entry.id for entry in catalogue.by_id.values() if entry.engine == "vllm"]
    model = st.selectbox(t("models.page.calculation_model"), entries, key="cluster_model", accept_new_options=True)
    nodes, cards, memory = st.columns(3)
    num_nodes = int(nodes.number_input(t("cluster.page_nodes"), 1, 1000, 2, key="cluster_nodes"))
    num_cards = int(cards.number_input(t("cluster.page_cards"), 1, 64, 8, key="cluster_cards"))
    usual = GpuCard.SIZES_GIB.index(_USUAL_GIB)
    gib = float(memory.selectbox(t("cluster.page_memory"), GpuCard.SIZES_GIB, usual, key="cluster_memory"))
    return ClusterHardware(num_nodes, num_cards, GpuCard(gib)), model or entries[0]


def _draw_network() -> ClusterNetwork:
    left, right = st.columns([1, 2])
    usual = ClusterNetwork()
    interface = left.text_input(t("cluster.page_network"), usual.interface, key="cluster_network")
    text = right.text_input(t("cluster.page_hosts"), "", key="cluster_hosts", placeholder="192.168.1.20, 192.168.1.21")
    hosts = tuple(host.strip() for host in text.split(",") if host.strip())
    return ClusterNetwork(interface.strip() or usual.interface, hosts)


# ---- check -----------------------------------------------------------------------------------------------------------


def cluster_check(ui: PageTools) -> ClusterCheck:
    """Return the check of a Ray cluster, whose outcome all sessions see."""
    return ui.services.part("cluster_check", lambda _: ClusterCheck("cluster check"))


def draw_check(ui: PageTools) -> None:
    """Draw the fields, the button, and what the last check found."""
    st.caption(t("cluster.check_about"))
    left, right = st.columns(2)
    left.text_input(t("cluster.check_address"), key=_ADDRESS, placeholder=LOCAL_DASHBOARD, persist_state="session")
    right.text_input(
        t("cluster.check_model"), key=_MODEL, placeholder="/models/Qwen2.5-VL-72B", persist_state="session"
    )
    ui.follow(cluster_check(ui), _draw_task, ui)


def _draw_task(ui: PageTools) -> None:
    task = cluster_check(ui)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        ui.button(t("cluster.check"), "cluster_check", _start, ui, icon="network_check", disabled=task.is_running)
        if task.is_running:
            ui.button(t("cluster.check_stop"), "cluster_check_stop", task.cancel)
            st.caption(plain(t("cluster.check_runs", address=task.subject)))
    if task.state == "failed" and task.error:
        ui.show_error(task.error)
    elif task.result:
        _draw_found(*task.result)


def _draw_found(facts: ClusterFacts, problems: Sequence[CheckFinding]) -> None:
    st.markdown(plain(found_text(facts.nodes)))
    _draw_table(NODE_COLUMNS, map(node_row, facts.nodes))
    if facts.links:
        _draw_table(LINK_COLUMNS, map(link_row, facts.links))
    for problem in problems:
        show = st.error if problem.severity == "stops" else st.warning
        show(plain(notice_text(problem.notice)))
    if not problems:
        st.success(t("cluster.well"), icon=":material/check_circle:")


def _draw_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    titles = [column_title(name) for name in columns]
    st.dataframe([dict(zip(titles, row, strict=True)) for row in rows], hide_index=True)


def _start(ui: PageTools) -> None:
    address = (st.session_state.get(_ADDRESS) or "").strip() or LOCAL_DASHBOARD
    model = (st.session_state.get(_MODEL) or "").strip()
    export_environment(ui.services.settings)  # the token of the cluster may be in .env

    def check(on_progress: Callable[[None], None], cancel: threading.Event) -> _CheckResult:
        facts = check_cluster(RayCluster(address), model=model, port=ENGINE_PORT, cancel=cancel)
        return facts, find_problems(facts, model=model, port=ENGINE_PORT)

    cluster_check(ui).start(check, subject=address)
