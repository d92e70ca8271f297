"""Write docs/report.schema.json, the JSON Schema of the JSON report, from the form that the app writes and reads.

    python scripts/write_report_schema.py

A test holds the file against the form.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "report.schema.json"


def text() -> str:
    """Return the text of the schema's file."""
    from app.reports.json.schema import schema

    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    TARGET.write_text(text(), encoding="utf-8")
