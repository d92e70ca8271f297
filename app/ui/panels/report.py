"""A finished analysis: what must be known first, downloads, and the report in tabs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.analysis.export import contact_sheet, frames_as_zip
from app.domain import Analysis, Language
from app.file_names import safe_file_name
from app.i18n import notice_text, t
from app.reports import FORMATS, files_of
from app.reports.files import zipped
from app.ui.components import frames
from app.ui.panels import account, findings, made, said
from app.ui.words import plain

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.wiring import Services


def draw_head(job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    """How the frames were seen, the notices, and the buttons that save the report."""
    if job.state == "done":
        st.markdown(f"#### {t('ui.state_done', language)}")
        st.caption(f"{t('report.mode', language)}: {t(f'report.mode_{analysis.mode}', language)}")
    for notice in analysis.notices:
        if job.error and notice.level == "error":
            continue  # the same sentence stands above, with the ways on
        show = {"error": st.error, "warning": st.warning, "info": st.info}[notice.level]
        show(plain(notice_text(notice, language)))
    with st.container(horizontal=True):
        _draw_downloads(analysis, language)


def _draw_downloads(analysis: Analysis, language: Language) -> None:
    """Each file is made only when its button is pressed: a report with its pictures is not small."""
    stem = Path(safe_file_name(analysis.video.name)).stem
    save = partial(_draw_download, stem, language)
    for name, form in FORMATS.items():
        if form.beside(analysis):
            save(name, f"{form.suffix}.zip", "application/zip", partial(_zipped, name, analysis, stem))
        else:
            save(name, form.suffix, form.mime, partial(form.write, analysis, analysis.request.language))
    if not analysis.keyframes:
        return
    kept_side = max(max(frame.width, frame.height) for frame in analysis.keyframes)
    size = "ui.download_frames_help" if analysis.video.path.is_file() else "ui.download_frames_small"
    about = t(size, language, side=kept_side)
    save("frames", ".frames.zip", "application/zip", partial(frames_as_zip, analysis), about)
    about = t("ui.download_sheet_help", language)
    save("sheet", ".contact-sheet.jpg", "image/jpeg", partial(contact_sheet, analysis), about)


def _zipped(name: str, analysis: Analysis, stem: str) -> bytes:
    """A report with what lies beside it."""
    return zipped(files_of(name, analysis, analysis.request.language, stem + FORMATS[name].suffix))


def _draw_download(
    stem: str,
    language: Language,
    name: str,
    suffix: str,
    mime: str,
    data: Callable[[], bytes],
    about: str | None = None,
) -> None:
    st.download_button(
        t(f"ui.download_{name}", language),
        data=data,
        file_name=stem + suffix,
        mime=mime,
        icon=":material/download:",
        help=about,
        on_click="ignore",
        key=f"download-{name}",
    )


@st.fragment
def draw_tabs(services: Services, job_id: str, language: Language) -> None:
    """Summary, keyframes, what is said, measured facts, how it was made. Only the tab that is open is drawn."""
    job = services.jobs.snapshot(job_id)
    analysis = job.analysis
    if analysis is None or not job.is_over:
        st.rerun()  # it was begun again elsewhere
    named = {t(f"ui.tab_{name}", language): draw for name, draw in _TABS.items() if _is_there(name, analysis)}
    for tab, draw in zip(st.tabs(list(named), key="report_tab", on_change="rerun"), named.values(), strict=True):
        if tab.open:
            with tab:
                draw(services, job, analysis, language)


def _is_there(name: str, analysis: Analysis) -> bool:
    return name != "said" or analysis.transcript is not None


def _draw_summary(services: Services, job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    account.draw(analysis, language)
    if analysis.chunks:
        findings.draw(services, job.id, language)
        return
    st.markdown(f"##### {t('report.frames', language)}")
    frames.draw(
        analysis.keyframes, job.id, language, key="frame-by-frame", layout="list", facts=analysis.facts, with_facts=True
    )


def _draw_frames(_: Services, job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    frames.draw(analysis.keyframes, job.id, language, key="gallery")


def _draw_said(_: Services, job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    if analysis.transcript:
        said.draw(analysis.transcript, language)


def _draw_facts(_: Services, job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    st.caption(t("ui.facts_are_measured", language))
    frames.draw(analysis.keyframes, job.id, language, key="facts", layout="list", facts=analysis.facts, with_facts=True)


def _draw_made(_: Services, job: JobSnapshot, analysis: Analysis, language: Language) -> None:
    made.draw(analysis, language)


_TABS = {
    "summary": _draw_summary,
    "frames": _draw_frames,
    "said": _draw_said,
    "facts": _draw_facts,
    "made": _draw_made,
}
