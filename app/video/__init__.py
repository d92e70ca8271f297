"""From a video file to its keyframes and what can be measured on them.

`probe`, `extract`, `extract_named`, `full_pictures`, `subtitles_of` and `sound_pieces` do their decoding in a child
process, so that a malformed file costs one job and never the server; importing this package therefore loads no decoder.
What a model says about the frames is not done here.
"""

from app.video.client import extract, extract_named, full_pictures, probe
from app.video.digest import picture_key, sha256_of
from app.video.named import Known
from app.video.opening import Opening
from app.video.sound import sound_pieces
from app.video.spare import child_ready
from app.video.subtitles import subtitles_of
from app.video.version import version

__all__ = [
    "Known",
    "Opening",
    "child_ready",
    "extract",
    "extract_named",
    "full_pictures",
    "picture_key",
    "probe",
    "sha256_of",
    "sound_pieces",
    "subtitles_of",
    "version",
]
