"""Routes for resumable uploads with the open protocol tus 1.0 (core and creation), written straight to the disk.

POST creates an upload, HEAD returns its offset, PATCH appends data. A complete upload is a video with the same id, or
subtitles for a video; POST to its `check` probes a video or decodes a picture, and deletes a file that is neither. If
the metadata name another purpose, the upload is a file that is read once. Memory use doesn't depend on the size of a
file or a request.
"""

from __future__ import annotations

import base64
import binascii
import os
from typing import TYPE_CHECKING, cast, get_args

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from framelens.api.gate import Gate
from framelens.core.errors import InputError
from framelens.core.links import media_type
from framelens.questions.images import picture_of
from framelens.store.videos.upload_limits import UploadPurpose
from framelens.store.videos.video_repository import PartialUpload, Upload, VideoRepository
from framelens.video.extractor import probe
from framelens.video.subtitles.discovery import is_subtitle_name

if TYPE_CHECKING:
    from framelens.composition import Services
    from framelens.store.audit import AuditLog

_VERSION = "1.0.0"
TUS_TYPE = "application/offset+octet-stream"
"""Type of a body with bytes of an upload."""
_WRITE_BYTES = 2**20  # written at once
_CHECKED_SIDE = 64  # pixels to which a picture is decoded that is only checked
_MAX_DIGITS = 18  # of a size or an offset, which then fit into 64 bits


def routes(gate: Gate, prefix: str) -> list[BaseRoute]:
    """List the routes of this resource below `prefix`."""
    probes = CapacityLimiter(os.cpu_count() or 1)

    async def check(request: Request, services: Services) -> Response:
        return await _check(request, services, probes)

    return [
        gate.route(f"{prefix}/uploads", create, "POST", role="analyst"),
        gate.route(f"{prefix}/uploads/{{id}}", offset_or_append, "HEAD", "PATCH", role="analyst"),
        gate.route(f"{prefix}/uploads/{{id}}/check", check, "POST", role="analyst"),
    ]


async def create(request: Request, services: Services) -> Response:
    """Create an upload. Raises InputError for a wrong header, StorageError if the disk has no room."""
    _check_version(request)
    size_bytes = _number(request, "upload-length", "upload_length")
    metadata = _metadata(request.headers.get("upload-metadata", ""))
    name, purpose = metadata.get("filename", ""), metadata.get("purpose", "video")
    if purpose not in get_args(UploadPurpose):
        raise InputError("upload_purpose", given=purpose[:40], allowed=", ".join(get_args(UploadPurpose)))
    upload = await run_in_threadpool(services.videos.create_upload, name, size_bytes, cast("UploadPurpose", purpose))
    return _answer(201, upload, {"Location": f"{request.url.path}/{upload.id}"})


async def offset_or_append(request: Request, services: Services) -> Response:
    """Return the offset of an upload, or append the request's body. Raises InputError or StorageError."""
    _check_version(request)
    upload = await run_in_threadpool(services.videos.upload, request.path_params["id"])
    if request.method == "HEAD":
        return _answer(200, upload)
    if media_type(request.headers) != TUS_TYPE:
        raise InputError("upload_type", given=request.headers.get("content-type", ""))
    upload = await append(
        request, services.videos, services.jobs.audit, upload, _number(request, "upload-offset", "upload_offset")
    )
    return _answer(204, upload)


async def append(request: Request, videos: VideoRepository, audit: AuditLog, upload: Upload, offset: int) -> Upload:
    """Append the request's body to an upload at `offset`, which must be its end, and return the upload.

    Raises:
        InputError: "upload_too_long", "upload_conflict" or "upload_busy".
        StorageError: The disk refuses.
    """
    _check_size(request, upload, offset)
    if upload.is_complete and offset == upload.offset and request.headers.get("content-length") == "0":
        return upload
    with videos.part(upload.id, offset) as part:
        await _receive(request, part)
    upload = await run_in_threadpool(videos.upload, upload.id)
    if upload.is_complete:
        await run_in_threadpool(_finish, videos, audit, upload)
    return upload


def _finish(videos: VideoRepository, audit: AuditLog, upload: Upload) -> None:
    videos.finish(upload.id)
    audit.record("upload", upload.id, upload.name)


async def _check(request: Request, services: Services, probes: CapacityLimiter) -> Response:
    """Probe an uploaded video or decode a picture, and delete a file that is none.

    Each probe starts a process, so few run at a time; requests that wait for a probe hold no thread.
    """
    upload = await run_in_threadpool(services.videos.upload, request.path_params["id"])
    if upload.purpose == "picture":
        await to_thread.run_sync(_check_picture, services.videos, upload, limiter=probes)
    if upload.purpose != "video":  # reports are checked where they are read
        return Response(status_code=204)
    if upload.is_complete:  # the request with its last bytes may not have finished it
        await run_in_threadpool(services.videos.finish, upload.id)
    path = await run_in_threadpool(services.videos.path, upload.id)
    if is_subtitle_name(path.name):  # the report names its faults, with their lines
        return Response(status_code=204)
    try:
        await to_thread.run_sync(probe, path, limiter=probes)
    except InputError as error:
        if error.key == "video_probe_timeout":  # the machine is busy; the file may be fine
            return Response(status_code=204)
        await run_in_threadpool(services.videos.drop_upload, path)
        raise
    return Response(status_code=204)


def _check_picture(videos: VideoRepository, upload: Upload) -> None:
    """Decode a small version of a picture; delete the upload and raise InputError if that fails."""
    with videos.read_once(upload.id, "picture", keeps=True) as (name, file):
        picture_of(name, file.read(), side=_CHECKED_SIDE, quality=_CHECKED_SIDE)


async def _receive(request: Request, part: PartialUpload) -> None:
    buffer = bytearray()
    try:
        async for piece in request.stream():
            buffer += piece
            if len(buffer) >= _WRITE_BYTES:
                await run_in_threadpool(part.write, bytes(buffer))
                buffer.clear()
    except ClientDisconnect:
        # The connection broke or the user paused: keep the data so far; the next request resumes from there.
        pass
    if buffer:
        await run_in_threadpool(part.write, bytes(buffer))


def _check_version(request: Request) -> None:
    version = request.headers.get("tus-resumable", "")
    if version != _VERSION:
        raise InputError("tus_version", given=version)


def _check_size(request: Request, upload: Upload, offset: int) -> None:
    """Refuse a request whose announced length is too large, before reading it."""
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and offset + int(length) > upload.size_bytes:
        raise InputError("upload_too_long", name=upload.name, size_bytes=upload.size_bytes)


def _number(request: Request, header: str, key: str) -> int:
    value = request.headers.get(header, "")
    if not (value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS):
        raise InputError(key, given=value[:40])
    return int(value)


def _metadata(header: str) -> dict[str, str]:
    """Parse `key base64,key base64`; invalid pairs are ignored."""
    values = {}
    for pair in header.split(","):
        key, _, encoded = pair.strip().partition(" ")
        try:
            values[key] = base64.b64decode(encoded, validate=True).decode("utf-8", errors="replace")
        except binascii.Error:
            continue
    return values


def _answer(status: int, upload: Upload, headers: dict[str, str] | None = None) -> Response:
    common = {
        "Tus-Resumable": _VERSION,
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.size_bytes),
        "Cache-Control": "no-store",
    }
    return Response(status_code=status, headers=common | (headers or {}))
