"""Opening the page loads nothing heavy: no model library, no video library."""

import json
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "vllm",
    "transformers",
    "cv2",
    "av",
    "rapidocr",
    "onnxruntime",
    "ray",
    "framelens.questions.context",
)
PAGES = (
    "import app.views.analyse, app.views.ask, "
    "app.panels.menu.engine, app.panels.work.rows, app.panels.menu.menu, framelens.api; "
    "from framelens import registry; list(registry.pages()); [part.load() for part in registry.parts('parts')]"
)


@pytest.mark.slow
@pytest.mark.parametrize("imports", [PAGES, "import app.main"])
def test_the_page_and_the_server_load_nothing_heavy(imports: str) -> None:
    code = f"{imports}; import sys, json; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
