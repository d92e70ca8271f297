"""Corrections on the page: the report in place of its document, in which every text can be changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, get_args

import streamlit as st

from framelens import Analysis, AppError, Keyframe
from framelens.plugin import current_user, in_language, language, t
from framelens.plugin.analyses import JobSnapshot
from framelens.plugin.command_line import parse_seconds
from framelens.plugin.corrections import (
    LONGEST_AUTHOR,
    MOST_CHARACTERS,
    Correction,
    CorrectionKind,
    Draft,
    ReportItem,
    items_of,
    proposals,
    redoable,
    undoable,
)
from framelens.plugin.processes import BackgroundTask
from framelens.plugin.reports import plain_text, written_by
from framelens.plugin.texts import clock, error_words, labelled, plain
from framelens.plugin_page import PageTools
from framelens.plugins.corrections.rewrite import WAYS, Rewritten, rewrite, rewrites_of
from framelens.plugins.corrections.transfer import Offer, offered, sentence_of, take_over

_OPEN, _AUTHOR, _ANSWERED, _CHANGED = (f"corrections_{name}" for name in ("open", "author", "answered", "changed"))
"""Keys of the session: the report that is corrected, the person's name, what became of the last change, and whether
the whole page has to be drawn again."""
_DIFFERENCES = "corrections_differences"
_RUNS, _OFFERS = "corrections_runs", "corrections_offers"
"""Keys of the session: number of rewritings, and offers of earlier corrections by report, None for a refused one."""
_COMPONENT = "corrections"
_MOST_OFFERED = 8
"""Corrections of an earlier report that are shown before they are taken over."""
_PAGE = 80
"""Items on a page."""
_SIDE = 320
"""Longest side of a picture in pixels."""
_LABELS = (
    *("title", "note", "answer", "summary", "finding", "reply", "chapter", "added", "pictures", "frame", "rests_on"),
    *("or_time", "save", "cancel", "correct", "write", "strike", "restore", "bring_back", "original", "add", "nothing"),
    *("left_out", "no_differences", "remark"),
)


def draw_entry(ui: PageTools, job: JobSnapshot, analysis: Analysis) -> None:
    """Draw the button that opens the report for corrections."""
    if ui.may_change and job.is_over:
        ui.button(t("corrections.open"), "corrections_entry", _open, ui, job.id, icon="edit_note", kind="tertiary")


def _open(ui: PageTools, job_id: str) -> None:
    ui.close_menu()
    st.session_state[_OPEN] = job_id
    st.session_state.pop(_ANSWERED, None)


def _close() -> None:
    st.session_state.pop(_OPEN, None)
    st.session_state[_CHANGED] = True


def draw(ui: PageTools, job: JobSnapshot, analysis: Analysis) -> bool:
    """Draw the report to be corrected, if it is open for that; return whether it is."""
    if st.session_state.pop(_CHANGED, False):
        st.rerun()  # the head of the page shows the title, too
    if not (ui.may_change and job.is_over):
        return False
    _draw_offer(ui, job)
    _draw_unmatched(ui, analysis)
    if st.session_state.get(_OPEN) != job.id:
        return False
    analysis, log = ui.services.reports.get(job.id) or analysis, job.corrections
    _draw_bar(ui, job.id, log)
    _draw_rewriting(ui, job.id)
    _draw_proposals(ui, job.id, log)
    differences = bool(st.session_state.get(_DIFFERENCES))
    items = [item for item in items_of(analysis) if item.kind != "picture"]
    shown = _draw_pages([item for item in items if item.correction] if differences else items)
    data = {
        "items": list(map(_value, shown)),
        "frames": list(_frames(ui, job, analysis)),
        "revision": len(log),
        "words": {name: t(f"corrections.{name}") for name in _LABELS},
        "most": MOST_CHARACTERS,
        "differences": differences,
        "answered": st.session_state.get(_ANSWERED),
    }
    ui.mount(_COMPONENT, __package__, key=_COMPONENT, data=data, on_act_change=partial(_on_act, ui, job.id))
    return True


def _draw_offer(ui: PageTools, job: JobSnapshot) -> None:
    """Offer the corrections of an earlier report on the same video that still fit, if there are any."""
    offers: dict[str, Offer | None] = st.session_state.setdefault(_OFFERS, {})
    if job.corrections:
        offers.pop(job.id, None)
        return
    if job.id not in offers:
        offers[job.id] = offered(ui.services, job)
    offer = offers[job.id]
    if offer is None:
        return
    with st.container(border=True, key="corrections_offer"):
        st.markdown(sentence_of(offer))
        for draft in offer.drafts[:_MOST_OFFERED]:
            st.caption(plain(labelled(draft.author or t("report.somebody"), draft.text or t("corrections.struck"))))
        with st.container(horizontal=True):
            act = partial(_take_over, ui, job.id, offer)
            ui.button(t("corrections.take_over"), "corrections_take", act, icon="check", disabled=not offer.drafts)
            ui.button(t("corrections.not_now"), "corrections_not", partial(offers.update, {job.id: None}))
            ui.button(t("corrections.earlier"), "corrections_earlier", ui.view.open_job, offer.job_id)


def _take_over(ui: PageTools, job_id: str, offer: Offer) -> None:
    st.session_state[_CHANGED] = True
    with ui.view.catching_errors():
        take_over(ui.services, job_id, offer, _author(()))
        _open(ui, job_id)


def _draw_pages(items: list[ReportItem]) -> list[ReportItem]:
    """Return the items of a page, with a search and the page buttons above them where there are many."""
    if len(items) <= _PAGE:
        return items
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label, icon = t("ui.report_search"), ":material/search:"
        text = st.text_input(label, key="corrections_search", icon=icon, max_chars=200, width=320).strip().casefold()
        matching = [item for item in items if text in f"{item.text} {item.original}".casefold()]
        pages = max(1, -(-len(matching) // _PAGE))
        first = _PAGE * (st.pagination(pages, key=f"corrections_page_{pages}") - 1) if pages > 1 else 0
    return matching[first : first + _PAGE]


def _draw_bar(ui: PageTools, job_id: str, log: tuple[Correction, ...]) -> None:
    """Draw undo, redo, the view of differences, the person's name where there are no accounts, and the way out."""
    author = _author(log)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="corrections_bar"):
        for kind, step in (("undo", undoable(log, author)), ("redo", redoable(log, author))):
            act = partial(_change, ui, job_id, Draft("undo" if kind == "undo" else "redo"))
            label, key = t(f"corrections.{kind}"), f"corrections_{kind}"
            ui.button(label, key, act, icon=kind, kind="tertiary", disabled=not step)
        st.toggle(t("corrections.differences"), key=_DIFFERENCES)
        key = f"rewrite_{st.session_state.get(_RUNS, 0)}"  # another one is closed
        with st.popover(t("rewrite.open"), icon=":material/ink_pen:", type="tertiary", key=key):
            _draw_rewrite(ui, job_id, log)
        ui.button(t("corrections.done"), "corrections_done", _close, icon="check", kind="primary")
        if not current_user().name:
            label = t("corrections.your_name")
            st.text_input(label, value=author, key=_AUTHOR, max_chars=LONGEST_AUTHOR, width=180)
    st.caption(t("corrections.help"))


