"""Keyframes, shots, measurements, sound and subtitles of video files. No model analyses the frames here.

`probe`, `extract`, `extract_named`, `full_pictures`, `Stills`, `subtitles_of` and `sound_pieces` decode in a worker
process, so that a malformed file fails one job and never the server. Importing this package therefore loads no decoder.
Its names are imported on first use: the worker is a module of this package and starts for every file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.video.extractor import (
        extract,
        extract_named,
        full_pictures,
        may_have_subtitles,
        probe,
        sound_pieces,
        subtitles_of,
    )
    from app.video.files import picture_key, sha256_of, version
    from app.video.keyframes.timestamp_selection import Known, Opening
    from app.video.stills import Still, Stills
    from app.video.worker_pool import worker_ready, worker_started

_MODULES = {
    "Known": "keyframes.timestamp_selection",
    "Opening": "keyframes.timestamp_selection",
    "Still": "stills",
    "Stills": "stills",
    "extract": "extractor",
    "extract_named": "extractor",
    "full_pictures": "extractor",
    "may_have_subtitles": "extractor",
    "picture_key": "files",
    "probe": "extractor",
    "sha256_of": "files",
    "sound_pieces": "extractor",
    "subtitles_of": "extractor",
    "version": "files",
    "worker_ready": "worker_pool",
    "worker_started": "worker_pool",
}
__all__ = [
    "Known",
    "Opening",
    "Still",
    "Stills",
    "extract",
    "extract_named",
    "full_pictures",
    "may_have_subtitles",
    "picture_key",
    "probe",
    "sha256_of",
    "sound_pieces",
    "subtitles_of",
    "version",
    "worker_ready",
    "worker_started",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value
