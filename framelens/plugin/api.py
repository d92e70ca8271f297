"""Routes and tools: what routes of the page and of the API for programs, and MCP tools are made with."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.api import uploads as uploads
    from framelens.api.exports import Export as Export
    from framelens.api.exports import export_report as export_report
    from framelens.api.exports import send_export as send_export
    from framelens.api.gate import SAFE_HEADERS as SAFE_HEADERS
    from framelens.api.gate import Gate as Gate
    from framelens.api.gate import error_response as error_response
    from framelens.api.gate import status_of as status_of
    from framelens.api.programs import ANALYST as ANALYST
    from framelens.api.programs import BINARY as BINARY
    from framelens.api.programs import VIEWER as VIEWER
    from framelens.api.programs import ServicesDep as ServicesDep
    from framelens.api.programs import role_of as role_of
    from framelens.api.subtitle_uploads import attach_subtitles as attach_subtitles
    from framelens.api.subtitle_uploads import check_subtitles as check_subtitles
    from framelens.api.tools import ToolCall as ToolCall
    from framelens.i18n import accepted_language as accepted_language
    from framelens.i18n import plugin_catalogue as plugin_catalogue
    from framelens.registry import PLUGIN_FAULTS as PLUGIN_FAULTS
    from framelens.registry import placed as placed

else:
    __getattr__ = partial(exported, globals())
