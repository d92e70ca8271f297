"""Models page: the model in use, the recommended models, all models, and in a fold what experts set and calculate."""

from contextlib import suppress

import streamlit as st

from framelens import AppError
from framelens.plugin import requires, t
from framelens.plugin.machine import HardwareProfile
from framelens.plugin.models import Catalogue
from framelens.plugin.texts import error_words, plain
from framelens.plugin_page import PageTools
from framelens.plugins.models.panels import (
    answers,
    cards,
    current_model,
    memory_calculator,
    model_form,
    remote_engine,
    table,
)


def _draw_way_back(ui: PageTools) -> None:
    """Draw the button that leads back to the open report or video, with everything that was typed there."""
    state = ui.view
    with suppress(AppError):
        if state.job_id:
            name = ui.services.jobs.snapshot(state.job_id).name
        elif state.video_id:
            name = ui.services.videos.name(state.video_id)
        else:
            return
        st.button(
            plain(t("models.page.back", name=name)),
            key="models_back",
            icon=":material/arrow_back:",
            on_click=state.go_to_page,
            args=("analyse",),
        )


@requires("administrator")
def draw(ui: PageTools) -> None:
    """Draw the page. The engine's state refreshes by itself, the rest on interaction."""
    st.markdown(f"## {t('ui.page_models')}")
    _draw_way_back(ui)
    catalogue, here = Catalogue.load(ui.services.settings.data_dir / "models"), HardwareProfile.here()
    current_model.draw(ui)
    st.markdown(f"##### {t('models.page.choose')}")
    cards.draw(ui)
    remote_engine.draw(ui)
    with st.expander(t("models.page.all"), icon=":material/list:", expanded=model_form.is_chosen()):
        model_form.draw(ui, catalogue, here)
        table.draw(ui, catalogue, here)
    for problem in catalogue.problems:
        st.warning(plain(error_words(problem)), icon=":material/warning:")
    ui.draw_parts("models.extra", catalogue)
    with st.expander(t("models.page.experts"), icon=":material/tune:"):
        with st.expander(t("models.page.answers")):
            answers.draw(ui)
        with st.expander(t("models.page.size")):
            table.draw_sizes(ui, catalogue, here)
        with st.expander(t("models.page.calculation")):
            memory_calculator.draw(ui, catalogue, here)
        ui.draw_parts("models.experts", catalogue)
        with st.expander(t("models.page.formats")):
            memory_calculator.draw_formats(ui)
