"""Tools that the pages pass to the functions of plugins (`framelens.plugin_page.PageTools`)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import context, formatting, resources
from app.components import assets, charts, controls, dialogs, exports, report_blocks, slots, uploader
from app.panels.analyse import changed_settings, missing_model
from app.panels.menu import downloads, engine, model_change
from app.panels.report.comparison import template_name
from app.panels.work import rows
from app.state import PageState, page_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamlit.components.v2.types import ComponentRenderer

    from framelens.composition import Services
    from framelens.engine.base import EngineStatus
    from framelens.plugin_page import PageTools


class _Tools:
    """The tools of every page; what belongs to its reader is looked up when it is asked for."""

    local_time = staticmethod(formatting.local_time)
    short_time = staticmethod(formatting.short_time)
    button = staticmethod(controls.button)
    choose = staticmethod(controls.choose)
    follow = staticmethod(controls.follow)
    ask = staticmethod(dialogs.ask)
    close_menu = staticmethod(controls.close_menu)
    show_error = staticmethod(controls.show_error)
    show_warning = staticmethod(controls.show_warning)
    draw_download = staticmethod(downloads.draw)
    draw_saves = staticmethod(exports.draw)
    export_url = staticmethod(exports.export_url)
    draw_charts = staticmethod(charts.draw)
    draw_stacked_bar = staticmethod(charts.draw_stacked_bar)
    draw_table = staticmethod(report_blocks.draw_table)
    sent = staticmethod(assets.sent)
    api_url = staticmethod(resources.api_url)
    picture_url = staticmethod(resources.picture_url)
    cover_url = staticmethod(resources.cover_url)
    template_name = staticmethod(template_name)
    progress_words = staticmethod(rows.progress_words)
    seconds_left = staticmethod(rows.seconds_left)
    draw_changed_settings = staticmethod(changed_settings.draw)
    has_model = staticmethod(engine.has_model)
    get_model = staticmethod(missing_model.get)
    is_model_changing = staticmethod(model_change.is_running)
    draw_model_change = staticmethod(model_change.draw_change)
    draw_engines = staticmethod(engine.draw_engines)
    draw_engine_phase = staticmethod(engine.draw_phase)
    engine_facts = staticmethod(engine.facts)
    draw_parts = staticmethod(slots.draw)

    @property
    def services(self) -> Services:
        return context.services()

    @property
    def view(self) -> PageState:
        return page_state()

    @property
    def may_change(self) -> bool:
        return context.may_change()

    @property
    def is_private(self) -> bool:
        return resources.login_session() is not None or not resources.installed().is_public

    def draw_picture_upload(
        self, label: str, *, key: str, area: str, on_uploaded: Callable[[Sequence[str], Sequence[str]], None]
    ) -> None:
        uploader.draw(
            uploader.Invitation("picture", "image/*", label, area=f"st-key-{area}"), key=key, on_uploaded=on_uploaded
        )

    def session_cookie(self) -> str:
        return resources.cookie()

    def draw_engine_state(self, status: EngineStatus) -> None:
        st.badge(engine.state_text(status), color=engine.COLOURS[status.state])

    def mount(self, name: str, package: str, *, key: str, data: object, **options: Any) -> None:
        _component(name, package)(key=key, data=data, **options)


@cache
def _component(name: str, package: str) -> ComponentRenderer:
    return assets.component(name, package=package)


TOOLS: PageTools = _Tools()
