"""The FastAPI application: its routes, errors as problems, the OpenAPI document and the page that shows it."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framelens import AppError, InputError, __version__
from framelens.plugin import Services, t
from framelens.plugin.api import PLUGIN_FAULTS, VIEWER, ServicesDep, placed
from framelens.plugin.files import closest
from framelens.plugin.reports import FORMATS
from framelens.plugin.storage import to_document
from framelens.plugin.texts import labelled, sentences
from framelens.plugins.server.v1 import jobs, questions, uploads, webhooks
from framelens.plugins.server.v1.access import Access, problem_response
from framelens.plugins.server.v1.field_descriptions import describe_fields
from framelens.plugins.server.v1.schemas import About, Problem
from framelens.plugins.server.validation import fields_beside, wrong_text

_PROBLEM = "application/problem+json"
_ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css")
_TYPES = {".js": "text/javascript", ".css": "text/css"}
# A policy of the page forbids scripts in it, so the script that starts it is a file of its own.
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>FrameLens API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body></html>
"""
_START = """SwaggerUIBundle({url: "openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null});
"""
_WRONG = {"description": "Problem"}


def build(services: Services) -> ASGIApp:
    """Return the API on these services, with its access checks."""
    app = programs()
    app.state.services = services
    return Access(_Heads(app), store=services.store, log_path=services.log_path)


class _Heads:
    """ASGI application that answers HEAD like GET, without the body; not for events, which may never end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        headers = Headers(scope=scope)
        if scope["method"] != "HEAD" or "tus-resumable" in headers or scope["path"].endswith("/events"):
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, send_head)


class _Answer(JSONResponse):
    """Answer in JSON with times in whole microseconds."""

    def render(self, content: Any) -> bytes:
        return super().render(to_document(content))


def programs() -> FastAPI:
    """Return the routes of the API."""
    app = FastAPI(
        title="FrameLens",
        version=__version__,
        description="Keyframes, analyses of videos with a vision-language model, reports and questions.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        default_response_class=_Answer,
        generate_unique_id_function=_name_of,
        dependencies=[Depends(_check_query)],
        responses={"4XX": {"model": Problem, **_WRONG}, "5XX": {"model": Problem, **_WRONG}},
    )
    app.add_api_route("/", get_about, methods=["GET"], tags=["server"], dependencies=[VIEWER])
    app.router.routes.extend(uploads.tus_routes())
    for module in (uploads, jobs, questions, webhooks):
        app.include_router(module.router)
    for part in placed("api"):
        try:
            app.include_router(part.load())
        except PLUGIN_FAULTS as error:
            part.leave_out(error)
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _wrong_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_route("/docs", _docs)
    app.add_route("/docs/{name}", _asset)
    app.add_route("/openapi.json", _document)
    return app


def _check_query(request: Request) -> None:
    """Refuse parameters of the query that the route doesn't have, as fields of a body are."""
    aliases = [query_param.alias for query_param in get_flat_dependant(request.scope["route"].dependant).query_params]
    if unknown := [name for name in request.query_params if name not in aliases]:
        raise RequestValidationError([_unknown("parameter", ("query", name), aliases) for name in unknown])


def _unknown(kind: Literal["parameter", "field"], location: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the error about a name that doesn't exist, with the known name that is probably meant, or all of them."""
    *where, name = location
    name = str(name)[:80]
    nearest = closest(name, names)
    outcome = "misspelt" if nearest else "unknown" if names else "none"
    context = {"nearest": nearest or "", "known": ", ".join(names)}
    return {"type": f"{kind}_{outcome}", "loc": (*where, name), "ctx": context}


def get_about(services: ServicesDep) -> About:
    """Get the version of this server, the keys of its templates and the names of its report formats."""
    return About(version=__version__, templates=list(services.templates.by_key), reports=list(FORMATS))


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the API."""
    schema = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, openapi_version="3.1.0"
    )
    schema["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "A key of `framelens admin keys create NAME`."}
    }
    schema["security"] = [{"key": []}]
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation["summary"], _, operation["description"] = operation.get("description", "").partition("\n\n")
            for status, answer in operation["responses"].items():
                if status in ("4XX", "5XX"):
                    answer["content"] = {_PROBLEM: next(iter(answer["content"].values()))}
    describe_fields(schema)
    return schema


def _name_of(route: APIRoute) -> str:
    return route.name


async def _document(request: Request) -> Response:
    app: FastAPI = request.app
    if app.openapi_schema is None:
        app.openapi_schema = document(app)
    return JSONResponse({**app.openapi_schema, "servers": [{"url": request.scope.get("root_path", "") or "/"}]})


async def _docs(_: Request) -> Response:
    return HTMLResponse(_PAGE)


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name == "start.js":
        return Response(_START, media_type=_TYPES[".js"])
    if name not in _ASSETS:
        raise InputError("api_path_unknown", path=request.url.path[:200])
    return Response(_read(name), media_type=_TYPES[name[name.rindex(".") :]])


@cache
def _read(name: str) -> bytes:
    return (files("fastapi_standalone_docs") / "static" / "swagger" / name).read_bytes()


async def _app_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    return problem_response(error)


async def _wrong_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(
        fault["loc"] == ("body",) and fault.get("input") and isinstance(fault["input"], bytes)
        for fault in error.errors()
    ):
        return problem_response(InputError("api_content_type"))  # FastAPI reads no JSON of other types
    body = request.scope["route"].body_field
    faults = [_with_nearest(fault, body.field_info.annotation if body else None) for fault in error.errors()]
    return _wrong_body([{"place": _location(fault), "message": wrong_text(fault)} for fault in faults])


def _with_nearest(error: dict[str, Any], body: object) -> dict[str, Any]:
    """Return an error of pydantic; for a field that doesn't exist, with the nearest known field."""
    names = fields_beside(body, error["loc"][1:]) if error["type"] == "extra_forbidden" else []
    return _unknown("field", error["loc"], names) if names else error


def _wrong_body(faults: Sequence[Mapping[str, str]]) -> Response:
    """Return the problem of a request with wrong values, of which the first are in its sentence."""
    wrong = sentences(labelled(fault["place"], fault["message"]) for fault in faults[:5])
    return problem_response(InputError("api_body_wrong", wrong=wrong[:500]), errors=faults[:20])


def _location(error: dict[str, Any]) -> str:
    """Return where a request is wrong: names with dots between them, or the character at which JSON ends."""
    where = error["loc"]
    if error["type"] == "json_invalid":
        return f"{where[0]}:{where[-1]}"
    return ".".join(map(str, where))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:  # a body that no JSON can be read from
        is_text = not isinstance(error.__cause__, UnicodeDecodeError)
        return _wrong_body([{"place": "body", "message": t("api.wrong.parsing" if is_text else "api.wrong.encoding")}])
    shown = {"path": request.url.path[:200], "method": request.method[:20]}
    key = "api_method" if error.status_code == 405 else "api_path_unknown"
    response = problem_response(InputError(key, **shown))
    if error.status_code == 405:
        path = request.scope["path"].removeprefix(request.scope["root_path"])
        fitting = [
            route for route in request.app.routes if isinstance(route, APIRoute) and route.path_regex.match(path)
        ]
        methods = {method for route in fitting for method in route.methods}
        if "GET" in methods and not path.endswith("/events"):
            methods.add("HEAD")
        response.headers["Allow"] = ", ".join(sorted(methods))
    return response
