"""Command `framelens serve`: serves a model at an OpenAI-compatible address with a key, on the engine that fits it."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import socket
import sys
import threading
from collections.abc import Set
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

from framelens import AppError, Cancelled, ConfigError, EngineError, ModelNotFound, notice_text
from framelens.plugin import Settings, language, load, t
from framelens.plugin.command_line import (
    PORT,
    Choice,
    Options,
    argument,
    cancel_on_signals,
    checked_key,
    command,
    option,
    use_language,
    whole_number,
)
from framelens.plugin.engines import Checkpoint, Engine, build_engine, check_folder, engine_arguments
from framelens.plugin.machine import Device, cpu_features, installed_vllm
from framelens.plugin.models import Catalogue, CatalogueEntry, chosen_hub, confirmed_downloads, readiness, resolve_model
from framelens.plugin.storage import check_access, log_to
from framelens.plugins.server.listening import open_socket, serve_until
from framelens.plugins.server.tool_calls import tool_call_parser

if TYPE_CHECKING:
    from framelens.plugins.server.openai_server import ServeOptions

Kind = Literal["vllm", "transformers"]
RequestedDevice = Literal["auto", "cpu", "cuda"]
_VLLM_NEEDS = {"avx2", "asimd"}
"""vLLM is built for processors with one of these (x86, ARM); transformers needs neither."""
_PORT = 8003  # default
_SHUTDOWN_SECONDS = 5
"""For requests in progress once the server is stopped."""


@command("serve", help="cli.serve_command", stopped="serve_stopped")
@argument("model", required=False, metavar="MODEL", help="cli.serve_model")
@option("--model-path", "--model", "model_path", metavar="MODEL", help="cli.serve_model")
@option("--device", type=Choice(get_args(RequestedDevice)), default="auto", help="cli.serve_device")
@option("--engine", type=Choice(("auto", *get_args(Kind))), default="auto", help="cli.serve_engine")
@option("--host", default="127.0.0.1", metavar="HOST", help="cli.serve_host")
@option(
    "--port",
    type=whole_number(0, PORT),
    default=_PORT,
    metavar="PORT",
    help=lambda: t("cli.serve_port", default=_PORT),
)
@option("--api-key", metavar="KEY", help="cli.serve_key")
@option("--base-url", metavar="URL", help="cli.serve_base")
@option("--force-type", type=Choice(("text", "vision")), help="cli.serve_type")
@option("--tools", is_flag=False, flag_value="auto", metavar="PARSER", help="cli.serve_tools")
@option("--vllm-config", metavar="JSON", help="cli.serve_config")
def run(options: Options) -> NoReturn:
    """Serve until the process is stopped.

    Raises:
        AppError: A setting is wrong, there are accounts and no plugin for them, the engine can't be started, or the
            address is in use.
        Cancelled: SIGINT or SIGTERM ended it.
    """
    options.model_path = options.model_path or options.model
    settings = _settings(options)
    use_language(options, settings)
    log_to(settings.data_dir)
    check_access(settings.data_dir, settings.access)
    listening = open_socket(options.host, options.port)
    if settings.base_url:
        _serve_remote(settings, options, listening)
    model = _find_model(settings)
    settings = replace(settings, engine=_engine(options, model))
    sees = _has_vision(model)
    if options.force_type == "vision" and sees is False:
        raise EngineError("serve_not_vision", model=settings.model_path)
    if options.force_type == "text" and sees and settings.engine == "vllm":  # saves the memory of the vision tower
        blind = {"limit_mm_per_prompt": {"image": 0, "video": 0}}
        settings = replace(settings, vllm_config={**settings.vllm_config, **blind})
    if options.tools and settings.engine == "vllm":  # transformers serve reads calls of tools without settings
        settings = replace(settings, vllm_config={**settings.vllm_config, **_tool_settings(options, model, settings)})
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    key, is_made = _key(options, settings)
    engine, notices = build_engine(settings)
    _check_model(settings, engine, named=bool(options.model_path))
    names = tuple(dict.fromkeys((engine.status().model, settings.model_path)))
    for notice in notices:
        print(notice_text(notice), file=sys.stderr)
    domains = settings.vllm_config.get("allowed_media_domains")
    limits = settings.vllm_config.get("limit_mm_per_prompt")

    from framelens.plugins.server.openai_server import ServeOptions

    pictures = limits.get("image") if isinstance(limits, dict) and sees else None
    _serve(
        ServeOptions(
            engine,
            names,
            key,
            takes_pictures=options.force_type != "text",
            takes_tools=settings.engine == "transformers" or bool(settings.vllm_config.get("enable_auto_tool_choice")),
            language=language(),
            timeout_seconds=settings.timeout_seconds,
            media_domains=tuple(map(str, domains)) if isinstance(domains, list) else (),
            settings=settings,
            most_pictures=pictures if isinstance(pictures, int) else None,
        ),
        options,
        listening,
        settings,
        is_made=is_made,
    )


def _serve_remote(settings: Settings, options: Options, listening: socket.socket) -> NoReturn:
    """Serve an engine that runs elsewhere: requests are passed on, with videos as their keyframes."""
    engine, _ = build_engine(settings)
    endpoint = engine.ensure_ready(lambda _: None, threading.Event())
    key, is_made = _key(options, settings)

    from framelens.plugins.server.openai_server import ServeOptions

    names = tuple(dict.fromkeys((endpoint.model, *filter(None, [options.model_path]))))
    served = ServeOptions(
        engine,
        names,
        key,
        takes_pictures=options.force_type != "text",
        language=language(),
        timeout_seconds=settings.timeout_seconds,
        settings=settings,
    )
    _serve(served, options, listening, settings, is_made=is_made)


def _serve(
    served: ServeOptions, options: Options, listening: socket.socket, settings: Settings, *, is_made: bool
) -> NoReturn:
    """Print how to ask the server, and serve until the process is stopped or the engine fails."""
    stop, failures = cancel_on_signals(), list[AppError]()

    def fail(error: AppError) -> None:
        failures.append(error)
        stop.set()

    address = f"http://{_address_host(options.host)}:{listening.getsockname()[1]}/v1"
    _print_usage(address, served.names, served.api_key, settings, options.force_type, is_made=is_made)

    from framelens.plugins.server.openai_server import serve_app

    app = serve_app(replace(served, on_failure=fail))
    serve_until(stop, app, listening, shutdown_seconds=_SHUTDOWN_SECONDS)
    raise failures[0] if failures else Cancelled("serve_stopped")


def _settings(options: Options) -> Settings:
    """Return the application's settings with those of the command line."""
    settings = load()
    return replace(
        settings,
        base_url=options.base_url or "",
        model_path=options.model_path or settings.model_path,
        model_chosen=bool(options.model_path) or settings.model_chosen,
        vllm_config={**settings.vllm_config, **engine_arguments(options.vllm_config or "")},
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
        if error := now.error or (engine.status().error if now.engine else None):
            raise error
        if now.model and not confirmed_downloads(settings.data_dir).get(now.model.model):
            raise ModelNotFound("serve_model_absent", model=now.model.model)
        if now.kind == "ready" and (folder := resolve_model(settings.model_path).folder):
            check_folder(folder, settings)
    except ModelNotFound:
        if named:
            print(t("cli.serve_model_option"), file=sys.stderr)
        raise


def _find_model(settings: Settings) -> Checkpoint | CatalogueEntry | None:
    """Return the files of the model, or else its catalogue entry, before the model is loaded."""
    try:
        folder = resolve_model(settings.model_path).folder
    except AppError:  # starting the engine reports the error
        return None
    if folder is not None:
        return Checkpoint.in_folder(folder)
    try:
        return Catalogue.load(settings.data_dir / "models").find(settings.model_path).entry
    except AppError:
        return None


def _engine(options: Options, model: Checkpoint | CatalogueEntry | None) -> Kind:
    if options.engine != "auto":
        chosen: Kind = options.engine
        return chosen
    if isinstance(model, Checkpoint):
        model = Catalogue.load(None).of_type((model.config or {}).get("model_type"))
    return choose_engine(
        options.device,
        installed=(installed_vllm() or (None,))[0],
        prefers=model.engine if model else None,
        cpu_features=frozenset(cpu_features()),
    )


def choose_engine(
    device: RequestedDevice,
    *,
    installed: Device | None,
    prefers: Kind | None,
    cpu_features: Set[str] = frozenset(),
) -> Kind:
    """Choose the engine for a model.

    Memory is not considered: the weights are the same for both engines, and vLLM's cache can be set.

    Args:
        device: Requested device.
        installed: Device of the installed vLLM; None without vLLM.
        prefers: Engine of the model, or of one of the same type, in the catalogue; None if unknown.
        cpu_features: CPU flags as in /proc/cpuinfo; empty if unknown.

    Raises:
        EngineError: CUDA is requested and the installed engine cannot use it.
    """
    if device == "cuda" and installed != "gpu":
        raise EngineError("serve_no_cuda")
    if installed is None or (device == "cpu" and installed == "gpu"):  # that build does not compute on processors
        return "transformers"
    if installed == "cpu" and cpu_features and not _VLLM_NEEDS & cpu_features:
        return "transformers"
    return prefers or "vllm"


def _tool_settings(options: Options, model: Checkpoint | CatalogueEntry | None, settings: Settings) -> dict[str, Any]:
    """Return the two settings with which vLLM reads the calls of tools that the model writes.

    Raises:
        ConfigError: No parser was named, and no parser is known for the model.
    """
    parser = options.tools
    if parser == "auto":
        config = model.config if isinstance(model, Checkpoint) else None
        parser = tool_call_parser(config or {}, settings.model_path)
    if parser is None:
        raise ConfigError("serve_tools_unknown", model=settings.model_path)
    return {"enable_auto_tool_choice": True, "tool_call_parser": parser}


def _has_vision(model: Checkpoint | CatalogueEntry | None) -> bool | None:
    if isinstance(model, CatalogueEntry):
        return model.sees
    return None if model is None or model.shape is None else model.shape.vision is not None


def _key(options: Options, settings: Settings) -> tuple[str, bool]:
    """Return the key that requests must carry, and whether it was generated here."""
    key = checked_key("--api-key", options.api_key or "") or settings.serve_api_key
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
    print(t("cli.serve_starting", model=names[0], address=address, engine=settings.base_url or settings.engine))
    if force_type == "text":
        print(t("cli.serve_text_only"))
    shown = key if is_made else "…"
    body = json.dumps({"model": names[0], "messages": [{"role": "user", "content": "1 + 1 = ?"}]})
    print(f"\ncurl {address}/chat/completions -H 'Authorization: Bearer {shown}' \\\n"
          f"  -H 'Content-Type: application/json' -d '{body}'\n")  # fmt: skip
    hub = chosen_hub().setting
    variables = {
        "FRAMELENS_BASE_URL": address,
        "FRAMELENS_API_KEY": shown,
        **({"FRAMELENS_HUB": hub} if hub else {}),
        "VLLM_MODEL_PATH": names[0],
    }
    print(t("cli.serve_for_framelens"), *(f"{key}={value}" for key, value in variables.items()), sep="\n", flush=True)
