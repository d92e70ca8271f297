"""Imports inside functions: each spares a start something, so what the module loads anyway is imported at its top."""

from __future__ import annotations

import ast
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


def test_what_a_module_loads_includes_what_that_loads() -> None:
    loaded = loaded_with("framelens.conversations.moments.finder")
    assert {"PIL", "framelens.core", "framelens.llm.retries", "threading"} <= loaded
    assert "framelens.cli.progress" not in loaded_with("framelens.cli.progress_lines"), "a function imports it"
