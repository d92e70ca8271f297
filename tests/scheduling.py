"""How test files are spread over workers where some of them start engines."""

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadFileScheduling

_ROOT = Path(__file__).resolve().parents[1]
_OF_PAGES = re.compile(r"\b(browser: Browser|visit: Visit)\b")
_OF_ENGINES = re.compile(r"\bmark\.engine\b|\b(vl|text|transformers)_(engine|endpoint)\b")


class EnginesOnOneWorker(LoadFileScheduling):
    """Hand out file by file, and all files that start an engine to the same worker, all with a browser to another.

    They share engines, of which each worker would start its own, and two engines that compute on the same cores wait
    for each other; the others share a browser. xdist's own groups have no effect with pytest 9.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if "/plugins/speech/" in path:  # its tests share a model, which takes half a minute to make
            return "speech"
        text = _text_of(path)
        if _OF_ENGINES.search(text):
            return "engines"
        return "pages" if _OF_PAGES.search(text) else path


@cache
def _text_of(path: str) -> str:
    return (_ROOT / path).read_text(encoding="utf-8")