def _draw_rewrite(ui: PageTools, job_id: str, log: tuple[Correction, ...]) -> None:
    """Draw the choice of a way to rewrite the report, and the button that begins it."""
    st.caption(t("rewrite.help"))
    templates = {key: t("rewrite.template", name=ui.template_name(key)) for key in ui.services.templates.by_key}
    labels = {**{way: t(f"rewrite.{way}") for way in WAYS}, **templates, "": t("rewrite.words")}
    way = ui.choose(t("rewrite.way"), labels, "rewrite_way")
    if not way:
        way = st.text_input(t("rewrite.words"), key="rewrite_words", placeholder=t("rewrite.words_example"))
    act = partial(_begin_rewrite, ui, job_id, way, _author(log))
    ui.button(t("rewrite.start"), "rewrite_start", act, icon="ink_pen", kind="primary", disabled=not way)


def _begin_rewrite(ui: PageTools, job_id: str, way: str, author: str) -> None:
    services, spoken = ui.services, language()
    st.session_state[_RUNS] = st.session_state.get(_RUNS, 0) + 1

    def work(report: Callable[[tuple[int, int]], None], cancel: threading.Event) -> Rewritten:
        with in_language(spoken):
            return rewrite(services, job_id, way, author, cancel, report)

    rewrites_of(services).start(job_id, work, progress=(0, 0))


