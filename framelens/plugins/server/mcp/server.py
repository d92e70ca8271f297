"""MCP server with its transports: standard input and output, or streamable HTTP on loopback with a key.

Every error of a tool is a sentence in its result, where the model that called it can read it; tracebacks go to the log.
"""

import logging
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, NoReturn

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import CallToolResult, ToolAnnotations
from pydantic import ValidationError

from framelens import AppError, Cancelled, ConfigError
from framelens.plugin import t
from framelens.plugin.command_line import cancel_on_signals
from framelens.plugin.texts import labelled, sentences
from framelens.plugins.server.listening import serve_until
from framelens.plugins.server.mcp.results import failed
from framelens.plugins.server.mcp.tools import McpTools
from framelens.plugins.server.validation import wrong_text

_log = logging.getLogger(__name__)
_SHUTDOWN_SECONDS = 2
"""For requests in progress once the server is stopped."""
_Receive = Callable[[], Awaitable[Mapping[str, Any]]]
_Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Server(MCPServer):  # type: ignore[misc]
    """MCP server whose tools are the methods of `McpTools` and the tools of other plugins."""

    def __init__(self, tools: McpTools, *, version: str) -> None:
        log = logging.getLogger("mcp")
        log.handlers, log.propagate = logging.getLogger("framelens").handlers, False
        logging.getLogger().addHandler(logging.NullHandler())  # otherwise the SDK adds its own, to the terminal
        self._tools = {
            tool.name: tool
            for tool in (
                _tool(tools.list_, reads=True),
                _tool(tools.analyse, repeats=True),
                _tool(tools.ask),
                _tool(tools.search, reads=True),
                _tool(tools.look, reads=True),
                _tool(tools.transcript, reads=True),
                _tool(tools.report),
                *_plugin_tools(tools),
            )
        }
        self._log_path = tools.services.log_path
        super().__init__(
            "framelens",
            title="FrameLens",
            instructions=t("mcp.instructions"),
            version=version,
            tools=list(self._tools.values()),
            log_level="WARNING",
        )

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Context | None = None) -> CallToolResult:
        """Call a tool; return any failure as its result, in a sentence."""
        try:
            if (tool := self._tools.get(name)) is None:
                raise ConfigError("mcp_tool_unknown", name=name[:80], known=", ".join(self._tools))
            if unknown := ", ".join(sorted(arguments.keys() - tool.parameters["properties"].keys())):
                allowed = ", ".join(tool.parameters["properties"])
                raise ConfigError("mcp_argument_unknown", tool=name, names=unknown[:200], known=allowed)
            needed = tool.parameters.get("required", ())
            # Clients that fill in every argument send null for the others.
            filled = {key: value for key, value in arguments.items() if value is not None or key in needed}
            return await super().call_tool(name, filled, context)
        except AppError as error:
            return failed(error)
        except ToolError as error:
            return failed(self._as_app_error(name, error.__cause__ or error))

    def _as_app_error(self, tool: str, cause: BaseException) -> AppError:
        if isinstance(cause, ValidationError):
            errors = ((".".join(map(str, error["loc"])), wrong_text(error)) for error in cause.errors())
            faults = sentences(labelled(location, message) for location, message in errors)
            return ConfigError("mcp_arguments_wrong", tool=tool, faults=faults[:1000])
        if not isinstance(cause, AppError):
            _log.error("the tool %s failed", tool, exc_info=cause)
        return AppError.of(cause if isinstance(cause, Exception) else RuntimeError(), self._log_path)


def _tool(function: Callable[..., Any], *, reads: bool = False, repeats: bool = False) -> Tool:
    """Describe a tool in the language of the server.

    Args:
        function: Its function.
        reads: It changes nothing, neither files nor stored data.
        repeats: A second call with the same arguments changes nothing more.
    """
    name = function.__name__.rstrip("_")
    tool = Tool.from_function(
        function,
        name=name,
        title=t(f"mcp.title.{name}"),
        description=t(f"mcp.tool.{name}", **McpTools.described_by),
        annotations=ToolAnnotations(
            read_only_hint=reads, destructive_hint=False, idempotent_hint=reads or repeats, open_world_hint=False
        ),
        structured_output=True,
    )
    tool.parameters.pop("title", None)
    for argument, schema in tool.parameters["properties"].items():
        schema.pop("title", None)
        schema["description"] = t(f"mcp.argument.{argument}", **McpTools.described_by)
    return tool


def _plugin_tools(tools: McpTools) -> Iterator[Tool]:
    """Yield the tools of other plugins; a tool without a text is left out, since the others work."""
    for plugin in tools.of_plugins:
        function = plugin.described
        try:
            tool = _tool(function)
        except KeyError as error:
            _log.warning("the tool %s is left out: its plugin has no text %s", function.__name__, error)
        else:
            yield tool


def serve_http(server: Server, listening: socket.socket, key: str) -> NoReturn:
    """Serve streamable HTTP at /mcp until the process is stopped.

    A request must carry the key, name this machine as its host, and come from no web page.

    Args:
        server: The server.
        listening: A socket bound to a loopback address.
        key: The key that requests carry as `Authorization: Bearer KEY`.

    Raises:
        Cancelled: SIGINT or SIGTERM ended it.
    """
    host, port = listening.getsockname()[:2]
    allowed = [f"{name}:{port}" for name in (host, "localhost")]
    app = server.streamable_http_app(transport_security=TransportSecuritySettings(allowed_hosts=allowed))
    expected = f"Bearer {key}".encode()

    async def guarded(scope: Mapping[str, Any], receive: _Receive, send: _Send) -> None:
        authorization = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "lifespan" or secrets.compare_digest(authorization, expected):
            await app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": t("serve.wrong_key").encode()})

    with closing(listening):
        serve_until(cancel_on_signals(), guarded, listening, shutdown_seconds=_SHUTDOWN_SECONDS)
    raise Cancelled
