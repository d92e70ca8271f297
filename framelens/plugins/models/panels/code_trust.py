"""Program code of the chosen model: files with sizes and hashes, revision, and the confirmation that lets it run.

The confirmation is of the files that were listed, even if the folder changes meanwhile. Names come from a stranger and
are never drawn as Markdown.
"""

from collections.abc import Callable

import streamlit as st

from app.components.controls import button, show_error, show_warning
from app.context import services
from app.formatting import plain
from framelens.core.errors import AppError
from framelens.core.units import human_size
from framelens.i18n import t
from framelens.plugins.models.formatting import code_lines
from framelens.plugins.models.panels.form_state import form_state
from framelens.plugins.models.selection import ModelChoice
from framelens.plugins.models.trust.code_trust import ModelCode, find_code, trust_code, untrust_code
from framelens.plugins.models.trust.remote_code import SHORT
from framelens.reports.content.labels import one_line, printable

_HASH = "model_code_hash"


def draw(choice: ModelChoice, on_trusted: Callable[[], None]) -> None:
    """Draw the code of a model on this machine, if it has code that would run.

    Args:
        choice: The model.
        on_trusted: Called in the run after the code was confirmed, before the page is drawn.
    """
    if choice.folder is None:
        return
    try:
        found = find_code(services().settings.data_dir, choice.model, choice.folder)
    except AppError as error:
        show_error(error)
        return
    if found.state == "none":
        return
    title = t(f"models.page.code_{found.state}", n=len(found.code.files))
    with st.expander(title, icon=":material/code:", expanded=found.state != "trusted"):
        _draw_facts(found)
        if found.state == "trusted":
            button(t("models.page.code_withdraw"), "model_code_withdraw", _withdraw, found)
        else:
            _draw_confirmation(found, on_trusted)


def _draw_facts(found: ModelCode) -> None:
    code = found.code
    st.caption(plain(t("models.code_of", model=one_line(found.model), folder=printable(str(code.folder)))))
    for line in code_lines(code):
        st.caption(plain(line))
    if found.state == "changed":
        show_warning(t("models.code_changes", files=", ".join(found.changes)), "difference")
    titles = [t(f"models.page.code_column_{name}") for name in ("file", "size", "hash")]
    rows = [(one_line(file.name), human_size(file.num_bytes), file.sha256) for file in code.files]
    st.dataframe([dict(zip(titles, row, strict=True)) for row in rows], hide_index=True)


def _draw_confirmation(found: ModelCode, on_trusted: Callable[[], None]) -> None:
    """Draw what has to be typed, or why this code can't run at all."""
    try:
        found.code.check(found.model)
    except AppError as error:
        show_error(error)
        return
    st.warning(t("models.page.code_risk"), icon=":material/warning:")
    st.caption(plain(t("models.code_hash", hash=found.code.digest)))
    st.text_input(t("models.page.code_type", n=SHORT), key=_HASH, autocomplete="off")
    label = t("models.page.code_allow")
    button(label, "model_code_allow", _allow, found, on_trusted, icon="key")


def _allow(found: ModelCode, on_trusted: Callable[[], None]) -> None:
    opened = services()
    with form_state().catching_errors():
        trust_code(opened.settings.data_dir, found, str(st.session_state.get(_HASH, "")), opened.jobs.audit)
        st.session_state[_HASH] = ""
        on_trusted()
        st.toast(t("models.page.code_done"), icon=":material/check_circle:")


def _withdraw(found: ModelCode) -> None:
    opened = services()
    with form_state().catching_errors():
        untrust_code(opened.settings.data_dir, found.model, opened.jobs.audit)
