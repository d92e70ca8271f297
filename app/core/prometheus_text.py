"""Parser of Prometheus's text format, in which engines publish their metrics.

Only the requested names are read; other lines and invalid ones are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_LINE = re.compile(r"^(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<labels>.*)\})?[ \t]+(?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


def metrics_url(base_url: str) -> str:
    """Return the address of the metrics of the engine at `base_url`, which ends in a version.

    >>> metrics_url("http://127.0.0.1:8000/v1")
    'http://127.0.0.1:8000/metrics'
    """
    return re.sub(r"/v\d+\w*$", "", base_url) + "/metrics"


def read(text: str, names: Collection[str]) -> Iterator[tuple[str, dict[str, str], float]]:
    """Parse (name, labels, value) of each line whose name is among `names`, in their order."""
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None or found["name"] not in names:
            continue
        try:
            value = float(found["value"])
        except ValueError:
            continue
        labels = {name: _unescaped(label) for name, label in _LABEL.findall(found["labels"] or "")}
        yield found["name"], labels, value


def _unescaped(label: str) -> str:
    return _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], label)