def _draw_rewriting(ui: PageTools, job_id: str) -> None:
    """Draw how far the rewriting is, or what came of it."""
    task = rewrites_of(ui.services).get(job_id)
    if task and (task.is_running or task.state == "failed"):
        ui.follow(task, _draw_task, ui, task)
    elif task and task.result:
        st.success(t("rewrite.done", n=task.result.num_rewritten, left=task.result.num_left), icon=":material/ink_pen:")
        rewrites_of(ui.services).pop(job_id)


def _draw_task(ui: PageTools, task: BackgroundTask[tuple[int, int], Rewritten]) -> None:
    if task.error:
        ui.show_error(task.error)
    elif task.is_running:
        done, requests = task.progress or (0, 0)
        st.progress(done / requests if requests else 0.0, t("rewrite.running", n=done + 1, all=max(1, requests)))
        ui.button(t("rewrite.stop"), "rewrite_stop", task.cancel, icon="stop")


def _author(log: tuple[Correction, ...]) -> str:
    """Return the name of the person who corrects: the account's, what was typed, or that of the last correction."""
    typed = st.session_state.get(_AUTHOR)
    return current_user().name or (typed if typed is not None else log[-1].author if log else "")


def _draw_proposals(ui: PageTools, job_id: str, log: tuple[Correction, ...]) -> None:
    """Draw what two people have written for the same item, with a button for each."""
    for proposal in proposals(log):
        rival = next((entry for entry in reversed(log) if entry.key == proposal.key and not entry.is_proposal), None)
        with st.container(border=True, key=f"corrections_proposal_{proposal.number}"):
            names = [_name(entry) for entry in (proposal, rival) if entry]
            ui.show_warning(t("corrections.met", first=names[-1], second=names[0]), "group")
            for entry in filter(None, (rival, proposal)):
                st.markdown(f"**{plain(_name(entry))}** — {plain(entry.text or t('corrections.struck'))}")
            with st.container(horizontal=True):
                accept = replace_draft(proposal)
                act = partial(_change, ui, job_id)
                ui.button(t("corrections.keep", name=names[-1]), f"keep_{proposal.number}", act, _dismissed(proposal))
                ui.button(t("corrections.use", name=names[0]), f"use_{proposal.number}", act, accept)


def _name(entry: Correction) -> str:
    return entry.author or t("report.somebody")


def replace_draft(proposal: Correction) -> Draft:
    """Return the draft that puts a proposal in force."""
    return Draft(proposal.kind, proposal.target, proposal.text, proposal.frames, proposal.time_seconds)


def _dismissed(proposal: Correction) -> Draft:
    return Draft("undo", str(proposal.number))


def _draw_unmatched(ui: PageTools, analysis: Analysis) -> None:
    """Say which corrections have no place any more, because a later run wrote other sentences."""
    lost = analysis.corrections.lost if analysis.corrections else ()
    if lost:
        ui.show_warning(t("corrections.unmatched", n=len(lost)))
    for entry in lost:
        st.caption(plain(f"{entry.was} → {entry.text or t('corrections.struck')}"))


