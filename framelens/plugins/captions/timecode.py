"""Timecodes: times in hours, minutes, seconds and frames."""

from collections.abc import Sequence


def timecode_seconds(clock: Sequence[int], rate: float, *, drop_minutes: int = 0) -> float:
    """Return the seconds of a timecode, whose numbers count frames.

    Args:
        clock: Hours, minutes, seconds and frames.
        rate: Frames a second, such as 30000 / 1001.
        drop_minutes: After how many minutes numbers are left out, 0 if no numbers are: two a minute (four above 50 Hz),
            but not in every tenth time. 1 for NTSC (SMPTE ST 12-1), 2 for PAL-M (TTML2, dropPAL).
    """
    hours, minutes, seconds, frames = clock
    nominal, minutes = round(rate), 60 * hours + minutes
    times = minutes // drop_minutes if drop_minutes else 0
    dropped = nominal // 15 * drop_minutes * (times - times // 10)
    return (nominal * (60 * minutes + seconds) + frames - dropped) / rate
