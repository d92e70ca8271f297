"""Functions get what they need when they are called or built: the services are for entry points alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENTRY_POINTS = ("app", "api", "commands", "cli", "python", "v1", "mcp")
"""Folders whose functions open the services or get them from a route, a command or a page."""
ENTRY_FILES = ("api.py", "routes.py", "parts.py", "tasks.py", "monitor.py", "registry.py", "composition.py")
"""Routes of plugins, and what builds the parts that the services keep."""


def takers(path: Path) -> Iterator[str]:
    """Yield the functions of a module that have the services as a parameter."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            given = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
            if any(one.annotation and "Services" in ast.unparse(one.annotation).split(" | ") for one in given):
                yield f"{path.relative_to(ROOT)}:{function.name}"


@pytest.mark.every_plugin
def test_services_are_given_to_entry_points_alone() -> None:
    inner = [
        path
        for path in (ROOT / "framelens").rglob("*.py")
        if path.name not in ENTRY_FILES and not set(path.relative_to(ROOT).parts) & set(ENTRY_POINTS)
    ]
    assert len(inner) > 300
    assert [name for path in inner for name in takers(path)] == []
