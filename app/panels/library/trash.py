"""Deleting reports and conversations: to the trash with an undo, and from the trash for good."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from app.components import dialogs
from app.components.controls import button
from app.context import may_change, services
from app.formatting import local_time
from app.panels.work import rows
from app.state import page_state
from framelens.core.errors import InputError
from framelens.i18n import t
from framelens.jobs.stored.bulk_operations import purge
from framelens.reports.content.page_text import joined, plain
from framelens.store.trash import KEPT_DAYS, TrashEntry, TrashKind

_MOST_NAMED = 5
"""Names in a question about deleting."""
_PAGE = 20
"""Lines on a page of the trash."""


# ---- to the trash ----------------------------------------------------------------------------------------------------


def ask_to_delete(chosen: Sequence[str]) -> None:
    """Open a dialog that asks whether to move these analyses to the trash."""
    dialogs.ask(t("library.delete_title", n=len(chosen)), _draw_question, chosen)


def _draw_question(chosen: Sequence[str]) -> None:
    library = services().jobs.library
    entries = library.entries(chosen)
    _draw_names([joined(entry.name, rows.topic_of(entry)) for entry in entries])
    st.markdown(t("library.delete_what", n=len(entries), days=KEPT_DAYS))
    num_videos = _count_videos(chosen, [entry.path for entry in entries], with_trash=False)
    st.markdown(t("library.delete_videos", n=num_videos) if num_videos else t("library.delete_no_videos"))
    dialogs.draw_decision(t("library.delete"), "library_delete", ":material/delete:", _delete, chosen)


def _draw_names(names: Sequence[str]) -> None:
    """List the first names and say how many there are besides."""
    lines = [f"- {plain(name)}" for name in names[:_MOST_NAMED]]
    if num_unlisted := len(names) - _MOST_NAMED if len(names) > _MOST_NAMED else 0:
        lines.append(f"- {t('library.delete_more', n=num_unlisted)}")
    st.markdown("\n".join(lines))


def _count_videos(job_ids: Sequence[str], paths: Sequence[str], *, with_trash: bool) -> int:
    """Count the uploaded videos that no other analysis uses; `with_trash` counts analyses in the trash as users."""
    library, videos = services().jobs.library, services().videos
    uploads = (path for path in set(paths) if videos.is_upload(Path(path)))
    return sum(not library.has_others_on(job_ids, path, with_trash=with_trash) for path in uploads)


def _delete(chosen: Sequence[str]) -> None:
    state, library = page_state(), services().jobs.library
    with state.catching_errors():
        moved, errors = services().jobs.discard(chosen)
        if state.job_id in {entry.id for entry in moved}:
            state.open_job(None)
        state.chosen = frozenset(job_id for job_id in state.chosen if library.entry(job_id))
        offer_undo("report", moved)
        if errors:
            raise errors[0]


def offer_undo(kind: TrashKind, moved: Sequence[TrashEntry]) -> None:
    """Keep the ids of the last deleted items of this kind, for `draw_undo`."""
    st.session_state[f"{kind}_undo"] = tuple(entry.id for entry in moved)


def draw_undo(kind: TrashKind) -> None:
    """Draw a note of the last deleted items of this kind, with a button that restores them."""
    trashed = {entry.id for entry in services().jobs.trash.entries()}  # another page may have restored some
    ids = tuple(item_id for item_id in st.session_state.get(f"{kind}_undo", ()) if item_id in trashed)
    if not ids or not may_change():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(t(f"library.deleted_{kind}", n=len(ids)), width="content")
        undo, close = t("library.undo"), t("library.undo_close")
        button(undo, f"{kind}_undo_deletion", _restore, ids, kind, icon="undo")
        button(close, f"{kind}_undo_close", offer_undo, kind, (), icon="close", kind="tertiary", help=close)


def _restore(ids: Sequence[str], kind: TrashKind = "report") -> None:
    with page_state().catching_errors("ask_error" if kind == "conversation" else "error"):
        restored = services().jobs.trash.restore(ids)
        if not restored:
            raise InputError("trash_unknown", id=ids[0])
        st.toast(t("library.restored", n=len(restored)), icon=":material/undo:")


# ---- in the trash ----------------------------------------------------------------------------------------------------


def draw() -> None:
    """Draw what is in the trash, a page at a time, unless it is empty."""
    entries = services().jobs.trash.entries()
    if not entries or not may_change():
        return
    with st.expander(t("library.trash", n=len(entries)), key="library_trash", icon=":material/delete:"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(t("library.trash_about", days=KEPT_DAYS))
            if st.button(t("library.purge_all"), key="library_purge_all", icon=":material/delete_forever:"):
                _ask_to_purge(entries)
        pages = -(-len(entries) // _PAGE)
        page = st.pagination(pages, key=f"library_trash_page_{pages}") if pages > 1 else 1
        for entry in entries[(page - 1) * _PAGE : page * _PAGE]:
            _draw_entry(entry)


def _draw_entry(entry: TrashEntry) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(entry.name), width="content")
        line = t("library.trash_line", time=local_time(entry.deleted), days=entry.days_left)
        st.caption(f"{t('ask.page.conversation')} · {line}" if entry.kind == "conversation" else line)
        restore, key = t("library.restore"), f"library_restore_{entry.id}"
        button(restore, key, _restore, (entry.id,), icon="undo")
        icon = ":material/delete_forever:"
        if st.button(t("library.purge"), key=f"library_purge_{entry.id}", icon=icon, type="tertiary"):
            _ask_to_purge([entry])


def _ask_to_purge(entries: Sequence[TrashEntry]) -> None:
    dialogs.ask(t("library.purge_title", n=len(entries)), _draw_last_question, entries)


def _draw_last_question(entries: Sequence[TrashEntry]) -> None:
    _draw_names([entry.name for entry in entries])
    st.markdown(t("library.purge_what"))
    num_videos = _count_videos([entry.id for entry in entries], [entry.path for entry in entries], with_trash=True)
    st.markdown(t("library.purge_videos", n=num_videos) if num_videos else t("library.delete_no_videos"))
    dialogs.draw_decision(t("library.purge"), "library_purge", ":material/delete_forever:", _purge, entries)


def _purge(entries: Sequence[TrashEntry]) -> None:
    done = list(purge(services().jobs, services().videos, entries))
    page_state().error = next((item.error for item in done if item.error), None)
    purged = [item for item in done if item.error is None]
    videos = sum(item.with_video for item in purged)
    st.toast(t("library.purged", n=len(purged), videos=videos), icon=":material/delete_forever:")
