"""Missing model, shown before a start: what has to be downloaded, whether it fits, and which alternatives there are.

Nothing is drawn where the model is on this machine or served elsewhere.
"""

from collections.abc import Mapping

import streamlit as st

from app.core import current_user, human_size, require
from app.i18n import t
from app.models import need_text
from app.services import (
    ModelCandidate,
    Readiness,
    choose_local_model,
    confirmed_downloads,
    download_text,
    hardware_profile,
    latest_trials,
    speed_text,
)
from app.services.readiness import readiness
from app.store import Measured
from app.ui import error_words, page_state, plain, services
from app.ui.model_selection import config_text
from app.ui.panels.models.current_model import is_switching


def ready() -> Readiness:
    """Return whether an analysis would get a model now, and what it would cost."""
    return readiness(services().settings, services().engine)


def draw(now: Readiness) -> None:
    """Draw the box above the start button."""
    if now.kind == "ready":
        return
    with st.container(border=True, gap="small", key="model_missing"):
        if now.model:
            st.markdown(f":material/download: **{plain(t('models.missing.absent', model=now.model.name))}**")
            _draw_cost(now, now.model)
        else:
            st.markdown(f":material/visibility_off: **{t('models.missing.none')}**")
            if now.error:
                with st.expander(t("ui.engine_why")):
                    st.caption(plain(error_words(now.error)))
        _draw_offers(now)


def draw_short(now: Readiness, *, key: str) -> None:
    """Draw a note that there is no model and the button that leads to one, in place of a button that asks it."""
    words = t("models.missing.none")
    if now.model:
        words = t("models.missing.absent", model=now.model.name)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plain(words), width="content")
        draw_choose(key=key, primary=True)


def fits(now: Readiness) -> bool:
    """Return whether the model that would be downloaded has room here, as far as that is known."""
    return now.has_room and (now.model is None or now.model.need is None or now.model.need.fits)


def start_words(now: Readiness, videos: int = 1) -> str:
    """Return the label of the start button."""
    several = "_all" if videos > 1 else ""
    if now.kind == "none":
        return t(f"ui.start_without{several}", n=videos)
    if now.model is None:
        return t(f"ui.start{several}", n=videos)
    if not now.model.download_bytes:
        return t(f"ui.start_download_unknown{several}", n=videos)
    return t(f"ui.start_download{several}", n=videos, size=human_size(now.model.download_bytes))


def confirm(now: Readiness) -> None:
    """Allow the analysis that is about to start to download the model.

    Raises:
        InputError: "role_administrator": the reader may not download models.
        StorageError: The consent can't be stored.
    """
    if now.kind == "download" and now.model:
        require("administrator")
        confirmed_downloads(services().settings).add(now.model.model)


def draw_choose(*, key: str = "choose_model", primary: bool = False) -> None:
    """Draw the button that leads an administrator to the Models page, from which one click leads back."""
    if not current_user().may("administrator"):
        return
    st.button(
        t("ui.choose_model"),
        key=key,
        type="primary" if primary else "secondary",
        icon=":material/neurology:",
        on_click=page_state().go_to_page,
        args=("models",),
    )


def _draw_cost(now: Readiness, model: ModelCandidate) -> None:
    words = download_text(model.download_bytes, now.free_bytes)
    lines = [words] if now.has_room else []
    lines += [need_text(model.need)] if model.need and model.need.fits else []
    lines += [_speed(model, _measured())]
    st.caption(plain("\n".join(filter(None, lines))))
    if not now.has_room:
        st.warning(plain(words), icon=":material/hard_drive:")
    if model.need and not model.need.fits:
        st.warning(plain(need_text(model.need)), icon=":material/memory:")


def _draw_offers(now: Readiness) -> None:
    if not current_user().may("administrator"):
        return
    if now.offers:
        st.caption(t("models.missing.offers"))
    measured, is_better = _measured(), not fits(now)
    for place, one in enumerate(now.offers):
        _draw_offer(one, _speed(one, measured), primary=is_better and place == 0)
    with st.container(horizontal=True, gap="small"):
        draw_choose(key="missing_choose")
        st.button(
            t("models.missing.remote"),
            key="missing_remote",
            icon=":material/lan:",
            on_click=page_state().go_to_page,
            args=("models", "remote"),
        )


def _draw_offer(one: ModelCandidate, speed: str, *, primary: bool) -> None:
    size = human_size(one.download_bytes or 0)
    place = t("models.missing.here" if one.download_bytes == 0 else "models.missing.size", size=size)
    with st.container(gap=None):
        st.button(
            plain(t("models.missing.use", model=one.name)),
            key=f"missing_use_{one.model}",
            type="primary" if primary else "secondary",
            width="stretch",
            disabled=is_switching(),
            on_click=_choose,
            args=(one,),
        )
        st.caption(plain(" · ".join(filter(None, (one.licence, place, speed)))))


def _measured() -> Mapping[str, Measured]:
    return latest_trials(services().settings.data_dir, hardware_profile.here().device)


def _speed(one: ModelCandidate, measured: Mapping[str, Measured]) -> str:
    return speed_text(one.pace, one.entry is None or one.entry.sees, measured.get(one.model))


def _choose(one: ModelCandidate) -> None:
    with page_state().catching_errors():
        choose_local_model(services(), one.model, config_text(one.config or {}))
