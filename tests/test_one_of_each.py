"""One of each: what exists once is built in a single module, and a second one would be found here."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONCEPTS = {
    "part of a message with a picture": (r'"type": "image_url", "image_url"', "framelens/llm/messages.py"),
    "time mark of a frame": (r'"prompt\.mark(?:_of)?"', "framelens/i18n/formatting.py"),
    "wait that doubles": (r"\b2\s*\*\*\s*\(?self\._(?:busy|broken)", "framelens/llm/retries.py"),
    "rule of what is sent again": (r"\bdef pause_after\b", "framelens/llm/retries.py"),
    "smaller picture after a refusal": (r"\bdef smaller_side\b", "framelens/analysis/planning/frame_budget.py"),
    "client of HTTP": (r"\bhttpx\.AsyncClient\(", "framelens/http_client.py"),
    "field for a question": (r"\bst\.chat_input\(", "app/panels/ask/composer.py"),
    "queue of jobs": (r"\bclass Jobs\b", "framelens/jobs/queue.py"),
}
"""Each concept, the code that builds one, and the only module that does."""


@pytest.mark.parametrize("concept", CONCEPTS)
def test_concept_is_built_in_one_module(concept: str) -> None:
    pattern, home = CONCEPTS[concept]
    files = (path for folder in ("framelens", "app") for path in (ROOT / folder).rglob("*.py"))
    builders = {str(path.relative_to(ROOT)) for path in files if re.search(pattern, path.read_text(encoding="utf-8"))}
    assert builders == {home}