def _value(item: ReportItem) -> dict[str, object]:
    """Return an item as a value for the browser."""
    cited = [item.times[number] for number in item.frames if number in item.times]
    named = [] if item.time_seconds is None else [item.time_seconds]
    times = named if item.kind == "chapter" else [*cited, *named]
    person = item.correction.authorship(item.original) if item.correction else None
    return {
        "key": item.key,
        "kind": item.kind,
        "question": item.question,
        "about": item.correction.was if item.correction and item.kind == "remark" else "",
        "text": item.text,
        "original": item.original,
        "frames": list(item.frames),
        "time": clock(named[0]) if named and item.kind != "chapter" else "",
        "times": [{"text": clock(at, digits=1), "seconds": at} for at in times],
        "doubts": t("facts.list").join(t(f"unverified.{issue}") for issue in item.issues),
        "by": plain_text(written_by(person)).strip() if not item.is_struck else _struck_by(item),
        "struck": item.is_struck,
        "can_strike": item.kind != "title" and bool(item.text),
        "can_remark": item.kind in ("answer", "summary", "finding", "reply") and bool(item.text),
        "can_restore": item.correction is not None and (bool(item.original) or item.kind == "title"),
    }


def _struck_by(item: ReportItem) -> str:
    assert item.correction
    person = replace(item.correction.authorship(), original=item.original)
    return f"{t('corrections.struck')}{plain_text(written_by(person))}"


def _frames(ui: PageTools, job: JobSnapshot, analysis: Analysis) -> Iterator[dict[str, object]]:
    """Yield the keyframes that have a picture, with those that are left out."""
    struck = {item.frames[0] for item in items_of(analysis) if item.kind == "picture" and item.is_struck}
    for frame in job.progress.keyframes:
        if frame.jpeg:
            yield _frame_value(ui, job.id, frame, is_off=frame.number in struck)


def _frame_value(ui: PageTools, job_id: str, frame: Keyframe, *, is_off: bool) -> dict[str, object]:
    side = _SIDE if max(frame.width, frame.height) > _SIDE else None
    time, src = clock(frame.time_seconds, digits=1), ui.picture_url(job_id, frame, side)
    return {"number": frame.number, "seconds": frame.time_seconds, "time": time, "src": src, "off": is_off}


def _on_act(ui: PageTools, job_id: str) -> None:
    sent = ui.sent(_COMPONENT, "act")
    if not isinstance(sent, dict) or sent.get("kind") not in get_args(CorrectionKind):
        return
    try:
        draft = _draft_of(sent)
    except AppError as error:
        st.session_state[_ANSWERED] = {"id": sent.get("id"), "error": error_words(error)}
        return
    revision = sent.get("revision")
    _change(ui, job_id, draft, revision if isinstance(revision, int) else None, str(sent.get("id")))


def _draft_of(sent: dict[str, Any]) -> Draft:
    """Return the draft that the browser has sent. Raises ConfigError if its time is no time."""
    typed = str(sent.get("time") or "").strip()
    frames = tuple(number for number in sent.get("frames") or () if isinstance(number, int))
    seconds = parse_seconds(typed) if typed else None
    return Draft(sent["kind"], str(sent.get("target") or ""), str(sent.get("text") or ""), frames, seconds)


def _change(ui: PageTools, job_id: str, draft: Draft, revision: int | None = None, sent_id: str = "") -> None:
    """Append a draft to the log, and keep what became of it for the field that it comes from."""
    error = ""
    try:
        log = ui.services.jobs.snapshot(job_id).corrections
        ui.services.reports.correct(job_id, [draft], revision=revision, author=_author(log))
    except AppError as refused:
        error = error_words(refused)
        if not sent_id or draft.kind not in ("replace", "add"):
            ui.view.error = refused
    st.session_state[_ANSWERED] = {"id": sent_id, "error": error}
    st.session_state[_CHANGED] = True
