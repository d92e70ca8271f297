"""Command `framelens serve`: serves a model at an OpenAI-compatible address with a key, on the engine that fits it."""

import argparse
import ipaddress
import json
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn, get_args

from framelens import config
from framelens.cli.common import PORT, cancel_on_signals, use_language, whole_number
from framelens.cli.parser import Parser
from framelens.config import Settings
from framelens.core.engines.model_hub import chosen_hub
from framelens.core.errors import AppError, Cancelled, ConfigError, EngineError, ModelNotFound
from framelens.engine import supported_architectures
from framelens.engine.base import Engine
from framelens.engine.engine_choice import Kind, RequestedDevice, choose_engine
from framelens.engine.hardware import cpu_features, installed_vllm
from framelens.engine.model_resolution import resolve_model
from framelens.i18n import LANGUAGES, language, notice_text, t
from framelens.models.catalogue import load_catalogue
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.config import read_shape
from framelens.plugins.server.listening import open_socket, serve_until
from framelens.plugins.server.tool_calls import tool_call_parser
from framelens.services.engines.engine_builder import build_engine
from framelens.services.engines.model_arguments import check_folder, read_object
from framelens.services.readiness import readiness
from framelens.store.fs_utils import log_to
from framelens.store.model_records import confirmed_downloads

_PORT = 8003  # default
_SHUTDOWN_SECONDS = 5
"""For requests in progress once the server is stopped."""


def add_arguments(parser: Parser) -> None:
    """Add the arguments of this command."""
    parser.option_of_words = "--model-path"
    parser.set_defaults(stopped="serve_stopped")
    parser.add_argument("--model-path", "--model", metavar="MODEL", dest="model_path", help=t("cli.serve_model"))
    parser.add_argument("--device", choices=get_args(RequestedDevice), default="auto", help=t("cli.serve_device"))
    parser.add_argument("--engine", choices=("auto", *get_args(Kind)), default="auto", help=t("cli.serve_engine"))
    parser.add_argument("--host", default="127.0.0.1", help=t("cli.serve_host"))
    parser.add_argument("--port", type=whole_number(0, PORT), default=_PORT, help=t("cli.serve_port", default=_PORT))
    parser.add_argument("--api-key", metavar="KEY", help=t("cli.serve_key"))
    parser.add_argument("--force-type", choices=("text", "vision"), help=t("cli.serve_type"))
    parser.add_argument("--tools", nargs="?", const="auto", metavar="PARSER", help=t("cli.serve_tools"))
    parser.add_argument("--vllm-config", metavar="JSON", help=t("cli.serve_config"))
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))


def run(given: argparse.Namespace) -> NoReturn:
    """Serve until the process is stopped.

    Raises:
        AppError: A setting is wrong, the engine can't be started, or the address is in use.
        Cancelled: SIGINT or SIGTERM ended it.
    """
    settings = _settings(given)
    use_language(given, settings)
    log_to(settings.data_dir)
    listening = open_socket(given.host, given.port)
    known = _find_config(settings)
    settings = replace(settings, engine=_engine(given, known))
    sees = _has_vision(known)
    if given.force_type == "vision" and sees is False:
        raise EngineError("serve_not_vision", model=settings.model_path)
    if given.force_type == "text" and sees and settings.engine == "vllm":  # saves the memory of the vision tower
        blind = {"limit_mm_per_prompt": {"image": 0, "video": 0}}
        settings = replace(settings, vllm_config={**settings.vllm_config, **blind})
    if given.tools and settings.engine == "vllm":  # transformers serve reads calls of tools without settings
        settings = replace(settings, vllm_config={**settings.vllm_config, **_tool_settings(given, known, settings)})
    if given.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    key, is_made = _key(given, settings)
    engine, notices = build_engine(settings)
    _check_model(settings, engine, named=bool(given.model_path))
    names = tuple(dict.fromkeys((engine.status().model, settings.model_path)))
    for notice in notices:
        print(notice_text(notice), file=sys.stderr)
    stop, failures = cancel_on_signals(), list[AppError]()
    address = f"http://{_address_host(given.host)}:{listening.getsockname()[1]}/v1"
    _print_usage(address, names, key, settings, given.force_type, is_made=is_made)

    from framelens.plugins.server.openai_server import ServeOptions, serve_app

    def fail(error: AppError) -> None:
        failures.append(error)
        stop.set()

    sees_pictures = given.force_type != "text"
    domains = settings.vllm_config.get("allowed_media_domains")
    media = tuple(map(str, domains)) if isinstance(domains, list) else ()
    takes_tools = settings.engine == "transformers" or bool(settings.vllm_config.get("enable_auto_tool_choice"))
    served = ServeOptions(
        engine, names, key, sees_pictures, takes_tools, language(), settings.timeout_seconds, fail, media
    )
    serve_until(stop, serve_app(served), listening, shutdown_seconds=_SHUTDOWN_SECONDS)
    raise failures[0] if failures else Cancelled("serve_stopped")


