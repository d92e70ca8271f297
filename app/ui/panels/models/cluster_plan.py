"""Plan of a model on several machines: a form, the reasons, and the commands to copy.

It is part of the Models page, below the memory calculator: it answers the same question for more than one machine.
"""

import streamlit as st

from app import models
from app.core import AppError
from app.fleet import ClusterHardware, ClusterNetwork, cluster_commands, plan_cluster
from app.i18n import notice_text, t
from app.services import CARD_SIZES_GIB
from app.ui import error_words, plain

_USUAL_GIB = 80


def draw(catalogue: models.Catalogue) -> None:
    """Draw the form, and below it the plan or why there is none."""
    st.caption(t("cluster.page_about"))
    hardware, model = _draw_machines(catalogue)
    network = _draw_network()
    try:
        plan = plan_cluster(hardware, model, catalogue)
        blocks = cluster_commands(plan, network)
    except AppError as error:
        st.error(plain(error_words(error)), icon=":material/error:")
        return
    layout = plan.layout
    sizes = {"tensor": layout.tensor, "pipeline": layout.pipeline, "copies": layout.copies}
    st.markdown(f"**{plain(t('cluster.layout', **sizes))}**")
    st.markdown("\n".join(f"- {plain(notice_text(reason))}" for reason in plan.reasons))
    for block in blocks:
        st.caption(plain(notice_text(block.place)))
        st.code(block.text, language="bash", wrap_lines=True)


def _draw_machines(catalogue: models.Catalogue) -> tuple[ClusterHardware, str]:
    entries = [entry.id for entry in catalogue.by_id.values() if entry.engine == "vllm"]
    model = st.selectbox(t("models.page.calculation_model"), entries, key="cluster_model", accept_new_options=True)
    nodes, cards, memory = st.columns(3)
    hardware = ClusterHardware(
        int(nodes.number_input(t("cluster.page_nodes"), 1, 1000, 2, key="cluster_nodes")),
        int(cards.number_input(t("cluster.page_cards"), 1, 64, 8, key="cluster_cards")),
        models.GpuCard(
            float(
                memory.selectbox(
                    t("cluster.page_memory"),
                    CARD_SIZES_GIB,
                    index=CARD_SIZES_GIB.index(_USUAL_GIB),
                    key="cluster_memory",
                )
            )
        ),
    )
    return hardware, model or entries[0]


def _draw_network() -> ClusterNetwork:
    left, right = st.columns([1, 2])
    usual = ClusterNetwork()
    interface = left.text_input(t("cluster.page_network"), usual.interface, key="cluster_network")
    given = right.text_input(t("cluster.page_hosts"), "", key="cluster_hosts", placeholder="192.168.1.20, 192.168.1.21")
    hosts = tuple(host.strip() for host in given.split(",") if host.strip())
    return ClusterNetwork(interface.strip() or usual.interface, hosts)
