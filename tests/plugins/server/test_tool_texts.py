"""Every tool of a plugin and every argument of it has a text: a tool without one is left out of the MCP server."""

from inspect import signature
from pathlib import Path

import pytest
from pydantic import BaseModel

from framelens.api.tools import ToolCall
from framelens.composition import Services
from framelens.core.domain import Language
from framelens.i18n import in_language, t
from framelens.plugins.server.mcp.plugin_tools import PluginTool
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


class Untold(BaseModel):
    """What a tool without texts returns."""


def untold(call: ToolCall, colour: str = "") -> Untold:
    """Do nothing."""
    return Untold()


def test_a_tool_without_a_text_is_left_out(services: Services, caplog: pytest.LogCaptureFixture) -> None:
    mcp_server = pytest.importorskip("framelens.plugins.server.mcp.server", reason="no SDK of MCP")
    tools = McpTools(services)
    try:
        tools.of_plugins.insert(0, PluginTool(untold, lambda: ToolCall(services, lambda _: (None, None), Path)))
        server = mcp_server.Server(tools, version="1")
        assert "untold" not in server._tools and {"ask", "clip", "find_moments"} <= set(server._tools)
        assert "the tool untold is left out: its plugin has no text 'mcp.title.untold'" in caplog.text
    finally:
        tools.close()
