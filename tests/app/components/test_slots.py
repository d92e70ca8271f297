"""Places for plugins in the pages: a plugin's error is shown there, and the rest of the page is drawn."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from framelens.i18n import label, t


def fails(*_: object) -> None:
    raise ZeroDivisionError("by zero")


def draws(*_: object) -> None:
    import streamlit as st

    st.caption("drawn")


def page() -> None:
    import streamlit as st

    from app.components import slots

    slots.draw("sidebar")
    st.caption("below")


def test_a_place_names_the_plugin_that_fails_there(use_plugins: Callable[..., None]) -> None:
    placed = {name: {"parts": {"sidebar": f"{__name__}:{name}"}} for name in ("fails", "draws")}
    use_plugins(other=placed["fails"], fine=placed["draws"])
    shown = AppTest.from_function(page).run()
    assert not shown.exception
    (error,) = shown.error
    assert "other" in error.value and "ZeroDivisionError" in error.value
    assert [one.value for one in shown.caption] == ["drawn", "below"]


def test_a_label_that_a_plugin_lacks_is_its_name() -> None:
    assert label("ui.page_no_such", "no_such") == "no_such"
    assert label("ui.page_library", "library") == t("ui.page_library")
