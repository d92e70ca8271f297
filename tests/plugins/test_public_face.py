"""The names that plugins import, as documents list them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from framelens import plugin
from framelens.core.domain import Language
from framelens.i18n import LANGUAGES
from scripts.write_plugin_docs import DOCUMENTS, written


def test_every_name_is_there() -> None:
    assert [name for name in plugin.__all__ if not hasattr(plugin, name)] == []
    with pytest.raises(AttributeError, match="nonsense"):
        _ = plugin.nonsense


def test_hooks_and_pages_import_no_room() -> None:
    code = "import sys; from framelens.plugin import Page, hook; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in done.stdout.split() if name.startswith("framelens.")}
    assert rooms == {"config", "core", "plugin", "registry"}


def test_the_example_imports_public_names_alone() -> None:
    folder = Path(__file__).resolve().parents[2] / "examples" / "plugin"
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    imported = set(re.findall(r"^ *(?:from|import) ((?:app|framelens)\b[.\w]*)", text, re.MULTILINE))
    assert imported == {"framelens", "framelens.plugin", "framelens.plugin_page"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_documents_list_the_names(language: Language) -> None:
    text = DOCUMENTS[language].read_text(encoding="utf-8")
    assert written(text, language) == text, "run: python scripts/write_plugin_docs.py"
