"""Write docs/reference/report.schema.json, the JSON Schema of the report, from the form that the app writes and reads.

    python scripts/write_report_schema.py

A test holds the file against the form.
"""

from __future__ import annotations

import json
import sys
from inspect import cleandoc
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "reference" / "report.schema.json"
LEFT_OUT = {"conversations", "corrections", "link", "offers", "speaker", "speakers", "speakers_guessed"}


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a written report, in which only `LEFT_OUT` may be missing."""
    import msgspec

    from framelens.reports.json.schema import FORMAT_VERSION, ReportForm

    _, parts = msgspec.json.schema_components([ReportForm], ref_template="#/$defs/{name}")
    for part in parts.values():
        part["description"] = cleandoc(part["description"])
        if "properties" in part:
            part["required"] = [name for name in part["properties"] if name not in LEFT_OUT]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:framelens:report:{FORMAT_VERSION}",
        **parts.pop("ReportForm"),
        "$defs": parts,
    }


def text() -> str:
    """Return the text of the schema's file."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    TARGET.write_text(text(), encoding="utf-8")
