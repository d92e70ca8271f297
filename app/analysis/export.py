"""From a finished analysis to its keyframes as files, decoded anew from the video at full resolution."""

from __future__ import annotations

import logging

from app import video
from app.domain import Analysis
from app.errors import AppError
from app.reports import frames_zip

_log = logging.getLogger(__name__)


def frames_as_zip(analysis: Analysis) -> bytes:
    """JPEGs and times.csv; the pictures as they were kept where the video can no longer give them."""
    try:
        return frames_zip.zipped(video.full_pictures(analysis.video.path, analysis.keyframes))
    except AppError as error:
        _log.warning("frames as they were kept, since the video cannot be read: %s", error)
        return frames_zip.zipped(analysis.keyframes)
