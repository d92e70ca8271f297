"""The plan of a model on several machines, on the Models page."""

import pytest
from streamlit.testing.v1 import AppTest

from app.context import LANGUAGE_KEY
from framelens.core.domain import Language
from framelens.i18n import LANGUAGES


def panel() -> None:
    from app.page_tools import TOOLS
    from framelens.models.catalogue import built_in
    from framelens.plugins.batch.panels import cluster

    cluster.draw_plan(TOOLS, built_in())


def shown(language: Language) -> AppTest:
    page = AppTest.from_function(panel, default_timeout=60)
    page.session_state[LANGUAGE_KEY] = language
    return page.run()


def commands(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(one.value for one in page.code)


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_gives_commands_to_copy(language: Language) -> None:
    page = shown(language)
    assert "vllm serve" in commands(page) and "FRAMELENS_BASE_URL=" in commands(page)
    page.selectbox(key="cluster_model").set_value("Qwen/Qwen2.5-VL-72B-Instruct")
    page.selectbox(key="cluster_memory").set_value(16)
    page.text_input(key="cluster_network").set_value("ens3")
    page.text_input(key="cluster_hosts").set_value("10.0.0.1, 10.0.0.2").run()
    for wanted in ("ray start --head --node-ip-address=10.0.0.1", "NCCL_SOCKET_IFNAME=ens3", "RAY_AUTH_MODE=token"):
        assert wanted in commands(page)


def test_what_does_not_fit_is_a_sentence() -> None:
    page = shown("en")
    page.selectbox(key="cluster_model").set_value("Qwen/Qwen2.5-VL-72B-Instruct")
    page.selectbox(key="cluster_memory").set_value(8)
    page.number_input(key="cluster_nodes").set_value(1).run()
    assert commands(page) == "" and "doesn't fit" in page.error[0].value
    page.selectbox(key="cluster_memory").set_value(80)
    page.text_input(key="cluster_hosts").set_value("10.0.0.1, 10.0.0.2").run()
    assert "2 addresses" in page.error[0].value
