"""How test files are spread over workers where some of them start engines."""

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadFileScheduling

_ROOT = Path(__file__).resolve().parents[1]
_OF_ENGINES = re.compile(r"\bmark\.engine\b|\b(vl|text|transformers)_(engine|endpoint)\b")


class EnginesOnOneWorker(LoadFileScheduling):
    """Hand out file by file, and all files that start an engine to the same worker.

    They share engines, of which each worker would start its own, and two engines that compute on the same cores wait
    for each other. xdist's own groups have no effect with pytest 9.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if "/plugins/speech/" in path:  # its tests share a model, which takes half a minute to make
            return "speech"
        return "engines" if _starts_engines(path) else path


@cache
def _starts_engines(path: str) -> bool:
    return bool(_OF_ENGINES.search((_ROOT / path).read_text(encoding="utf-8")))
