"""Change of the model in progress: its download, the switch to it, and failures in the open with the ways out."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import streamlit as st

from app.components.controls import button, show_error, show_warning
from app.context import services
from app.panels.menu.engine import draw_phase
from app.state import page_state
from framelens.core.engines.model_hub import MIRROR, ModelHub, other_hubs
from framelens.core.errors import AppError, ModelNotFound
from framelens.core.roles import require_role
from framelens.engine.installation import INSTALLING, install_log
from framelens.engine.local.child_process import tail
from framelens.i18n import t
from framelens.reports.content.page_text import error_words, plain, short_model_name

_POLL_SECONDS = 1.0
_LOG_LINES = 12
_UNREACHABLE = (
    *("model_not_local", "model_not_local_modelscope"),
    *("model_proxy_failed", "model_proxy_failed_modelscope", "model_hub_untrusted"),
)
"""Errors of a hub that can't be reached."""


def is_running() -> bool:
    """Return whether a download or a switch runs."""
    return services().model_switch.download.state in ("running", "cancelling") or services().switcher.switch.is_running


def has_own_buttons() -> bool:
    """Return whether what is shown has the buttons for the same model: it runs, or its download can be repeated."""
    return is_running() or services().model_switch.download.state in ("failed", "cancelled")


def is_shown() -> bool:
    """Return whether there is something to show: a change that runs, waits or failed."""
    states = services().model_switch.download.state, services().switcher.switch.state
    return any(state not in ("idle", "done") for state in states)


def draw(*, without: Callable[[], None] | None = None) -> None:
    """Draw the change again and again while it runs; the whole page is drawn when a part of it begins or ends.

    Args:
        without: Called in place of the change after a failure to continue without a model.
    """
    before = _states()

    def poll() -> None:
        if _states() != before:
            st.rerun()
        draw_change(without=without)

    st.fragment(poll, run_every=_POLL_SECONDS if is_running() else None)()


def draw_change(*, without: Callable[[], None] | None = None) -> None:
    """Draw the change as it is now."""
    _draw_download(without)
    _draw_switch()


def _states() -> tuple[str, str, str]:
    return services().model_switch.download.state, services().switcher.switch.state, services().engine.status().state


# ---- download --------------------------------------------------------------------------------------------------------


def _draw_download(without: Callable[[], None] | None) -> None:
    download = services().model_switch.download
    state, model = download.state, short_model_name(download.subject)
    if state in ("idle", "done"):
        return
    if state == "failed" and download.error:
        draw_failure(download.error, download.hub, retry=_restart, without=without and (lambda: _leave(without)))
        return
    with st.container(border=True, gap="small"):
        is_going = state == "running"
        st.markdown(plain(t(f"models.change.{'downloading' if is_going else 'paused'}", model=model)))
        if download.progress:
            draw_phase(download.progress)
            if download.progress.phase in INSTALLING:
                with st.expander(t("ui.engine_log")):
                    st.code(tail(install_log(services().settings.data_dir), _LOG_LINES), language=None, wrap_lines=True)
        with st.container(horizontal=True, gap="small"):
            name, act = ("pause", download.cancel) if is_going else ("continue", download.restart)
            button(t(f"models.change.{name}"), f"model_download_{name}", _act, act, icon=_ICONS[name])
            button(t("models.change.cancel"), "model_download_cancel", _act, download.forget, icon="close")


_ICONS = {"pause": "pause", "continue": "play_arrow"}


def draw_failure(
    error: AppError,
    hub: ModelHub,
    *,
    retry: Callable[[ModelHub], None],
    without: Callable[[], None] | None = None,
) -> None:
    """Draw why a download failed, with the buttons that repeat it, also from another hub, or give it up.

    Args:
        error: The error.
        hub: The hub that was asked.
        retry: Called with the hub to ask now.
        without: Called to continue without the model; None for no such button.
    """
    cause = error_words(error).splitlines()[0]
    if error.key == "restart_needed":
        st.warning(plain(cause), icon=":material/restart_alt:")
        return
    if error.key in _UNREACHABLE:
        cause = t("models.change.unreachable", host=urlsplit(hub.endpoint).netloc)
    st.error(plain(t("models.change.failed", cause=cause)), icon=":material/error:")
    with st.container(horizontal=True, gap="small"):
        button(t("ui.try_again"), "download_again", retry, hub, icon="refresh", kind="primary")
        for number, other in enumerate(other_hubs(hub) if isinstance(error, ModelNotFound) else ()):
            host = other.name if other.kind != hub.kind else urlsplit(other.endpoint).netloc
            label = t(f"models.change.{'mirror' if other.endpoint == MIRROR else 'hub'}", host=host)
            button(plain(label), f"download_from_{number}", retry, other, icon="swap_horiz")
        if without:
            button(t("models.change.without"), "download_without", without, icon="visibility_off")
    if len(error_words(error).splitlines()) > 1 or error.key in _UNREACHABLE:
        with st.expander(t("ui.engine_why")):
            st.caption(plain(error_words(error)))


def _restart(hub: ModelHub) -> None:
    download = services().model_switch.download
    download.hub = hub
    _act(download.restart)


def _leave(without: Callable[[], None]) -> None:
    _act(services().model_switch.download.forget)
    without()


def _act(act: Callable[[], None]) -> None:
    with page_state().catching_errors():
        require_role("administrator")
        act()


# ---- switch ----------------------------------------------------------------------------------------------------------


def _draw_switch() -> None:
    switch = services().switcher.switch
    state, change = switch.state, switch.progress
    if change is None or state == "idle":
        return
    names = {"before": short_model_name(change.before), "after": short_model_name(change.after)}
    if state == "done":
        if switch.result:
            show_warning(t("models.change.not_kept", **names, reason=error_words(switch.result)))
    elif state == "cancelled":
        st.info(plain(t("models.change.switch_cancelled", **names)), icon=":material/info:")
    elif state == "failed":
        if switch.error:
            show_error(switch.error)
        st.caption(plain(t("models.change.back", **names)))
    else:
        with st.container(border=True, gap="small"):
            text = t(f"models.change.{change.phase}", **names, n=len(services().jobs.running()))
            st.markdown(f":material/progress_activity: {plain(text)}")
            if change.phase == "starting" and (phase := services().engine.status().phase):
                draw_phase(phase)
            button(t("models.change.cancel_switch"), "model_switch_cancel", _act, switch.cancel, icon="close")
