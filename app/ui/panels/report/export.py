"""Export menu of a report: a button for each format, grouped by use, and one for all formats in a ZIP.

A file is written only when its button is pressed: a report with its pictures is not small.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import get_args

import streamlit as st

from app import video
from app.core import Analysis, AppError, safe_stem
from app.reports import FORMATS, Use, all_files, files_of
from app.reports.files import frame_entries, zipped
from app.reports.graphics import contact_sheet as sheets
from app.ui.context import t

_ZIP = "application/zip"
_log = logging.getLogger(__name__)


def draw(analysis: Analysis, *, is_first: bool = True) -> None:
    """Draw the button that opens the menu; `is_first` where it is the most important action of the page."""
    stem = safe_stem(analysis.video.name)
    save = partial(_button, stem)
    with st.popover(t("ui.save"), type="primary" if is_first else "secondary", icon=":material/download:"):
        for use in get_args(Use):
            _draw_heading(f"save_{use}")
            with st.container(horizontal=True, gap="small"):
                for name, form in FORMATS.items():
                    if form.use == use and form.fits(analysis):
                        _draw_format(save, name, analysis, stem)
        _draw_heading("save_pictures")
        with st.container(horizontal=True, gap="small"):
            if analysis.keyframes:
                about = _size_of_frames(analysis)
                save("frames", ".frames.zip", _ZIP, partial(frames_as_zip, analysis), about)
                about = t("ui.download_sheet_help")
                save("sheet", ".contact-sheet.jpg", "image/jpeg", partial(contact_sheet, analysis), about)
            everything = partial(_zip_all, analysis, stem)
            save("everything", ".zip", _ZIP, everything, t("ui.download_everything_help"))


def _draw_heading(name: str) -> None:
    st.caption(t(f"ui.{name}"))


def _draw_format(save: Callable[..., None], name: str, analysis: Analysis, stem: str) -> None:
    form = FORMATS[name]
    about = t(f"ui.download_{name}_help")
    if form.beside(analysis):
        save(name, f"{form.suffix}.zip", _ZIP, partial(_zip_with_pictures, name, analysis, stem), about)
    else:
        save(name, form.suffix, form.mime, partial(form.write, analysis, analysis.request.language), about)


def _zip_with_pictures(name: str, analysis: Analysis, stem: str) -> bytes:
    return zipped(files_of(name, analysis, analysis.request.language, stem + FORMATS[name].suffix))


def _zip_all(analysis: Analysis, stem: str) -> bytes:
    return zipped(all_files(analysis, analysis.request.language, stem))


def _size_of_frames(analysis: Analysis) -> str:
    kept_side = max(max(frame.width, frame.height) for frame in analysis.keyframes)
    key = "ui.download_frames_help" if analysis.video.path.is_file() else "ui.download_frames_small"
    return t(key, side=kept_side)


def _button(stem: str, name: str, suffix: str, mime: str, data: Callable[[], bytes], about: str) -> None:
    st.download_button(
        t(f"ui.download_{name}"),
        data=data,
        file_name=stem + suffix,
        mime=mime,
        help=about,
        on_click="ignore",
        key=f"download-{name}",
    )


def frames_as_zip(analysis: Analysis) -> bytes:
    """JPEGs and times.csv; the pictures as they were kept where the video can no longer give them."""
    try:
        return zipped(frame_entries(video.full_pictures(analysis.video.path, analysis.keyframes)))
    except AppError as error:
        _log.warning("frames as they were kept, since the video cannot be read: %s", error)
        return zipped(frame_entries(analysis.keyframes))


def contact_sheet(analysis: Analysis) -> bytes:
    """One JPEG with all keyframes as they were kept, headed in the language of the report."""
    return sheets.write(analysis, analysis.request.language)
