"""Telemetry and timecode among subtitles: data of drones and cameras, and clocks, which are no speech."""

import re
from collections.abc import Sequence

from app.core import Cue

_TELEMETRY = re.compile(
    r"\b(?:SrtCnt|FrameCnt|DiffTime|latitude|longitude|altitude|rel_alt|abs_alt|focal_len|ct|fnum|shutter)\s*[:=]"
    r"|\bGPS\s*[(:]|\bHOME\s*\(|\bBAROMETER\s*:|\bISO\s*[:=]?\s*\d+.*\b(?:EV|SS|Shutter|F/)|\bF/[\d.]+,\s*SS\s"
    r"|\b(?:H\.S|V\.S|D|H)\s+-?[\d.]+\s?m(?:/s)?\b",
    re.IGNORECASE,
)
"""Names and forms that DJI, Autel and other drones, and dash cameras, write into subtitles."""
_MARKS = r"[\d:;.,/\\\-+\sTZ°NSEWUCGM]*"
_CLOCK = re.compile(rf"{_MARKS}\d[:;/.]\d{_MARKS}|(?:TC|TCR|REC)?[\s:]*\d\d(?:[:;.]\d\d){{2,3}}")
"""A text of digits, marks of times and dates, and letters of directions and time zones alone."""
_SHARE = 0.8
"""Share of the cues that have to be telemetry or clocks; numbers occur in speech, too. Chosen by hand; not tuned."""
_FEWEST_CLOCKS = 3
"""Cues from which a file of numbers alone counts as a clock. Chosen by hand; not tuned."""


def is_speech(cues: Sequence[Cue]) -> bool:
    """Return whether cues hold words, not measurements or clocks."""
    num_telemetry = sum(bool(_TELEMETRY.search(cue.text)) for cue in cues)
    num_clocks = sum(bool(_CLOCK.fullmatch(cue.text)) for cue in cues)
    if num_telemetry >= _SHARE * len(cues):
        return False
    return len(cues) < _FEWEST_CLOCKS or num_telemetry + num_clocks < _SHARE * len(cues)
