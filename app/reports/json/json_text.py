"""From plain values to the text of a JSON report: indented for people, but a list of numbers stays on one line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_NUMBERS = re.compile(r"\[\n\s*([-+.\deE]+(?:,\n\s*[-+.\deE]+)*)\n\s*\]")
"""Lists of numbers alone as json.dumps indents them. No string matches: in JSON a string holds no line break."""


def json_text(document: Mapping[str, object]) -> bytes:
    """UTF-8 with a final newline. What of a file name is not UTF-8 is escaped as JSON escapes it."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return (_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n").encode(
        errors="backslashreplace"
    )
