"""Settings that have changed since jobs were started, and the ways to continue: with the new settings or the old."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app.components import report_blocks
from app.components.controls import button, follow
from app.context import services
from app.state import page_state
from framelens.core.roles import current_user
from framelens.i18n import t
from framelens.reports.content.labels import named
from framelens.reports.content.page_text import plain

if TYPE_CHECKING:
    from framelens.jobs.snapshot import JobSnapshot

Changes = dict[str, tuple[str, str]]
_DIGEST = re.compile(r"(?:^| )[0-9a-f]{8,}$| \((?:[0-9a-f]{8,}|\d+)\)$")
"""What distinguishes versions of a setting, and means nothing to a reader."""


def draw(
    jobs: Sequence[JobSnapshot],
    changes: Changes,
    accept: Callable[[], None],
    beside: Callable[[], None] = lambda: None,
) -> None:
    """Draw the changes and the two buttons.

    Args:
        jobs: Jobs with answers under other settings than those in use.
        changes: What has changed since they were started.
        accept: Called to continue with the settings in use.
        beside: Called when the jobs continue with the earlier settings.
    """
    follow(services().switcher.switch, _draw, jobs, changes, accept, beside)


def _draw(
    jobs: Sequence[JobSnapshot], changes: Changes, accept: Callable[[], None], beside: Callable[[], None]
) -> None:
    if services().jobs.brief(jobs[0].id).is_over != jobs[0].is_over:
        st.rerun()  # the whole page: it continues
    with st.container(border=True, key="changed_settings"):
        st.markdown(f"**{t('ui.changed', n=len(jobs))}**")
        heads = [t(f"ui.changed_{column}") for column in ("setting", "then", "now")]
        rows = [[named("condition", name), *shown(name, *values)] for name, values in changes.items()]
        report_blocks.draw_table(heads, rows, key="changes")
        if services().switcher.switch.is_running:
            st.caption(t("ui.changed_waits"))
            return
        lost = dict.fromkeys(name for job in jobs for name in services().model_switch.lost_settings(job))
        can_go_back = current_user().may("administrator") and not lost
        st.caption(t("ui.changed_why" if can_go_back else "ui.changed_why_new"))
        if lost:
            names = t("facts.list").join(named("condition", name) for name in lost)
            st.caption(plain(t("ui.changed_lost", names=names)))
        with st.container(horizontal=True):
            button(t("ui.changed_continue"), "continue_changed", accept, icon="resume", kind="primary")
            if can_go_back:
                button(t("ui.changed_back"), "continue_unchanged", _go_back, jobs, beside, icon="history")


def _go_back(jobs: Sequence[JobSnapshot], beside: Callable[[], None]) -> None:
    with page_state().catching_errors():
        services().model_switch.resume_unchanged(jobs)
        beside()


def shown(name: str, then: str, current: str) -> tuple[str, str]:
    """Return both values of a setting as a reader can compare them; an unset value is a dash."""
    if name == "vllm_config":
        then, current = _differing(then, current), _differing(current, then)
    bare = [_DIGEST.sub("", value) for value in (then, current)]
    if then and current and bare[0] == bare[1]:
        return t("ui.changed_earlier"), t("ui.changed_later")
    return bare[0] or "—", bare[1] or "—"


def _differing(arguments: str, others: str) -> str:
    """Return the engine's arguments that others don't have, as "name: value"."""
    try:
        settings, other = json.loads(arguments or "{}"), json.loads(others or "{}")
    except ValueError:
        return arguments
    return ", ".join(f"{name}: {value}" for name, value in settings.items() if other.get(name) != value)
