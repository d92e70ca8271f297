"""CSV for spreadsheets: RFC 4180 in UTF-8 with the byte order mark by which Excel detects UTF-8, without formulas."""

import csv
import re
from collections.abc import Iterable, Sequence
from io import StringIO

from framelens.core.files import single_line

_FORMULA = re.compile(r"(^|;)(\s*)(?=[=+\-@＝＋－＠])")
"""The beginning of a formula (OWASP, CSV injection), at the start of a cell or after a semicolon, which some locales
use to separate cells."""
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")


def csv_table(rows: Iterable[Sequence[object]]) -> bytes:
    """Return rows as CSV in UTF-8 with a byte order mark; no text is evaluated as a formula."""
    text = StringIO()
    csv.writer(text).writerows(
        [escape_formula(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return text.getvalue().encode("utf-8-sig")


def escape_formula(text: str) -> str:
    """Escape text so that no spreadsheet evaluates it as a formula; plain numbers are unchanged."""
    line = single_line(text)
    return line if _NUMBER.fullmatch(line) else _FORMULA.sub(r"\1\2'", line)
