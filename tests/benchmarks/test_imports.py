"""Names that benchmarks import from FrameLens are there: benchmarks run rarely, and no type checker reads them."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """The modules of FrameLens that a file imports from, each with a name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in ("framelens", "app", "benchmarks"):
            yield from ((str(node.module), name.name) for name in node.names)


def is_there(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name) or bool(importlib.import_module(f"{module}.{name}"))
    except ModuleNotFoundError as error:
        return str(error.name).split(".")[0] not in ("framelens", "app", "benchmarks")  # a program to compare with


@pytest.mark.slow
@pytest.mark.every_plugin
def test_benchmarks_import_what_there_is() -> None:
    wanted = {one: path.name for path in BENCHMARKS.rglob("*.py") for one in imported(path)}
    assert [(path, *one) for one, path in wanted.items() if not is_there(*one)] == []