def _settings(given: argparse.Namespace) -> Settings:
    """Return the application's settings with those of the command line."""
    settings = config.load()
    return replace(
        settings,
        base_url="",
        engine_port=None,
        model_path=given.model_path or settings.model_path,
        model_chosen=bool(given.model_path) or settings.model_chosen,
        vllm_config={**settings.vllm_config, **config.engine_arguments(given.vllm_config or "")},
    )


def _check_model(settings: Settings, engine: Engine, *, named: bool) -> None:
    """Check that the model is here and can be loaded, before its engine starts.

    Args:
        settings: The settings.
        engine: Their engine.
        named: Whether an option names the model, for which errors advise the setting.

    Raises:
        AppError: The model can't be served.
    """
    try:
        now = readiness(settings, engine)
        if now.error:
            raise now.error
        if now.model and not confirmed_downloads(settings.data_dir).of(now.model.model):
            raise ModelNotFound("serve_model_absent", model=now.model.model)
        if now.kind == "ready" and (folder := resolve_model(settings.model_path).folder):
            check_folder(folder, settings)
    except ModelNotFound:
        if named:
            print(t("cli.serve_model_option"), file=sys.stderr)
        raise


def _find_config(settings: Settings) -> Mapping[str, Any] | CatalogueEntry | None:
    """Return the model's config.json, or else its catalogue entry, before the model is loaded."""
    try:
        folder = resolve_model(settings.model_path).folder
    except AppError:  # starting the engine reports the error
        return None
    if folder is not None:
        return read_object(folder / "config.json")
    try:
        return load_catalogue(settings.data_dir / "models").find(settings.model_path).entry
    except AppError:
        return None


def _engine(given: argparse.Namespace, known: Mapping[str, Any] | CatalogueEntry | None) -> Kind:
    if given.engine != "auto":
        chosen: Kind = given.engine
        return chosen
    names = known.get("architectures") if isinstance(known, Mapping) else None
    return choose_engine(
        str(names[0]) if isinstance(names, list) and names else None,
        given.device,
        installed=(installed_vllm() or (None,))[0],
        known=supported_architectures.architectures(),
        prefers=known.engine if isinstance(known, CatalogueEntry) else None,
        cpu_features=frozenset(cpu_features()),
    )


def _tool_settings(
    given: argparse.Namespace, known: Mapping[str, Any] | CatalogueEntry | None, settings: Settings
) -> dict[str, Any]:
    """Return the two settings with which vLLM reads the calls of tools that the model writes.

    Raises:
        ConfigError: No parser was named, and no parser is known for the model.
    """
    parser = given.tools
    if parser == "auto":
        parser = tool_call_parser(known if isinstance(known, Mapping) else {}, settings.model_path)
    if parser is None:
        raise ConfigError("serve_tools_unknown", model=settings.model_path)
    return {"enable_auto_tool_choice": True, "tool_call_parser": parser}


def _has_vision(known: Mapping[str, Any] | CatalogueEntry | None) -> bool | None:
    if isinstance(known, CatalogueEntry):
        return known.sees
    if known is None:
        return None
    try:
        return read_shape(known).vision is not None
    except AppError:
        return None


def _key(given: argparse.Namespace, settings: Settings) -> tuple[str, bool]:
    """Return the key that requests must carry, and whether it was generated here."""
    key = config.checked_key("--api-key", given.api_key or "") or settings.serve_api_key
    return (key, False) if key else (f"sk-{secrets.token_urlsafe(24)}", True)


def _address_host(host: str) -> str:
    """Return the host as another program writes it in an address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return socket.gethostname()
    return f"[{host}]" if address.version == 6 else host


def _print_usage(
    address: str,
    names: tuple[str, ...],
    key: str,
    settings: Settings,
    force_type: str | None,
    *,
    is_made: bool,
) -> None:
    print(t("cli.serve_starting", model=names[0], address=address, engine=settings.engine))
    if force_type == "text":
        print(t("cli.serve_text_only"))
    shown = key if is_made else "…"
    asked = json.dumps({"model": names[0], "messages": [{"role": "user", "content": "1 + 1 = ?"}]})
    print(f"\ncurl {address}/chat/completions -H 'Authorization: Bearer {shown}' \\\n"
          f"  -H 'Content-Type: application/json' -d '{asked}'\n")  # fmt: skip
    hub = chosen_hub().setting
    variables = {
        "FRAMELENS_BASE_URL": address,
        "FRAMELENS_API_KEY": shown,
        **({"FRAMELENS_HUB": hub} if hub else {}),
        "VLLM_MODEL_PATH": names[0],
    }
    print(t("cli.serve_for_framelens"), *(f"{key}={value}" for key, value in variables.items()), sep="\n", flush=True)
