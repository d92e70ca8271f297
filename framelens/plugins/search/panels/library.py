"""Moments in the Library: a picture as the query beside the search field, and what is found, as pictures."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import streamlit as st

from framelens import AppError, Moment, MomentHits
from framelens.plugin import current_user, in_language, language, t
from framelens.plugin.files import Region, picture_of
from framelens.plugin.processes import BackgroundTask
from framelens.plugin.storage import MOST_CHECKED, LibraryQuery, LibrarySearch, MomentQuery
from framelens.plugin.texts import clock, error_words, plain, single_line
from framelens.plugin_page import PageTools
from framelens.plugins.search.critic import checked, checks_of, in_order, is_judged, verdict_of
from framelens.plugins.search.encoder import QUALITY, SIGLIP, PictureModel
from framelens.plugins.search.moment_index import NEEDS_MODEL, MomentIndex

_AREA = "library_field"
"""Key of the container of the search field, onto which pictures may be dropped."""
_PICTURE, _REFUSED, _KEY, _MORE, _QUERY = "find_picture", "find_refused", "find_moments", "find_more", "find_query"
_FEW, _MOST = 8, 48
"""Moments above the reports that have the words, and with a picture or on demand."""
_SHOWN_SIDE, _KEPT_SIDE = 320, 1280
"""Longer side in pixels of a moment's picture, and of the picture that is searched for, of which a part is chosen."""


@dataclass(frozen=True)
class QueryPicture:
    """A picture that is searched for: its name, itself as a JPEG, and the part that is looked for."""

    name: str
    content: bytes
    region: Region | None = None


def draw_field(ui: PageTools) -> None:
    """Draw the button that takes a picture."""
    search = ui.services.library_search
    if isinstance(search, MomentIndex):
        search.prepare()
    if search is None or not ui.may_change:
        return

    def take(ids: Sequence[str], refused: Sequence[str]) -> None:
        st.session_state[_REFUSED] = tuple(refused)
        with ui.view.catching_errors():
            for upload_id in ids[:1]:
                with ui.services.videos.read_once(upload_id, "picture") as (name, file):
                    content = file.read()
                jpeg = picture_of(name, content, side=_KEPT_SIDE, quality=QUALITY)
                st.session_state[_PICTURE] = QueryPicture(name, jpeg)

    ui.draw_picture_upload(t("search.picture"), key="find_upload", area=_AREA, on_uploaded=take)


def draw_moments(ui: PageTools, asked: LibraryQuery) -> bool:
    """Draw the moments for the words and the picture; return whether no report is found by its texts."""
    search, picture, words = ui.services.library_search, st.session_state.get(_PICTURE), asked.words
    for sentence in st.session_state.get(_REFUSED, ()):
        ui.show_warning(sentence)
    if search is None or not (words or picture):
        return False
    if picture:
        _draw_picture(ui, picture)
    model = PictureModel(ui.services.settings)
    is_offered = bool(model.download_bytes()) and not (isinstance(search, MomentIndex) and search.is_sighted)
    region = picture.region if picture else None
    if is_offered and (region or not picture):
        _draw_offer(ui, model, "search.offer_region" if region else "search.offer")
        return bool(region)
    is_long = bool(picture) or st.session_state.get(_MORE) == words
    limit, among = _MOST if is_long else _FEW + 1, _filtered(ui, replace(asked, words=""))
    content, name = (picture.content, picture.name) if picture else (b"", "")
    try:
        query = MomentQuery(words, content, name, limit, among, region)
        with st.spinner(t("search.searching"), show_time=False):
            hits = search.find(query)
    except AppError as error:
        ui.show_error(error)
        return bool(picture)
    hits = _draw_check(ui, words, hits) if words and hits.moments else hits
    _draw_hits(ui, search, hits if is_long else replace(hits, moments=hits.moments[:_FEW]), has_picture=bool(picture))
    if is_offered:
        _draw_offer(ui, model, "search.offer_picture")
    if not is_long and len(hits.moments) > _FEW:
        ui.button(t("search.more"), "find_more_button", _show_more, words, icon="expand_more", kind="tertiary")
    is_in_texts = any({"words", "meaning"} & set(hit.reasons) for hit in hits.moments)
    return bool(picture) or bool(hits.moments and not is_in_texts)


def _draw_offer(ui: PageTools, model: PictureModel, key: str) -> None:
    """Offer the download of the model, and say what it is for."""
    st.caption(plain(t(key, model=SIGLIP.name, licence=SIGLIP.licence)))
    ui.draw_download(model, key="find")


def _draw_check(ui: PageTools, words: str, hits: MomentHits) -> MomentHits:
    """Draw the button of the model's check or how far the check is, and return the hits with what it says."""
    checks, key = checks_of(ui.services), f"{current_user().id} {words}"
    task = checks.get(key)
    if task and (task.is_running or task.state == "failed"):
        ui.follow(task, _draw_checking, ui, task)
    elif task and task.result:
        if not is_judged(task.result):
            ui.show_warning(t("search.undecided"))
        said = {(moment.job_id, moment.time_seconds): moment for moment in task.result.moments}
        found = (said.get((moment.job_id, moment.time_seconds), moment) for moment in hits.moments)
        return replace(hits, moments=in_order(found))
    elif ui.services.asking.has_model():
        ui.button(t("search.check"), "find_check_button", _start_check, ui, key, words, hits, icon="visibility")
    return hits


