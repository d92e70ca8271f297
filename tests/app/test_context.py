"""The language and the services of a page where they are read: in callbacks, in sessions, and without a session."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import context, resources
from framelens.composition import Services
from tests.app.fake_services import with_bench

UI = Path(context.__file__).parent


def small_page() -> None:
    import streamlit as st

    from app.panels.menu import menu
    from framelens.i18n import language, t

    def note() -> None:
        st.session_state["noted"] = language()

    menu.draw_language()
    st.button("note", key="note", on_click=note)
    st.caption(t("ui.page_library"))


def captions(page: AppTest) -> list[str]:
    return [one.value for one in page.caption]


def test_callback_has_the_language_chosen_with_it() -> None:
    page = AppTest.from_function(small_page).run()
    page.button_group(key="language").set_value("zh")
    page.button(key="note").click().run()
    assert page.session_state["noted"] == "zh"
    assert captions(page) == ["分析库"]


def test_sessions_keep_their_own_language() -> None:
    one, other = (AppTest.from_function(small_page).run() for _ in range(2))
    one.button_group(key="language").set_value("zh").run()
    assert captions(other.run()) == ["Library"]
    assert captions(one.run()) == ["分析库"]


def test_language_of_server_is_default_in_callbacks_too(services: Services) -> None:
    chinese = with_bench(services, settings=replace(services.settings, language="zh"))
    resources.install(resources.Installed(services=chinese, key="key"))
    page = AppTest.from_function(small_page).run()
    page.button(key="note").click().run()
    assert page.session_state["noted"] == "zh"
    assert captions(page) == ["分析库"]


def test_choice_of_the_last_visit_precedes_the_server(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    english = with_bench(services, settings=replace(services.settings, language="en"))
    resources.install(resources.Installed(services=english, key="key"))
    monkeypatch.setattr(resources, "cookie", {context.LANGUAGE_COOKIE: "zh"}.get)
    assert captions(AppTest.from_function(small_page).run()) == ["分析库"]
    monkeypatch.setattr(resources, "cookie", {context.LANGUAGE_COOKIE: "<b>"}.get)
    assert captions(AppTest.from_function(small_page).run()) == ["Library"]


def test_services_are_those_installed_last(services: Services) -> None:
    assert context.services() is services
    changed = with_bench(services, notices=())
    resources.install(resources.Installed(services=changed, key="key"))
    assert context.services() is changed
    resources.install(resources.Installed())
    with pytest.raises(RuntimeError, match="no services are installed"):
        context.services()


@pytest.mark.slow
def test_option_labels_are_made_before_the_widget() -> None:
    later = [
        f"{path.name}:{node.lineno}"
        for path in UI.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "format_func" and isinstance(node.value, ast.Lambda)
        if any(isinstance(one, ast.Call) and isinstance(one.func, ast.Name) for one in ast.walk(node.value))
    ]
    assert later == []
