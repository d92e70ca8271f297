"""What commands share: how numbers and times are given, and stopping on a signal."""

from __future__ import annotations

import argparse
import math
import signal
import threading


def frame_count(text: str) -> int:
    """A number of frames, 1 to 256."""
    number = int(text)
    if not 1 <= number <= 256:
        raise argparse.ArgumentTypeError(f"{number} is not between 1 and 256")
    return number


def seconds(text: str) -> float:
    """Seconds, or a clock as reports write it: "75.5", "1:15.5", "0:01:15.5"."""
    parts = text.strip().split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 75.5 or 1:15.5")
    return sum(number * factor for number, factor in zip(reversed(numbers), (1, 60, 3600), strict=False))


def interval(text: str) -> float:
    """Seconds, more than none."""
    length = seconds(text)
    if not length:
        raise argparse.ArgumentTypeError(f"{text!r} is no interval; give more than 0 seconds")
    return length


def times(text: str) -> tuple[float, ...]:
    """Times with commas between them, one at least."""
    return tuple(seconds(part) for part in text.removesuffix(",").split(","))


def cancel_on_signals() -> threading.Event:
    """An event that Ctrl-C or a polite kill sets; the second one ends the process at once."""
    cancel = threading.Event()

    def stop(number: int, _frame: object) -> None:
        if cancel.is_set():  # asked twice: at once
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        cancel.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return cancel
