"""Library page: every analysis with its picture, search and filters, and the actions on selected analyses."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import streamlit as st

from app.components import exports, slots, uploader
from app.components.controls import button, choose, show_error, show_refusals, show_warning
from app.context import may_change, services
from app.panels.library import cards, filters, trash
from app.state import page_state
from framelens.core.files import single_line
from framelens.i18n import label, t
from framelens.jobs.stored.bulk_operations import MOST_EXPORTED
from framelens.jobs.stored.report_import import reports_of
from framelens.plugin_page import SaveButton, SaveGroup
from framelens.reports.content.page_text import error_words, plain
from framelens.reports.formats import FORMATS

_POLL_SECONDS = 2.0
_PRESET = ("html", "json")
"""Formats chosen by default: HTML to read, and JSON, which can be imported elsewhere."""
_IMPORTED = "library_imported"
"""Key of the names of the reports that were imported last by their ids, and of those that were there before."""
_MOST_OPENED = 5
"""Imported reports that are named."""


def draw() -> None:
    """Draw the page, and index the analyses that aren't searchable yet in the background."""
    state, indexing = page_state(), services().jobs.indexing
    indexing.begin()
    if search := services().library_search:
        search.begin()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.markdown(f"## {t('ui.page_library')}", width="content")
        if indexing.num_left and not indexing.task.error:  # beside the heading: a line that goes would move the cards
            st.fragment(_draw_indexing, run_every=_POLL_SECONDS)(indexing.num_left)
    st.caption(t("library.about"))
    if may_change():
        _draw_import()  # above all that comes and goes: the uploader keeps its place, and so an upload continues
    if state.error:
        show_error(state.error)
    if indexing.task.error:
        why = error_words(indexing.task.error)
        show_warning(t("library.indexing_failed", why=why))
    trash.draw_undo("report")
    with st.container():  # always there: what is typed into the search isn't drawn again
        filters.draw()
        if not slots.draw("library.moments", filters.query()):
            shown = cards.find_page()
            _draw_actions(shown)
            cards.draw(shown)
    trash.draw()


def _draw_indexing(previous: int) -> None:
    """Show how many analyses are still to be indexed; redraw the page when some were."""
    num_left = services().jobs.indexing.num_left
    if num_left != previous:
        st.rerun()
    st.caption(t("library.indexing", n=num_left))


def _draw_actions(shown: cards.ResultPage) -> None:
    """Draw the buttons of the selection; if it is empty, the number of results, their order, and a button for all."""
    state = page_state()
    with st.container(horizontal=True, vertical_alignment="center"):
        if not state.chosen:
            if shown.entries:
                st.caption(cards.count_text(shown), width="content")
                filters.draw_order()
                ids = tuple(entry.id for entry in shown.entries)
                caption = t("library.choose_page")
                button(caption, "library_all", _choose, ids, icon="select_all")
            return
        chosen = tuple(sorted(state.chosen))
        st.markdown(f"**{t('library.chosen', n=len(chosen))}**", width="content")
        _draw_export(chosen)
        if may_change():
            _draw_ask(chosen)
        if len(chosen) == 2:
            caption = t("library.compare")
            button(caption, "library_compare", _compare, *chosen, icon="compare")
        slots.draw("library.actions", chosen)
        if may_change():
            _draw_tags(chosen)
        if may_change() and st.button(t("library.delete"), key="library_delete", icon=":material/delete:"):
            trash.ask_to_delete(chosen)
        none = t("library.choose_none")
        button(none, "library_none", _choose, (), icon="deselect", kind="tertiary")


def _draw_ask(chosen: Sequence[str]) -> None:
    """Draw the button that opens a conversation about the selected reports, without those that have no frames."""
    ids = [entry.id for entry in services().jobs.library.entries(chosen) if entry.num_frames]
    caption, tip = t("library.ask", n=len(chosen)), None if ids else t("library.ask_without_frames")
    button(caption, "library_ask", page_state().ask_about, ids, icon="forum", disabled=not ids, help=tip)


