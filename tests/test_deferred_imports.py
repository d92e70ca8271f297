"""Imports inside functions: each spares a start something; what costs no start anything is imported at the top."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for root in ("framelens", "app") for path in (ROOT / root).rglob("*.py")}


def imports(node: ast.AST, *, is_inner: bool = False) -> Iterator[tuple[str, bool]]:
    """Each imported module, and whether that happens in a function; what only annotations need is left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((one.name, is_inner) for one in child.names)
        elif isinstance(child, ast.ImportFrom):
            names = (f"{child.module}.{one.name}" for one in child.names)
            yield from ((name if name in MODULES else str(child.module), is_inner) for name in names)
        elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from imports(child, is_inner=is_inner or isinstance(child, FUNCTIONS))


@cache
def imports_of(name: str) -> frozenset[tuple[str, bool]]:
    return frozenset(imports(ast.parse(MODULES[name].read_text(encoding="utf-8")))) if name in MODULES else frozenset()


def loaded_with(name: str) -> set[str]:
    """The modules that importing this module loads, packages above them included."""
    loaded: set[str] = set()
    waiting = [name]
    while waiting:
        parts = waiting.pop().split(".")
        for new in {".".join(parts[: end + 1]) for end in range(len(parts))} - loaded:
            loaded.add(new)
            waiting += (one for one, is_inner in imports_of(new) if not is_inner)
    return loaded


def test_no_function_imports_what_its_module_loads() -> None:
    needless = {
        f"{name}: {one}"
        for name in MODULES
        if (inner := [one for one, is_inner in imports_of(name) if is_inner])
        for one in loaded_with(name).intersection(inner)
    }
    assert needless == set()


def loads_more(one: str, importer: str) -> bool:
    """Whether importing the module loads another module of ours, or a library, beside what the importer has loaded."""
    before = loaded_with(importer)
    new = loaded_with(one) - before - {one}
    ours = {name for name in new if name in MODULES and MODULES[name].name != "__init__.py"}
    libraries = {name.partition(".")[0] for name in new - MODULES.keys()} - sys.stdlib_module_names
    return bool(ours or libraries - {"app", "framelens"} - {name.partition(".")[0] for name in before})


def test_no_function_imports_a_module_that_loads_no_other() -> None:
    """Such a module takes about a millisecond: its import belongs where a reader looks for it, unless in a circle."""
    needless = {
        f"{name}: {one}"
        for name in MODULES
        for one, is_inner in imports_of(name)
        if is_inner and one in MODULES and name not in loaded_with(one) and not loads_more(one, name)
    }
    assert needless == set()


def test_names_for_annotations_stand_with_other_imports() -> None:
    """A module that is imported anyway isn't named once more below TYPE_CHECKING."""
    twice = {
        f"{name}: {one.module}"
        for name, path in MODULES.items()
        for block in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for one in block.body
        if isinstance(one, ast.ImportFrom) and one.module in MODULES and (one.module, False) in imports_of(name)
    }
    assert twice == set()


def test_a_light_import_is_told_from_a_heavy_import() -> None:
    assert not loads_more("framelens.core.errors", "framelens.i18n")
    assert loads_more("framelens.cli.progress", "framelens.cli.progress_lines"), "it loads rich"
    assert loads_more("framelens.library.bulk_operations", "framelens.services.container"), "it loads the queue"


def test_what_a_module_loads_includes_what_that_loads() -> None:
    loaded = loaded_with("framelens.conversations.moments.finder")
    assert {"PIL", "framelens.core", "framelens.llm.retries", "threading"} <= loaded
    assert "framelens.cli.progress" not in loaded_with("framelens.cli.progress_lines"), "a function imports it"
