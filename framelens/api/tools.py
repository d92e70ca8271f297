"""Call of a tool that a plugin adds to the MCP server; see "mcp.tools" in framelens.hookspecs.

Such a tool is a function. It gets a `ToolCall` and its arguments, whose types its annotations give, runs in a
thread, and returns a pydantic model all of whose fields have defaults. The model's field `quoted` has the text that
comes from a video or a model. The tool's texts are `mcp.title.NAME`, `mcp.tool.NAME` and `mcp.argument.ARGUMENT`.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from framelens.composition import Services
from framelens.core.domain import Analysis


@dataclass
class ToolCall:
    """A call of a tool.

    Attributes:
        services: The services.
        source: Returns the file and the report that the caller means by a path or an id, at least one of the two. The
            file is None if it is missing or may not be opened.
        folder: Returns a folder or file that the caller names by its path. Raises InputError where it is outside of the
            folders that may be opened.
        cancel: Set when the call is cancelled or the server ends.
        doing: The tool's current activity in a few words, for the caller.
    """

    services: Services
    source: Callable[[str], tuple[Path | None, Analysis | None]]
    folder: Callable[[str], Path]
    cancel: threading.Event = field(default_factory=threading.Event)
    doing: str = ""
