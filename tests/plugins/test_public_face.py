"""The names that plugins import, as documents list them."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from framelens.core.domain import Language
from framelens.i18n import LANGUAGES
from framelens.registry import BUILT_IN
from scripts.write_plugin_docs import DOCUMENTS, MODULES, names_of, written

ROOT = Path(__file__).resolve().parents[2]


def imported_names(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the file, module and name of what code imports from the public face."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in MODULES:
                yield from ((path.name, node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("module", MODULES)
def test_every_name_is_there(module: str) -> None:
    assert [name for name in names_of(module) if not hasattr(import_module(module), name)] == []
    with pytest.raises(AttributeError, match="nonsense"):
        _ = import_module(module).nonsense


def test_no_name_is_in_two_modules() -> None:
    names = [name for module in MODULES for name in names_of(module)]
    assert sorted(names) == sorted(set(names))


def test_plugins_import_names_that_exist_and_all_of_them() -> None:
    offered = {(module, name) for module in MODULES for name in names_of(module)}
    used = {(module, name) for _, module, name in imported_names(ROOT / "framelens" / "plugins")}
    assert used - offered == set()
    if len(list((ROOT / "framelens" / "plugins").glob("*/__init__.py"))) == len(BUILT_IN):
        documented = {("framelens.plugin", "Hooks"), ("framelens.plugin.speech", "LocalDiariser")}
        assert offered - used == documented, "what no plugin imports is not offered"


def test_hooks_and_pages_import_no_room() -> None:
    code = "import sys; from framelens.plugin import Page, hook; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in done.stdout.split() if name.startswith("framelens.")}
    assert rooms == {"config", "core", "hookspecs", "plugin", "registry"}


def test_the_example_imports_public_names_alone() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "examples" / "plugin").rglob("*.py"))
    imported = set(re.findall(r"^ *(?:from|import) ((?:app|framelens)\b[.\w]*)", text, re.MULTILINE))
    assert imported <= {"framelens", "framelens.plugin_page", *MODULES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_documents_list_the_names(language: Language) -> None:
    text = DOCUMENTS[language].read_text(encoding="utf-8")
    assert written(text, language) == text, "run: python scripts/write_plugin_docs.py"
