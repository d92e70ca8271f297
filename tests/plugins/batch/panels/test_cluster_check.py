"""The check of a running cluster, on the Models page; tests/plugins/batch/ray_jobs has a real cluster."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.context import LANGUAGE_KEY
from app.page_tools import TOOLS
from framelens.composition import Services
from framelens.core.domain import Language
from framelens.core.errors import Cancelled, EngineError
from framelens.i18n import LANGUAGES
from framelens.plugins.batch.cluster.check import ClusterFacts
from framelens.plugins.batch.panels import cluster
from framelens.plugins.batch.ray_jobs.client import LOCAL_DASHBOARD
from tests.app.conftest import Open
from tests.app.fake_services import script
from tests.plugins.batch.cluster.test_check import link, node


def panel() -> None:
    from app.page_tools import TOOLS
    from framelens.plugins.batch.panels import cluster

    cluster.draw_check(TOOLS)


@pytest.fixture
def services(open_services: Open) -> Services:
    return open_services(script())


@pytest.fixture(autouse=True)
def task(services: Services) -> Iterator[None]:
    yield
    cluster.cluster_check(TOOLS).forget()
    cluster.cluster_check(TOOLS).wait(30)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The addresses and models that were checked, on a cluster of two nodes."""
    found = list[tuple[str, str]]()
    slow = ClusterFacts((node(1), node(2)), (), (link(1, 2, megabytes_per_second=11.0),))

    def check(cluster: Any, *, model: str, port: int, cancel: threading.Event) -> ClusterFacts:
        found.append((cluster.address, model))
        if cluster.address == "http://waits":
            assert cancel.wait(30)
            raise Cancelled
        if cluster.address == "http://away":
            raise EngineError("cluster_check_late", address=cluster.address, seconds=300)
        return slow

    monkeypatch.setattr(cluster, "RayCluster", lambda address: SimpleNamespace(address=address))
    monkeypatch.setattr(cluster, "check_cluster", check)
    return found


def pressed(language: Language, address: str, model: str = "") -> AppTest:
    page = AppTest.from_function(panel, default_timeout=60)
    page.session_state[LANGUAGE_KEY] = language
    page.run()
    page.text_input(key="cluster_address").set_value(address)
    page.text_input(key="cluster_folder").set_value(model)
    return page.button(key="cluster_check").click().run()


@pytest.mark.parametrize("language", LANGUAGES)
def test_nodes_links_and_problems_are_shown(language: Language, asked: list[tuple[str, str]]) -> None:
    page = pressed(language, "", "/models/m")
    cluster.cluster_check(TOOLS).wait(30)
    page.run()
    assert not page.exception and not page.error
    assert asked == [(LOCAL_DASHBOARD, "/models/m")]
    nodes, links = (one.value for one in page.dataframe)
    assert list(nodes.iloc[:, 0]) == ["node1", "node2"] and "11" in list(links.iloc[0])
    assert [one.value for one in page.warning] and "11 MB/s" in page.warning[0].value


def test_a_cluster_that_is_away_is_a_sentence(asked: list[tuple[str, str]]) -> None:
    page = pressed("en", "http://away")
    cluster.cluster_check(TOOLS).wait(30)
    page.run()
    assert "300" in page.error[0].value and not page.dataframe


def test_a_check_can_be_stopped(asked: list[tuple[str, str]]) -> None:
    page = pressed("en", "http://waits")
    assert page.button(key="cluster_check").disabled
    page.button(key="cluster_check_stop").click().run()
    cluster.cluster_check(TOOLS).wait(30)
    page.run()
    assert cluster.cluster_check(TOOLS).state == "cancelled" and not page.error
    assert not page.button(key="cluster_check").disabled