def _draw_export(chosen: Sequence[str]) -> None:
    with st.popover(t("library.export", n=len(chosen)), icon=":material/download:"):
        if len(chosen) > MOST_EXPORTED:
            st.caption(t("library.export_most", n=MOST_EXPORTED))
            return
        entries = services().jobs.library.entries(chosen)
        unexportable = [entry for entry in entries if not entry.mode]
        if unexportable:
            states = [t(f"library.state.{services().jobs.state_of(entry)}") for entry in unexportable]
            entries_text = [
                t("library.export_one", name=entry.name, state=state)
                for entry, state in zip(unexportable, states, strict=True)
            ]
            names = t("facts.list").join(entries_text)
            text = t("library.export_without", n=len(unexportable), total=len(chosen), names=names)
            show_warning(text)
        labels = {name: label(f"ui.download_{name}", name) for name in FORMATS}
        formats = choose(t("library.export_formats"), labels, "library_formats", st.multiselect, default=_PRESET)
        has_conversations = st.toggle(t("ui.save_conversations"), value=True, key="library_conversations")
        if formats and len(unexportable) < len(chosen):
            options = {"ids": ",".join(chosen), "formats": ",".join(formats)}
            options["conversations"] = str(int(has_conversations))
            text = t("library.export", n=len(chosen) - len(unexportable))
            button = SaveButton(text, exports.export_url("library.zip", **options))
            exports.draw([SaveGroup((button,))], key="library_export", has_choices=True)


def _draw_tags(chosen: Sequence[str]) -> None:
    library = services().jobs.library
    with st.popover(t("library.tag"), icon=":material/sell:"):
        with st.form("library_tag_form", border=False, clear_on_submit=True):
            st.text_input(t("library.tag_new"), key="library_tag_new", max_chars=60)
            st.form_submit_button(t("library.tag_add"), on_click=_tag, args=(chosen,))
        tags = sorted({tag for job_id in chosen if (entry := library.entry(job_id)) for tag in entry.tags})
        if tags:
            st.caption(t("library.tag_off"))
            with st.container(horizontal=True):
                for tag in tags:
                    button(plain(tag), f"library_untag_{tag}", library.untag, chosen, tag, icon="close")


def _tag(chosen: Sequence[str]) -> None:
    """Add the tag that was typed. Enter submits and empties the field; a following click on Add does nothing."""
    page_state().error = None
    if tag := single_line(st.session_state["library_tag_new"]):
        services().jobs.library.tag(chosen, tag)


def _choose(job_ids: Sequence[str]) -> None:
    page_state().chosen = frozenset(job_ids)


def _compare(first: str, second: str) -> None:
    state = page_state()
    state.open_job(first)
    state.compare_with(second)


def _draw_import() -> None:
    """Draw the uploader that imports reports of other machines."""
    with st.expander(t("library.import"), icon=":material/upload_file:"):
        st.caption(t("library.import_about"))
        texts = {word: t(f"library.import_{word}") for word in ("choose", "hint")}
        invitation = uploader.Invitation("report", ".json,.zip", **texts)
        uploader.draw(invitation, key="library_import", on_uploaded=_import)
        show_refusals(page_state().refused)
        new, existing = st.session_state.get(_IMPORTED, ({}, {}))
        _draw_imported(t("library.imported", n=len(new)), new)
        _draw_imported(t("library.imported_before", n=len(existing)), existing)


def _draw_imported(text: str, names: Mapping[str, str]) -> None:
    """Draw a sentence about reports that were imported last, with a button that opens each of the first of them."""
    if not names:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(text, width="content")
        for job_id, name in list(names.items())[:_MOST_OPENED]:
            button(
                plain(name), f"imported_{job_id}", page_state().open_job, job_id, icon="open_in_new", kind="tertiary"
            )


def _import(uploads: Sequence[str], refused: Sequence[str]) -> None:
    state = page_state()
    state.refused = tuple(refused)
    new, existing = dict[str, str](), dict[str, str]()
    st.session_state[_IMPORTED] = (new, existing)
    with state.catching_errors(), ExitStack() as opened:
        files = [opened.enter_context(services().videos.read_once(upload, "report")) for upload in uploads]
        for analysis in reports_of(files):
            target = existing if services().jobs.imported(analysis) else new
            target[services().reports.add(analysis)] = analysis.video.name
