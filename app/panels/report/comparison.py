"""Side-by-side comparison of two reports on one video: model, question, cost and contents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import comparison
from app.components.assets import component
from app.components.controls import button, choose, show_error
from app.components.report_blocks import Value
from app.context import may_change, services
from app.formatting import local_time
from app.panels.analyse import missing_model
from app.state import CHOOSING, page_state
from framelens import registry
from framelens.core.domain import Analysis
from framelens.core.errors import AppError
from framelens.core.files import base_name
from framelens.i18n import t
from framelens.i18n.formatting import exactly
from framelens.reports.content.labels import printable
from framelens.reports.content.page_text import joined, plain, short_model_name

if TYPE_CHECKING:
    from framelens.jobs.snapshot import JobSnapshot

_mount_sides = component("sides", "words")
_PAGE = 24
"""Moments on a page."""
_MOST_OFFERED = 60
"""Analyses of the same video to choose from."""


def draw_entry() -> None:
    """Draw the button that starts a comparison."""
    if page_state().other_job_id is None:
        button(t("ui.compare"), "compare", page_state().compare_with, CHOOSING, help=t("ui.compare_help"))


def draw(job: JobSnapshot) -> None:
    """Draw the choice of the other report, or both reports."""
    state = page_state()
    other_id = state.other_job_id
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"#### {t('ui.compare_title')}")
        with st.container(horizontal=True, width="content"):
            if other_id != CHOOSING:
                again = t("ui.compare_other")
                button(again, "compare_other", state.compare_with, CHOOSING)
            end = t("ui.compare_end")
            button(end, "compare_end", state.compare_with, None, icon="close")
    if other_id == CHOOSING:
        _draw_choice(job)
        return
    try:
        other = services().jobs.snapshot(other_id or "")
    except AppError as error:
        show_error(error)
        return
    if not other.is_readable or not other.analysis or not job.analysis:
        st.info(t("ui.compare_not_ready"))
        return
    if other.analysis.sha256 != job.analysis.sha256:
        st.warning(t("ui.compare_other_video"))
    _draw_both((job.id, other.id))


def _draw_choice(job: JobSnapshot) -> None:
    """Offer analyses of the same file, beginning with the most frames in common."""
    assert job.analysis
    others = _others(job.id, job.analysis)
    _draw_ask_model_in_use(job)
    draw_other_model(key="compare_model")
    if not others:
        st.info(t("ui.compare_none"))
        return
    labels = {other.id: printable(_label(job.analysis, other)) for other in others}
    ids = list(labels)
    first = ids.index(job.follows) if job.follows in ids else 0
    chosen = choose(t("ui.compare_with"), labels, "compare_choice", index=first)
    label, compare = t("ui.compare_start"), page_state().compare_with
    button(label, "compare_start", compare, chosen, icon="compare", kind="primary")


def _draw_ask_model_in_use(job: JobSnapshot) -> None:
    """Draw the button that asks the model in use the same, where it isn't the report's model."""
    changes = services().jobs.changes(job.id)
    if not may_change() or job.is_imported or not {"model", "engine"} & changes.keys() or not job.request.use_model:
        return
    readiness = missing_model.ready()
    if readiness.kind == "ready":
        model = short_model_name(services().engine.status().model)
        label = plain(t("ui.compare_ask", model=model))
        button(label, "compare_ask", _ask_the_same, job, icon="auto_awesome", kind="primary")
    else:
        missing_model.draw_short(readiness, key="compare_choose")


def _ask_the_same(job: JobSnapshot) -> None:
    state = page_state()
    with state.catching_errors():
        state.open_job(services().jobs.submit(job.request, name=job.name, follows=job.id))
        state.compare_with(job.id)


def draw_other_model(*, key: str) -> None:
    """Draw the button that leads to the Models page to ask another model the same question.

    From there one click leads back to this report, where the same question can be asked of the chosen model.
    """
    if "models" not in registry.page_names():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(t("ui.compare_models"), width="content")
        button(t("ui.use_another_model"), key, _go_to_models, icon="neurology")


def _go_to_models() -> None:
    state = page_state()
    state.compare_with(CHOOSING)
    state.go_to_page("models")


def _others(job_id: str, analysis: Analysis) -> list[JobSnapshot]:
    jobs = services().jobs
    about = [
        jobs.brief(other_id)
        for other_id in jobs.library.about_content(analysis.sha256, _MOST_OFFERED)
        if other_id != job_id
    ]
    readable = [job for job in about if job.analysis and job.is_readable]
    return sorted(readable, key=lambda job: -comparison.num_shared((analysis, job.analysis or analysis)))


def _label(analysis: Analysis, other: JobSnapshot) -> str:
    report = other.analysis
    assert report
    shared = comparison.num_shared((analysis, report))
    kind = report.request.question[:40] or template_name(report.request.template)
    return joined(other.name, local_time(other.created), kind, model_name(report), t("ui.compare_shared", n=shared))


def model_name(analysis: Analysis) -> str:
    """Return the last part of the name of the model that has answered."""
    return base_name(analysis.answered_by) if analysis.answered_by else t("report.mode_none")


def template_name(key: str) -> str:
    """Return the name of a template, or its key where it no longer exists."""
    template = services().templates.by_key.get(key)
    return template.name.text if template else key


@st.fragment
def _draw_both(job_ids: tuple[str, str]) -> None:
    analyses = [services().jobs.snapshot(job_id).analysis for job_id in job_ids]
    if analyses[0] is None or analyses[1] is None:
        st.rerun()
    both = (analyses[0], analyses[1])
    shared = {"names": _names(both), "nothing": t("ui.compare_nothing")}
    _mount_sides(key="compare-whole", data={**shared, "rows": comparison.whole_rows(both), "heads": _heads(both)})
    st.markdown(f"##### {t('report.frames')}")
    moments = comparison.moments(both)
    if st.toggle(t("ui.compare_only_different"), key="compare_only"):
        moments = [moment for moment in moments if not comparison.is_same(moment, both)]
    pages = max(1, -(-len(moments) // _PAGE))
    first = _PAGE * (st.pagination(pages, key=f"compare_page_{pages}") - 1) if pages > 1 else 0
    rows = comparison.frame_rows(moments[first : first + _PAGE], both, job_ids)
    _mount_sides(key="compare-frames", data={**shared, "rows": rows, "heads": []})


def _names(both: comparison.Both) -> tuple[str, str]:
    """Return the names of both sides, A and B: video, time and model."""
    first, other = (joined(side.video.name, local_time(side.created), model_name(side)) for side in both)
    return f"A · {first}", f"B · {other}"


def _heads(both: comparison.Both) -> list[list[Value]]:
    """Return the facts about each side, marked where they differ."""
    facts = [_facts(analysis) for analysis in both]
    return [
        [{"label": label, "text": text, "differs": facts[1 - index][label] != text} for label, text in side.items()]
        for index, side in enumerate(facts)
    ]


def _facts(analysis: Analysis) -> dict[str, str]:
    asking = sum(analysis.seconds_by_stage.get(stage, 0.0) for stage in ("ask", "summary"))
    usage = analysis.usage
    values = {
        "template": template_name(analysis.request.template),
        "question": analysis.request.question or "—",
        "mode": t(f"report.mode_{analysis.mode}"),
        "frames": str(len(analysis.keyframes)),
        "findings": str(len(analysis.findings)),
        "doubtful": str(sum(bool(finding.issues) for finding in analysis.findings)),
        "tokens": f"{usage.prompt_tokens:,} + {usage.completion_tokens:,}",
        "seconds": exactly(asking),
        "created": local_time(analysis.created),
    }
    return {t(f"ui.compare_fact_{name}"): value for name, value in values.items()}
