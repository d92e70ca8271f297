"""The server beside plugins whose parts of it are faulty."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from framelens import registry
from framelens.plugins.server.v1.application import programs

router = "no router"


def test_what_is_no_router_is_left_out(use_plugins: Callable[..., None]) -> None:
    use_plugins(mine={"parts": {"api": f"{__name__}:router"}})
    assert programs().routes
    assert list(registry.left_out("mine")) == [f"{__name__}:router"]


class Counted(BaseModel):
    """What a tool returns."""

    count: int


def count(call: Any) -> Counted:
    """Count."""
    return Counted(count=1)


def untyped(call):  # type: ignore[no-untyped-def]
    """Lack the type of the result."""


def listed() -> list[Any]:
    return [untyped, count]


def fails() -> None:
    raise ZeroDivisionError


def test_a_tool_that_lacks_its_types_is_left_out(use_plugins: Callable[..., None]) -> None:
    tools = pytest.importorskip("framelens.plugins.server.mcp.tools", exc_type=ImportError)
    use_plugins(
        broken={"parts": {"mcp.tools": f"{__name__}:fails"}}, mine={"parts": {"mcp.tools": f"{__name__}:listed"}}
    )
    assert [one._function for one in tools._tools_of_plugins(lambda: None)] == [count]
    assert "ZeroDivisionError" in registry.left_out("broken")[f"{__name__}:fails"]
