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

from app.video.version import version  # at once: later, the module of this name would hide it

if TYPE_CHECKING:
    from app.video.client import extract, extract_named, full_pictures, probe
    from app.video.digest import picture_key, sha256_of
    from app.video.named import Known
    from app.video.opening import Opening
    from app.video.sound import sound_pieces
    from app.video.spare import child_begun, child_ready
    from app.video.stills import Still, Stills
    from app.video.subtitles import may_have_subtitles, subtitles_of

_MODULES = {
    "Known": "named",
    "Opening": "opening",
    "Still": "stills",
    "Stills": "stills",
    "child_begun": "spare",
    "child_ready": "spare",
    "extract": "client",
    "extract_named": "client",
    "full_pictures": "client",
    "may_have_subtitles": "subtitles",
    "picture_key": "digest",
    "probe": "client",
    "sha256_of": "digest",
    "sound_pieces": "sound",
    "subtitles_of": "subtitles",
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
