"""Routes for uploads with tus 1.0 (core and creation), the same as those of the page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from app.api import uploads
from app.api.v1.context import InServices

router = APIRouter(tags=["uploads"])
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
Version = Annotated[str, Header(description='"1.0.0"')]


@router.post("/uploads", status_code=201, response_class=Response)
async def create_upload(
    request: Request,
    services: InServices,
    tus_resumable: Version,
    upload_length: Annotated[str, Header(description="Size of the file in bytes.")],
    upload_metadata: Annotated[str, Header(description="filename and its name in base64.")] = "",
) -> Response:
    """Create an upload; the answer's Location is its address, the last part of which is its id."""
    return await uploads.create(request, services)


@router.head("/uploads/{id}", response_class=Response)
async def get_upload_offset(request: Request, id: str, services: InServices, tus_resumable: Version) -> Response:
    """Get the number of bytes that have arrived, in the header Upload-Offset."""
    return await uploads.offset_or_append(request, services)


@router.patch("/uploads/{id}", status_code=204, response_class=Response, openapi_extra=_BODY)
async def append_to_upload(
    request: Request,
    id: str,
    services: InServices,
    tus_resumable: Version,
    upload_offset: Annotated[str, Header(description="Where the bytes belong; the number that has arrived.")],
) -> Response:
    """Append bytes to an upload. After a broken connection, continue at the offset that HEAD returns."""
    return await uploads.offset_or_append(request, services)
