"""Measures of a transcript: the error rate of its words, and how far off their times are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from benchmarks.plugins.speech.voices import Recording, words_of

Said = Sequence[tuple[float, str]]
"""Start and text of each word that was heard."""


def error_rate(recording: Recording, said: Said) -> float:
    """Return wrong, missing and added words as a share of the spoken words; in Chinese, characters."""
    heard = [one for one, _ in _units(recording, said)]
    return _distances(recording.words, heard)[-1][-1] / len(recording.words)


def time_error(recording: Recording, said: Said) -> float | None:
    """Return the median of how far off the starts of rightly heard words are in seconds, None if unknown."""
    units = _units(recording, said)
    pairs = _matches(recording.words, [one for one, _ in units])
    errors = [abs(recording.starts[one] - units[other][1]) for one, other in pairs] if recording.starts else []
    known = [error for error in errors if not math.isnan(error)]
    return median(known) if known else None


def _units(recording: Recording, said: Said) -> list[tuple[str, float]]:
    return [(unit, start) for start, text in said for unit in words_of(text, recording.language)]


def _distances(first: Sequence[str], second: Sequence[str]) -> list[list[int]]:
    """Return the Levenshtein distances of all beginnings."""
    rows = [list(range(len(second) + 1))]
    for number, one in enumerate(first, 1):
        row = [number]
        for place, other in enumerate(second, 1):
            row.append(min(rows[-1][place] + 1, row[-1] + 1, rows[-1][place - 1] + (one != other)))
        rows.append(row)
    return rows


def _matches(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    """Return the places of the same words on the shortest way from `first` to `second`."""
    rows, one, other = _distances(first, second), len(first), len(second)
    found = []
    while one and other:
        here = rows[one][other]
        if first[one - 1] == second[other - 1] and here == rows[one - 1][other - 1]:
            found.append((one - 1, other - 1))
        if here == rows[one - 1][other - 1] + (first[one - 1] != second[other - 1]):
            one, other = one - 1, other - 1
        elif here == rows[one - 1][other] + 1:
            one -= 1
        else:
            other -= 1
    return found
