"""From a video file to its keyframes and what can be measured on them.

`probe`, `extract`, `extract_named`, `full_pictures`, `Stills`, `subtitles_of` and `sound_pieces` do their decoding in a
child process, so that a malformed file costs one job and never the server; importing this package therefore loads no
decoder.
It loads nothing else before it is used either: the child, which is a module of it, starts for every file.
What a model says about the frames is not done here.
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
    from app.video.hashing import picture_key, sha256_of, version
    from app.video.keyframes.timestamp_selection import Known, Opening
    from app.video.stills import Still, Stills
    from app.video.worker_pool import child_begun, child_ready

_MODULES = {
    "Known": "keyframes.timestamp_selection",
    "Opening": "keyframes.timestamp_selection",
    "Still": "stills",
    "Stills": "stills",
    "child_begun": "worker_pool",
    "child_ready": "worker_pool",
    "extract": "extractor",
    "extract_named": "extractor",
    "full_pictures": "extractor",
    "may_have_subtitles": "extractor",
    "picture_key": "hashing",
    "probe": "extractor",
    "sha256_of": "hashing",
    "sound_pieces": "extractor",
    "subtitles_of": "extractor",
    "version": "hashing",
}
__all__ = [
    "Known",
    "Opening",
    "Still",
    "Stills",
    "child_begun",
    "child_ready",
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
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value
