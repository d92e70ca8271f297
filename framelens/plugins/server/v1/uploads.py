"""Routes for uploads: in plain requests, or by tus 1.0 (core and creation) like the page's uploads.

A request with the header Tus-Resumable belongs to tus; the OpenAPI document describes the plain requests.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from framelens import InputError
from framelens.plugin import requires
from framelens.plugin.api import ANALYST, ServicesDep, uploads
from framelens.plugin.files import media_type
from framelens.plugin.storage import Upload
from framelens.plugins.server.v1.schemas import NewUpload, UploadState

router = APIRouter(tags=["uploads"])
BINARY = "application/octet-stream"
_STREAMED = (BINARY, uploads.TUS_TYPE)
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}}
}


@router.post("/uploads", dependencies=[ANALYST], status_code=201)
def create_upload(body: NewUpload, services: ServicesDep, response: Response) -> UploadState:
    """Create an upload, to which PATCH appends; tus 1.0 works at the same address."""
    upload = services.videos.create_upload(body.name, body.size_bytes)
    response.headers["Location"] = f"uploads/{upload.id}"
    return _state(upload)


@router.get("/uploads/{upload_id}", dependencies=[ANALYST])
def get_upload(upload_id: str, services: ServicesDep) -> UploadState:
    """Get the number of bytes that have arrived, where the next bytes belong."""
    return _state(services.videos.upload(upload_id))


@router.patch("/uploads/{upload_id}", dependencies=[ANALYST], openapi_extra=_BODY)
async def append_to_upload(
    request: Request,
    upload_id: str,
    services: ServicesDep,
    offset: Annotated[int, Query(ge=0, lt=10**18, description="Number of bytes that have arrived before.")] = 0,
) -> UploadState:
    """Append the body, all of the file or a piece of it. After a broken connection, GET says where to continue."""
    if not is_streamed(request.headers):
        raise InputError("api_upload_type", given=request.headers.get("content-type", "")[:80])
    upload = await run_in_threadpool(services.videos.upload, upload_id)
    return _state(await uploads.append(request, services.videos, services.jobs.audit, upload, offset))


def is_streamed(headers: Headers) -> bool:
    """Return whether a body is read piece by piece: bytes, plain or by tus."""
    return media_type(headers) in _STREAMED


def tus_routes() -> list[Route]:
    """List the routes of tus, which come before the others."""
    return [
        _TusRoute("/uploads", _create, methods=["POST"]),
        _TusRoute("/uploads/{id}", _offset_or_append, methods=["HEAD", "PATCH"]),
    ]


class _TusRoute(Route):
    @requires("analyst")
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().handle(scope, receive, send)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        is_tus = any(name == b"tus-resumable" for name, _ in scope["headers"])
        return super().matches(scope) if is_tus else (Match.NONE, {})


async def _create(request: Request) -> Response:
    return await uploads.create(request, request.app.state.services)


async def _offset_or_append(request: Request) -> Response:
    return await uploads.offset_or_append(request, request.app.state.services)


def _state(upload: Upload) -> UploadState:
    return UploadState(id=upload.id, name=upload.name, size_bytes=upload.size_bytes, received_bytes=upload.offset)
