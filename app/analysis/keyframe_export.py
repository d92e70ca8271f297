"""From a finished analysis to its keyframes as files: decoded anew at full resolution, or all on one contact sheet."""

from __future__ import annotations

import logging

from app import video
from app.domain import Analysis
from app.errors import AppError
from app.reports.files import frame_entries, zipped
from app.reports.graphics import contact_sheet as sheets

_log = logging.getLogger(__name__)


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
