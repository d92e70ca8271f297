"""Assets of the components and of the page around them.

A component is mounted from its own and the shared HTML, CSS and JavaScript. The page's styles keep it from
fading, keep the video in view, and show page links on a phone.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

import streamlit as st

from framelens.i18n import language, t
from framelens.reports.content.labels import printable

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

WATCHED = "watched"
"""Key of the container whose column stays in view."""
PHONE_PAGES = "pages_on_phone"
"""Key of the page links that only small screens show."""


def component(name: str, *parts: str, package: str = __package__) -> ComponentRenderer:
    """Define a component and return the command that mounts it.

    Args:
        name: The component, defined by name.html, name.css and name.js.
        *parts: Modules here whose JavaScript, and CSS where they have some, is put before the component's own.
        package: Package with the component's files, of a plugin for example.
    """
    modules = [*((__package__, part) for part in ("shared", *parts)), (package, name)]
    mount = st.components.v2.component(
        f"framelens_{name}",
        html=_read_asset(f"{name}.html", package),
        css="".join(_read_asset(f"{part}.css", folder) for folder, part in modules if _exists(f"{part}.css", folder)),
        js="".join(_read_asset(f"{part}.js", folder) for folder, part in modules),
    )

    def mount_printable(*, data: object, **options: Any) -> object:
        return mount(data=printable_data(data), **options)

    return cast("ComponentRenderer", mount_printable)


def sent(key: str, event: str) -> Any:
    """Return what the browser has sent with an event of a component; None if the component has gone meanwhile."""
    return (st.session_state.get(key) or {}).get(event)


def sent_about(ids: Container[str], key: str, event: str) -> dict[str, Any]:
    """Return the value the browser has sent with an event, or {} if the value's id is not among `ids`."""
    value = sent(key, event)
    return value if isinstance(value, dict) and value.get("id") in ids else {}


def printable_data(data: object) -> object:
    """Name the marks that turn text around, wherever a file's name or a model's text may be."""
    match data:
        case str():
            return printable(data)
        case dict():
            return {key: printable_data(value) for key, value in data.items()}
        case list() | tuple():
            return [printable_data(value) for value in data]
    return data


def _exists(file: str, package: str) -> bool:
    return (files(package) / file).is_file()


def _read_asset(file: str, package: str = __package__) -> str:
    return (files(package) / file).read_text(encoding="utf-8")


_mount_turned = component("turned")
_mount_asked = component("asked")
_mount_enter = component("enter")


def turn_page(page: str, job_id: str, cookie: Mapping[str, object]) -> None:
    """Show the top when another analysis is open, and fold a phone's sidebar when another page is; this has no size.

    The page gets its language, and Streamlit's link to the page's body is put into it.

    Args:
        page: The path of the page.
        job_id: Id of the open analysis, or "".
        cookie: The cookie of the language: name, value, and whether the reader has chosen it (isChosen).
    """
    texts = {"language": {"zh": "zh-CN"}.get(language(), language()), "skip": t("ui.skip_to_content")}
    _mount_turned(key="turned", data={"page": page, "job": job_id, "cookie": cookie, **texts})


def bring_into_view(question_key: str) -> None:
    """Scroll to the question in whose chat message this is drawn, once for each value; this has no size."""
    _mount_asked(key="asked", data={"asked": question_key})


def send_at_enter() -> None:
    """Let Enter in the field of the row in which this is drawn press the row's button; this has no size."""
    _mount_enter(key="enter", data={})


def draw_styles() -> None:
    """Add page.css to the page; it takes no space."""
    st.html(f"<style>{_read_asset('page.css')}</style>")
