"""The server beside plugins whose parts of it are faulty."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from framelens import registry
from framelens.plugins.server.v1.application import _include


@pytest.mark.parametrize(("given", "reason"), [(3, "int instead of an APIRouter"), (APIRouter(), None)])
def test_only_a_router_adds_routes_of_programs(given: Any, reason: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_left_out", {})
    _include(FastAPI(), registry.Plugin("mine", api="mine:router"), given)
    assert registry.left_out("mine").get("mine:router") == reason


class Counted(BaseModel):
    """What a tool returns."""

    count: int


def count(call: Any) -> Counted:
    """Count."""
    return Counted(count=1)


def untyped(call):  # type: ignore[no-untyped-def]
    """Lack the type of the result."""


def test_a_tool_that_lacks_its_types_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = pytest.importorskip("framelens.plugins.server.mcp.tools", exc_type=ImportError)
    monkeypatch.setattr(registry, "used", lambda: [registry.Plugin("mine", slots={"mcp.tools": ("mine:tools",)})])
    monkeypatch.setattr(registry, "load", lambda _: lambda: [untyped, count])
    assert [one._function for one in tools._tools_of_plugins(lambda: None)] == [count]
    monkeypatch.setattr(registry, "load", lambda _: lambda: 3)
    assert list(tools._tools_of_plugins(lambda: None)) == []
