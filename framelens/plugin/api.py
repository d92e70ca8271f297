"""Routes and tools: what a plugin's routes of the page and of the API for programs, and its MCP tools are made with."""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.api.exports import Export as Export
    from framelens.api.exports import send_export as send_export
    from framelens.api.gate import Gate as Gate
    from framelens.api.programs import ANALYST as ANALYST
    from framelens.api.programs import BINARY as BINARY
    from framelens.api.programs import VIEWER as VIEWER
    from framelens.api.programs import ServicesDep as ServicesDep
    from framelens.api.tools import ToolCall as ToolCall

else:

    def __getattr__(name: str) -> Any:
        return exported(globals(), name)
