"""Every tool of a plugin and every argument of it has a text: without one the MCP server doesn't start."""

from inspect import signature

import pytest

from framelens.core.domain import Language
from framelens.i18n import in_language, t
from framelens.plugins.server.mcp.tools import McpTools
from framelens.registry import placed


@pytest.mark.parametrize("language", ["en", "zh"])
def test_tools_of_plugins_are_described(language: Language) -> None:
    functions = [function for part in placed("mcp.tools") for function in part.call()]
    assert {function.__name__ for function in functions} >= {"clip", "correct", "find_moments", "rewrite_report"}
    with in_language(language):
        for function in functions:
            keys = [f"mcp.argument.{name}" for name in signature(function).parameters if name != "call"]
            for key in (f"mcp.title.{function.__name__}", f"mcp.tool.{function.__name__}", *keys):
                assert t(key, **McpTools.described_by)