def _start_check(ui: PageTools, key: str, words: str, hits: MomentHits) -> None:
    services, spoken = ui.services, language()

    def work(report: Callable[[tuple[int, int]], None], cancel: threading.Event) -> MomentHits:
        with in_language(spoken):
            return checked(services, hits, words, cancel, lambda done, total: report((done, total)))

    checks_of(services).start(key, work, progress=(0, min(MOST_CHECKED, len(hits.moments))))


def _draw_checking(ui: PageTools, task: BackgroundTask[tuple[int, int], MomentHits]) -> None:
    if task.error:
        ui.show_error(task.error)
    elif task.is_running:
        done, total = task.progress or (0, 1)
        st.progress(done / total, t("search.checking", n=min(done + 1, total), all=total))
        ui.button(t("search.stop"), "find_check_stop", task.cancel, icon="stop")


def _filtered(ui: PageTools, filters: LibraryQuery) -> frozenset[str] | None:
    """Return the ids of the reports that the filters leave, None without filters."""
    if filters == LibraryQuery():
        return None
    library = ui.services.jobs.library
    entries = library.find(filters, order="newest", offset=0, limit=library.count(filters))
    return frozenset(entry.id for entry in entries)


def _show_more(words: str) -> None:
    st.session_state[_MORE] = words


def _draw_hits(ui: PageTools, search: LibrarySearch, hits: MomentHits, *, has_picture: bool) -> None:
    if hits.error and hits.error.key != NEEDS_MODEL:
        ui.show_warning(t("search.incomplete", why=error_words(hits.error)))
    if search.num_left:
        ui.follow(search.task, _draw_progress, search)
    if not hits.moments:
        if has_picture:
            st.info(t("search.nothing"), icon=":material/search_off:")
        return
    entries = {entry.id: entry for entry in ui.services.jobs.library.entries({hit.job_id for hit in hits.moments})}
    data = {
        "moments": [_value(ui, hit, ui.cover_url(entries.get(hit.job_id))) for hit in hits.moments],
        "words": {"open_at": t("library.open_at", time="{time}"), "similar": t("search.similar")},
    }
    ids = frozenset(entries)

    def opened() -> None:
        sent = ui.sent(_KEY, "open")
        if isinstance(sent, dict) and sent.get("id") in ids and isinstance(sent.get("seconds"), int | float):
            ui.view.open_job(sent["id"])
            ui.view.go_to(float(sent["seconds"]))

    def search_similar() -> None:
        sent = ui.sent(_KEY, "similar")
        if isinstance(sent, dict) and sent.get("id") in ids:
            with ui.view.catching_errors():
                _search_frame(ui, sent["id"], sent.get("frame"))

    ui.mount("moments", __package__, key=_KEY, data=data, on_open_change=opened, on_similar_change=search_similar)
    if hits.model:
        st.caption(plain(t("search.model", model=hits.model)))


def _value(ui: PageTools, hit: Moment, cover: str) -> dict[str, object]:
    """Return a moment as the browser gets it."""
    frame = f"{ui.api_url(f'jobs/{hit.job_id}/frames/{hit.frame_index}.jpg')}&side={_SHOWN_SIDE}"
    reasons = " · ".join(t(f"search.reason.{reason}") for reason in hit.reasons)
    return {
        "id": hit.job_id,
        "name": single_line(hit.name),
        "seconds": hit.time_seconds,
        "time": clock(hit.time_seconds).partition(".")[0],
        "frame": hit.frame_index,
        "picture": cover if hit.frame_index is None else frame,
        "why": " · ".join(filter(None, (verdict_of(hit), reasons, single_line(hit.text)))),
    }


def _search_frame(ui: PageTools, job_id: str, frame_index: object) -> None:
    """Search for moments that look like a frame."""
    job = ui.services.jobs.snapshot(job_id)
    for frame in job.progress.keyframes:
        if frame.frame_index == frame_index:
            time = clock(frame.time_seconds).partition(".")[0]
            jpeg = picture_of(job.name, frame.jpeg, side=_KEPT_SIDE, quality=QUALITY)
            st.session_state[_PICTURE] = QueryPicture(f"{single_line(job.name)} {time}", jpeg)


def _draw_picture(ui: PageTools, picture: QueryPicture) -> None:
    """Draw the picture that is searched for, with ways to choose a part and to take it away."""

    def forget() -> None:
        st.session_state.pop(_PICTURE, None)

    def choose() -> None:
        region = ui.sent(_QUERY, "region")
        if isinstance(region, list):
            st.session_state[_PICTURE] = replace(picture, region=cast("Region", tuple(region)) if region else None)

    address = f"data:image/jpeg;base64,{base64.b64encode(picture.content).decode()}"
    data = {
        "query": {"picture": address, "name": picture.name, "region": picture.region},
        "words": {name: t(f"search.query.{name}") for name in ("forget", "hint", "keys", "whole")},
    }
    ui.mount("query", __package__, key=_QUERY, data=data, on_forget_change=forget, on_region_change=choose)


def _draw_progress(search: LibrarySearch) -> None:
    if search.num_left:
        st.caption(t("search.indexing", n=search.num_left))
