"""Spelling of names: the known name that is probably meant by a wrong name."""

from collections.abc import Iterable
from difflib import get_close_matches

_LEAST_BEGUN = 3
"""Letters by which a word is recognised as the beginning of another word."""


def closest(word: str, names: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """Return the known name that begins with `word` or resembles it, or None.

    Capitals, dashes and underscores make no difference. `likeness` is the least ratio of equal letters.

    >>> closest("gpu-memory", ["max_num_seqs", "gpu_memory_utilization"]), closest("num_ctx", ["numa_bind"])
    ('gpu_memory_utilization', None)
    """
    plain, by_plain = _plain_name(word), {_plain_name(name): name for name in names}
    begun = sorted((name for name in by_plain if len(plain) >= _LEAST_BEGUN and name.startswith(plain)), key=len)
    matches = begun or get_close_matches(plain, by_plain, n=1, cutoff=likeness)
    return by_plain[matches[0]] if matches else None


def _plain_name(word: str) -> str:
    return word.lower().replace("_", "-").lstrip("-")
