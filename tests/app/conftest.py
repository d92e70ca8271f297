"""The page without a browser, over services whose analysis and engine are scripted."""

import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from app import context, resources
from app.components import slots
from app.context import LANGUAGE_KEY
from app.page_tools import TOOLS
from framelens import i18n, registry
from framelens.composition import Services
from tests.app.fake_services import Run, open_fake, script
from tests.cards import write_card_video

ENTRY = Path(__file__).resolve().parents[2] / "app" / "entry.py"
Open = Callable[[Run], Services]


slots.pass_tools(TOOLS)


@pytest.fixture(scope="session", autouse=True)
def installed_components() -> Iterator[None]:
    """Look for Streamlit components among all installed packages once: a page does so whenever it is opened."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session")
def card_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("cards") / "cards.mp4", ["red", "blue"], width=320, height=240)


@pytest.fixture
def open_services(tmp_path: Path, card_video: Path) -> Iterator[Open]:
    """Opens services with this analysis and installs them for the page."""
    opened: list[Services] = []

    def open_with(run: Run) -> Services:
        services = open_fake(tmp_path / "data", run=run, sample=card_video, input_dirs=(card_video.parent,))
        opened.append(services)
        resources.install(resources.Installed(services=services, key="key"))
        return services

    yield open_with
    for services in opened:
        services.close()
    resources.install(resources.Installed())


@pytest.fixture
def services(open_services: Open) -> Services:
    return open_services(script())


@pytest.fixture
def models_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the buttons that lead to the Models page, whether or not its plugin is here."""
    monkeypatch.setattr(registry, "page_names", lambda: ("models",))


@pytest.fixture
def hold() -> Iterator[threading.Event]:
    """Keeps a scripted analysis in the middle of its answer until the test sets it, or ends."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(autouse=True)
def page_language(no_language: None) -> None:
    i18n.set_page_language(context.page_language)


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chinese, for what is called without a page; English without this."""
    monkeypatch.setitem(st.session_state, LANGUAGE_KEY, "zh")


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(ENTRY), default_timeout=30)
