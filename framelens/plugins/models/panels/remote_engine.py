"""Remote engine: its address, key and model, a test of what it serves, and the switch to it."""

import streamlit as st

from framelens import AppError, notice_text
from framelens.plugin import t
from framelens.plugin.texts import plain
from framelens.plugin_page import PageTools
from framelens.plugins.models.panels.current_model import is_changing
from framelens.plugins.models.remote_query import RemoteEngineReport
from framelens.plugins.models.tasks import tasks_of

_URL, _KEY, _MODEL, _ERROR = "elsewhere_url", "elsewhere_key", "elsewhere_model", "elsewhere_error"


def draw(ui: PageTools) -> None:
    """Draw the fields, the two buttons, and the outcome of the test."""
    is_open = ui.view.open_section == "remote"
    with st.expander(t("models.remote.title"), icon=":material/lan:", expanded=is_open):
        st.caption(t("models.remote.about"))
        example = "http://192.168.1.20:8000/v1"
        st.text_input(t("models.remote.url"), key=_URL, placeholder=example, persist_state="session")
        left, right = st.columns(2)
        left.text_input(t("models.remote.model"), key=_MODEL, persist_state="session",
                        placeholder=t("models.remote.model_example"))  # fmt: skip
        right.text_input(t("models.remote.key"), key=_KEY, type="password", persist_state="session")
        ui.follow(tasks_of(ui.services).remote_query, _draw, ui)


def _draw(ui: PageTools) -> None:
    query = tasks_of(ui.services).remote_query
    is_incomplete = not (st.session_state.get(_URL) or "").strip()
    with st.container(horizontal=True, gap="small"):
        label, is_blocked = t("models.remote.test"), is_incomplete or query.is_running
        ui.button(label, "elsewhere_test", _test, ui, icon="network_check", disabled=is_blocked)
        ui.button(
            t("models.remote.use"), "elsewhere_use", _use, ui, kind="primary", disabled=is_incomplete or is_changing(ui)
        )
    if error := st.session_state.get(_ERROR) or (query.error if query.state == "failed" else None):
        ui.show_error(error)
    elif query.is_running and query.progress:
        ui.draw_engine_phase(query.progress)
    elif query.result:
        _draw_answer(query.result)


def _draw_answer(answer: RemoteEngineReport) -> None:
    sees = {True: "yes", False: "no", None: "unknown"}[answer.sees]
    lines = [t("models.remote.answers", url=answer.base_url, model=answer.model)]
    lines.append(t(f"models.remote.sees_{sees}"))
    if len(answer.served) > 1:
        lines.append(t("models.remote.serves", models=", ".join(answer.served[:20])))
    lines += map(notice_text, answer.notices)
    show = st.success if answer.sees and not answer.notices else st.warning
    show(plain("\n".join(lines)), icon=":material/check_circle:" if answer.sees else ":material/visibility_off:")


def _fields() -> dict[str, str]:
    names = {"base_url": _URL, "api_key": _KEY, "model": _MODEL}
    return {name: (st.session_state.get(key) or "").strip() for name, key in names.items()}


def _test(ui: PageTools) -> None:
    st.session_state[_ERROR] = None
    try:
        tasks_of(ui.services).query_remote_engine(**_fields())
    except AppError as error:
        st.session_state[_ERROR] = error


def _use(ui: PageTools) -> None:
    """Switch to the engine; running analyses are finished first, whatever is chosen for local models."""
    st.session_state[_ERROR] = None
    try:
        ui.services.model_switch.begin(ui.services.model_switch.with_remote_engine(ui.services.settings, **_fields()))
    except AppError as error:
        st.session_state[_ERROR] = error
