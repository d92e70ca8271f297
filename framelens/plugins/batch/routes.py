"""Route of the page to a batch as a ZIP: the summary in all formats and the report of each video."""

from collections.abc import Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from framelens.plugin import Services, language
from framelens.plugin.api import Export, Gate, send_export
from framelens.plugin.outputs import safe_file_name, zipped
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.plugins.batch.page_batches import bundle


def routes(gate: Gate, prefix: str) -> Sequence[BaseRoute]:
    """List the route below `prefix`; `&lang=` is the language of the page."""
    return [gate.route(f"{prefix}/batches/{{id}}.zip", _send, "GET", role="viewer")]


async def _send(request: Request, services: Services) -> Response:
    return await send_export(request, partial(_export, services, request.path_params["id"]))


def _export(services: Services, batch_id: str) -> Export:
    batch = BatchRepository(services.store).get(batch_id)
    files = bundle(batch, services.jobs, services.settings, language())
    export = Export(f"{safe_file_name(batch.shown_name)}.zip", "application/zip", zipped(files))
    services.jobs.audit.record("export", batch.id, batch.shown_name)
    return export
