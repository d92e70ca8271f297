"""Tools of other plugins: plain functions that get a `framelens.api.tools.ToolCall`, run in a thread."""

import inspect
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Annotated, Any, get_type_hints

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult
from pydantic import BaseModel, create_model

from framelens.plugin import t
from framelens.plugin.api import ToolCall
from framelens.plugin.processes import in_thread
from framelens.plugins.server.mcp import schemas
from framelens.plugins.server.mcp.results import result
from framelens.plugins.server.mcp.waiting import Wait, wait_for

_Parameter = inspect.Parameter


class PluginTool:
    """A tool of another plugin. The same call again waits for the first call; cancelling a call stops it.

    Args:
        function: Its function.
        begin: Makes the object for a call.
    """

    def __init__(self, function: Callable[..., BaseModel], begin: Callable[[], ToolCall]) -> None:
        self._function, self._begin = function, begin
        hints = get_type_hints(function, include_extras=True)
        self._schema = create_model(hints["return"].__name__, __base__=(schemas.Work, hints["return"]))
        self._running: dict[Hashable, tuple[ToolCall, Future[BaseModel]]] = {}
        self._lock = threading.Lock()

    @property
    def described(self) -> Callable[..., Any]:
        """Return the function as the SDK takes it: with a context, how long to wait, and a result with a note."""

        async def call(ctx: Context, wait_seconds: float = 45, **arguments: Any) -> CallToolResult:
            return await self._call(ctx, wait_seconds, arguments)

        hints = get_type_hints(self._function, include_extras=True)
        _, *own = inspect.signature(self._function).parameters.values()
        parameters = [
            _Parameter("ctx", _Parameter.KEYWORD_ONLY, annotation=Context),
            *(parameter.replace(kind=_Parameter.KEYWORD_ONLY, annotation=hints[parameter.name]) for parameter in own),
            _Parameter("wait_seconds", _Parameter.KEYWORD_ONLY, default=45, annotation=Wait),
        ]
        returned = Annotated[CallToolResult, self._schema]
        call.__name__, call.__doc__ = self._function.__name__, self._function.__doc__
        call.__signature__ = inspect.Signature(parameters, return_annotation=returned)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {"return": returned}
        return call

    async def _call(self, ctx: Context, wait_seconds: float, arguments: dict[str, Any]) -> CallToolResult:
        key = repr(sorted(arguments.items()))
        with self._lock:
            work, future = self._running.get(key) or self._start(arguments)
            self._running[key] = work, future

        def stop() -> None:
            self._running.pop(key, None)
            work.cancel.set()

        await wait_for(ctx, future.done, lambda: work.doing, stop, wait_seconds)
        if not future.done():
            return result(self._schema(state="running", doing=work.doing, next=t("mcp.next.wait")))
        self._running.pop(key, None)
        return result(self._schema(**future.result().model_dump()))

    def _start(self, arguments: dict[str, Any]) -> tuple[ToolCall, Future[BaseModel]]:
        work = self._begin()
        return work, in_thread("mcp-tool", lambda: self._function(work, **arguments))

    def close(self) -> None:
        """Stop the running calls."""
        for work, _ in self._running.values():
            work.cancel.set()
