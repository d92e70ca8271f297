"""Machine-readable label for generated text, as China requires it in metadata (GB 45438-2025).

The visible label is `labels.ai_label`.
"""

from __future__ import annotations

import json

from app.core.domain import Analysis

KEY = "AIGC"


def aigc(analysis: Analysis) -> dict[str, str] | None:
    """Return the fields of the standard's annex on metadata, or None if no model has answered.

    Label "1" means that the content is generated, not only possibly or suspected so. The producer is the program with
    the model that it asked.
    """
    if not analysis.answered_by:
        return None
    return {
        "Label": "1",
        "ContentProducer": f"FrameLens {analysis.app_version} ({analysis.answered_by})",
        "ProduceID": analysis.id,
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }


def aigc_text(analysis: Analysis) -> str:
    """Return the label as one line of JSON under KEY, or "" if no model has answered."""
    fields = aigc(analysis)
    return json.dumps({KEY: fields}, ensure_ascii=False) if fields else ""


def escape_comment(label: str) -> str:
    """Escape "--" in the JSON label, which would end a comment in HTML or XML."""
    return label.replace("--", "-\\u002d")
