"""Settings from the environment, then `.env`, then the model chosen on the page, then the defaults below.

`.env` is the file that FRAMELENS_ENV_FILE names, else that of FrameLens's own folder, else that of the user's folder of
settings. That of the current folder isn't read: who sends a folder of videos would choose the engine.

This is the only reader of the environment. `VLLM_MODEL_PATH` (a string) and `VLLM_CONFIG` (a dict) can be imported from
here; they are read at that moment. Nothing here uses the network or imports an engine.
"""

import ipaddress
import json
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, get_args

from framelens.core.domain import Language
from framelens.core.engines.model_hub import model_on_page, parse_hub
from framelens.core.errors import ConfigError
from framelens.core.files import ensure_home, typed_path
from framelens.core.links import SCHEMES, SourceSettings, typed_link
from framelens.core.redaction import is_secret, redact, remember_secret
from framelens.core.roles import AccessSettings, NewUserRole

DEFAULT_MODEL_PATH = "Qwen/Qwen2.5-VL-7B-Instruct"
DEFAULT_VLLM_CONFIG: dict[str, Any] = {
    "max_model_len": 8192,
    "gpu_memory_utilization": 0.80,
    "tensor_parallel_size": 1,
    "dtype": "half",
    # No recommended model needs it, and true runs untrusted code on this machine.
    "trust_remote_code": False,
}
EngineKind = Literal["vllm", "transformers"]
FramesAs = Literal["images", "video"]
REPOSITORY = Path(__file__).resolve().parent.parent

log = logging.getLogger(__name__)
VLLM_MODEL_PATH: str
VLLM_CONFIG: dict[str, Any]
ENV_FILE = "FRAMELENS_ENV_FILE"
_OUR_LINE = re.compile(r"^\s*(?:export\s+)?(?:FRAMELENS|VLLM)_\w+\s*=", re.MULTILINE)
_MOST_CHARACTERS = 1 << 16
"""Of a file that is searched for settings but not read as settings."""
# Our own variables among those with a prefix of _PASSED_ON.
_OURS = ("VLLM_MODEL_PATH", "VLLM_CONFIG")
# If any of these is set, the choice on the page is ignored.
_CHOOSING = ("VLLM_MODEL_PATH", "VLLM_CONFIG", "FRAMELENS_BASE_URL", "FRAMELENS_ENGINE")
_ADDRESS = re.compile(r"[a-z]+://|[\w.-]+:\d{2,5}(?:/|$)", re.IGNORECASE)
"""A server's address, which neither a model nor a folder looks like."""
_MAY_BE_EMPTY = ("FRAMELENS_PLUGINS",)
"""Variables that have a meaning when they are empty: no plugins."""
_KEPT = (*_CHOOSING, "FRAMELENS_API_KEY")
# Prefixes of other programs' variables that .env may set: the hubs' clients, vLLM, CUDA, links between machines;
# and our own variable for downloading models.
_PASSED_ON = (
    *("HF_", "HUGGING_FACE_", "MODELSCOPE_", "VLLM_", "CUDA_", "NCCL_", "GLOO_", "RAY_", "OMP_"),
    *("HTTP_", "HTTPS_", "NO_PROXY", "FRAMELENS_HUB"),
)


@dataclass(frozen=True)
class UserLimits:
    """Limits of a user on this machine.

    Attributes:
        upload_bytes: Bytes of all uploads.
        jobs: Number of jobs that wait or run; counts only with accounts.
    """

    upload_bytes: int = 1000 * 1000**3
    jobs: int = 500


@dataclass(frozen=True)
class Settings:
    """All settings. `base_url` may name several remote engines; if it is empty, FrameLens starts an engine itself.

    A `model_path` that is the address of a model's page on a hub becomes the model's id.
    """

    model_path: str
    model_chosen: bool  # the user named a model; in a variable, the default is not counted
    vllm_config: dict[str, Any]
    data_dir: Path
    input_dirs: tuple[Path, ...]
    base_url: str
    api_key: str = field(repr=False)
    engine: EngineKind
    language: Language | None
    answer_tokens: int
    timeout_seconds: float
    frame_side: int | None
    frames_as: FramesAs
    allow_pickle: bool  # weights in pickles, which can run any code, are downloaded and loaded
    template_dir: Path  # of the user's templates
    speech_model_path: str  # "" for the usual model; with a base URL, the model's name there
    speech_base_url: str
    speech_api_key: str = field(repr=False)
    speech_config: dict[str, Any]  # engine arguments of a speech model that vLLM runs
    speech_language: str
    speaker_model_path: str
    embedding_base_url: str  # "" for no semantic search
    embedding_model: str
    embedding_api_key: str = field(repr=False)
    search_model_path: str  # "" for the catalogue's model that compares pictures
    finder_base_url: str  # "" for no model that is asked for moments alone
    finder_model: str
    finder_api_key: str = field(repr=False)
    serve_api_key: str = field(repr=False)  # key for callers of `framelens serve`
    access: AccessSettings
    sources: SourceSettings  # of videos that programs name by address
    user_limits: UserLimits
    passed_on: dict[str, str] = field(repr=False)  # variables in .env for the hub's client and the engine
    objects: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)  # parts of the JSON settings
    dtype_chosen: bool = False  # VLLM_CONFIG of the environment or `.env` names a dtype

    def __post_init__(self) -> None:
        """Replace the address of a model's page by the model's id."""
        object.__setattr__(self, "model_path", model_on_page(self.model_path) or self.model_path)

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Return the addresses in `base_url`, as they are written, in alphabetical order."""
        return tuple(sorted(self.base_url.replace(",", " ").split()))

    @property
    def requested_model(self) -> str:
        """Return the model to request from a remote engine; "" if the user named no model, for the engine's own."""
        return self.model_path if self.model_chosen else ""

    @property
    def named_model(self) -> str:
        """Return the model to run here, or to request from the remote engine; "" for the remote engine's own."""
        return self.requested_model if self.base_url else self.model_path


def as_given(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> dict[str, str]:
    """Return every variable as set by the environment, `.env` and the choice on the page, before any check."""
    return _values(os.environ if environ is None else environ, dotenv)


def page_choice(environ: Mapping[str, str] | None = None) -> tuple[Path, dict[str, str]]:
    """Return the file with the choice on the page, and its variables, {} where others are set instead."""
    variables = _variables(os.environ if environ is None else environ, None)
    return _choice_path(_data_dir(variables.get("FRAMELENS_DATA_DIR", ""))), _read_choice(variables)


def env_file(environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the `.env` that is read, or None where there is none.

    Raises:
        ConfigError: The named file doesn't exist.
    """
    if name := (os.environ if environ is None else environ).get(ENV_FILE, "").strip():
        path = Path(typed_path(name)).absolute()
        if not path.is_file():
            raise ConfigError("dotenv_missing", path=path)
        return path
    return next((path for path in _usual_env_files() if path.is_file()), None)


def unread_env_file(environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the `.env` of the current folder if it has settings of ours but isn't read."""
    here = Path(".env")
    try:
        read = env_file(environ)
        if not here.is_file() or (read is not None and here.samefile(read)):
            return None
        with here.open(encoding="utf-8", errors="replace") as file:
            return here.absolute() if _OUR_LINE.search(file.read(_MOST_CHARACTERS)) else None
    except (ConfigError, OSError):
        return None


def plugin_names() -> frozenset[str] | None:
    """Return the names in FRAMELENS_PLUGINS, or None if it isn't set, which means all plugins."""
    names = as_given().get("FRAMELENS_PLUGINS")
    return None if names is None else frozenset(names.replace(",", " ").split())


def export_environment(settings: Settings) -> None:
    """Copy variables of `.env` for the hub's client and the engine to the environment, which takes precedence."""
    for name, value in settings.passed_on.items():
        os.environ.setdefault(name, value)


def load(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Settings:
    """Read all settings.

    The secrets among them, and other programs' secrets, are hidden from then on in all external text.

    Args:
        environ: Environment variables; os.environ by default.
        dotenv: The `.env` file; by default that of `env_file`.

    Raises:
        ConfigError: A value is wrong; the error has the key, the value and the allowed values.
    """
    variables = _variables(os.environ if environ is None else environ, dotenv)
    values = _with_choice(variables)
    for name, value in values.items():
        if is_secret(name):
            remember_secret(value)
    parse_hub(values)
    objects = {name: _object(name, values) for name in _PARTS}
    speech, network, limits = (objects[f"FRAMELENS_{name}"] for name in ("SPEECH", "NETWORK", "LIMITS"))
    speech_base_url, speech_model_path = _server(speech["model"])
    embedding_base_url, embedding_model = _server_and_model("FRAMELENS_EMBEDDING", values)
    finder_base_url, finder_model = _server_and_model("FRAMELENS_FINDER", values)
    return Settings(
        model_path=_model_path(values),
        model_chosen=_model_path(values) != DEFAULT_MODEL_PATH,
        vllm_config=_vllm_config(values.get("VLLM_CONFIG", "")),
        data_dir=_data_dir(values.get("FRAMELENS_DATA_DIR", "")),
        input_dirs=_input_dirs(values.get("FRAMELENS_INPUT_DIRS", "")),
        base_url=values.get("FRAMELENS_BASE_URL", "").strip(),
        api_key=_key("FRAMELENS_API_KEY", values),
        engine=_choice("FRAMELENS_ENGINE", values, get_args(EngineKind)) or "vllm",
        language=_choice("FRAMELENS_LANGUAGE", values, get_args(Language)) or None,
        answer_tokens=_number("FRAMELENS_ANSWER_TOKENS", values, 16, 32768) or 1024,
        timeout_seconds=float(_number("FRAMELENS_TIMEOUT_SECONDS", values, 1, 86400) or 600),
        frame_side=_number("FRAMELENS_FRAME_SIDE", values, 56, 4096),
        frames_as=_choice("FRAMELENS_FRAMES_AS", values, get_args(FramesAs)) or "images",
        allow_pickle=_choice("FRAMELENS_ALLOW_PICKLE", values, ("off", "on")) == "on",
        template_dir=_data_dir(values.get("FRAMELENS_DATA_DIR", "")) / "templates",
        speech_model_path=speech_model_path,
        speech_base_url=speech_base_url,
        speech_api_key=_key("FRAMELENS_SPEECH_API_KEY", values),
        speech_config=speech["config"],
        speech_language=speech["language"].lower(),
        speaker_model_path=speech["speaker_models"],
        embedding_base_url=embedding_base_url,
        embedding_model=embedding_model,
        embedding_api_key=_key("FRAMELENS_EMBEDDING_API_KEY", values),
        search_model_path=values.get("FRAMELENS_SEARCH_MODEL", "").strip(),
        finder_base_url=finder_base_url,
        finder_model=finder_model,
        finder_api_key=_key("FRAMELENS_FINDER_API_KEY", values),
        serve_api_key=_key("FRAMELENS_SERVE_API_KEY", values),
        access=_access(values, objects["FRAMELENS_ACCOUNTS"], network),
        sources=SourceSettings(
            urls=network["source_urls"],
            private_networks=network["private_networks"],
            most_bytes=limits["download_gb"] * 1000**3,
        ),
        user_limits=UserLimits(upload_bytes=limits["user_upload_gb"] * 1000**3, jobs=limits["user_jobs"]),
        passed_on={key: value for key, value in values.items() if key.startswith(_PASSED_ON) and key not in _OURS},
        objects=objects,
        dtype_chosen="dtype" in engine_arguments(variables.get("VLLM_CONFIG", "")),
    )


def engine_arguments(text: str) -> dict[str, Any]:
    """Parse vLLM's arguments as written, without our defaults.

    Raises:
        ConfigError: The text isn't a JSON object, or vLLM would refuse an argument.
    """
    arguments = _parse_object("VLLM_CONFIG", text)
    if arguments:
        from framelens.core.engines import vllm_arguments

        vllm_arguments.check_arguments(arguments)
    return arguments


def _parse_object(name: str, text: str) -> dict[str, Any]:
    """Return the JSON object in a setting, {} for an empty setting."""
    if not text.strip():
        return {}
    try:
        parsed = json.loads(text, object_pairs_hook=partial(_without_repeats, name))
    except json.JSONDecodeError as error:
        shown = {"key": name, "value": redact(text), "example": _EXAMPLES[name]}
        raise ConfigError("setting_not_json", place=f"{error.lineno}:{error.colno}", **shown) from error
    if not isinstance(parsed, dict):
        raise ConfigError("setting_not_object", key=name, value=redact(text), example=_EXAMPLES[name])
    return parsed


def _without_repeats(name: str, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raise ConfigError for a repeated key, whose last value JSON would keep."""
    unique: dict[str, Any] = {}
    for key, value in pairs:
        if key in unique:
            raise ConfigError("setting_repeats", key=name, part=key)
        unique[key] = value
    return unique


def checked_key(name: str, value: str) -> str:
    """Return an API key without blanks around it; `name` is its setting's name.

    Raises:
        ConfigError: The key can't be sent in a header. The error doesn't show the key.
    """
    key = value.strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError("setting_key", key=name)
    return key


def keep_choice(settings: Settings) -> None:
    """Store the model of these settings, or the remote engine with its key, for the next start.

    It is used unless the environment or `.env` name a model. Only its owner can read the file. Raises OSError.
    """
    chosen = {
        "VLLM_MODEL_PATH": settings.model_path,
        "VLLM_CONFIG": json.dumps(settings.vllm_config),
        "FRAMELENS_ENGINE": settings.engine,
    }
    if settings.base_url:
        chosen = {"FRAMELENS_BASE_URL": settings.base_url, "FRAMELENS_API_KEY": settings.api_key}
        chosen |= {"VLLM_MODEL_PATH": settings.model_path} if settings.model_chosen else {}
    path = _choice_path(settings.data_dir).with_suffix(".new")
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(chosen, file, indent=1)
    path.replace(_choice_path(settings.data_dir))


def __getattr__(name: str) -> Any:
    if name == "VLLM_MODEL_PATH":
        return _model_path(_values(os.environ, None))
    if name == "VLLM_CONFIG":
        return _vllm_config(_values(os.environ, None).get("VLLM_CONFIG", ""))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _values(environ: Mapping[str, str], dotenv: Path | None) -> dict[str, str]:
    return _with_choice(_variables(environ, dotenv))


def _with_choice(variables: Mapping[str, str]) -> dict[str, str]:
    return {**_read_choice(variables), **variables}


def _variables(environ: Mapping[str, str], dotenv: Path | None) -> dict[str, str]:
    ensure_home()
    path = dotenv or env_file(environ)
    from_file = _read_dotenv(path, path.stat().st_mtime_ns) if path and path.is_file() else {}
    # An empty variable counts as not set, so that `VLLM_CONFIG=` in a compose file does no harm.
    return {**from_file, **{key: value for key, value in environ.items() if value or key in _MAY_BE_EMPTY}}


def _read_choice(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the values stored by `keep_choice`, or nothing if others are set or they can't be read."""
    if any(variables.get(key, "").strip() for key in _CHOOSING):
        return {}
    try:
        text = _choice_path(_data_dir(variables.get("FRAMELENS_DATA_DIR", ""))).read_text(encoding="utf-8")
        stored = json.loads(text)
    except (ImportError, OSError, ValueError):  # also in a Python without our libraries
        return {}
    chosen = {key: value for key, value in stored.items() if key in _KEPT and isinstance(value, str)}
    return {**chosen, "VLLM_CONFIG": _without_code(chosen["VLLM_CONFIG"])} if "VLLM_CONFIG" in chosen else chosen


def _without_code(text: str) -> str:
    """Return VLLM_CONFIG as chosen on the page without what only the environment and `.env` may set."""
    try:
        arguments = json.loads(text)
    except ValueError:
        return text
    from framelens.core.engines.vllm_arguments import arguments_with_code

    if not isinstance(arguments, dict) or not (names := arguments_with_code(arguments)):
        return text
    log.warning("left out of the model chosen on the page, as they load code: %s", ", ".join(names))
    return json.dumps({name: value for name, value in arguments.items() if name not in names})


def _usual_env_files() -> tuple[Path, ...]:
    """Return where `.env` is looked for: FrameLens's own folder, and the user's folder of settings."""
    try:
        from platformdirs import user_config_path  # imported late, as in `_data_dir`
    except ImportError:
        return (REPOSITORY / ".env",)
    return (REPOSITORY / ".env", user_config_path("framelens", appauthor=False) / ".env")


def _choice_path(data_dir: Path) -> Path:
    return data_dir / "model.json"


@cache
def _read_dotenv(path: Path, _changed: int) -> dict[str, str]:
    from dotenv import dotenv_values  # imported late, like platformdirs

    try:
        variables = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("dotenv_unreadable", reason=str(error)) from error
    return {key: value for key, value in variables.items() if value or (value == "" and key in _MAY_BE_EMPTY)}


def _vllm_config(text: str) -> dict[str, Any]:
    return {**DEFAULT_VLLM_CONFIG, **engine_arguments(text)}


def _model_path(values: Mapping[str, str]) -> str:
    return values.get("VLLM_MODEL_PATH", "").strip() or DEFAULT_MODEL_PATH


def _data_dir(text: str) -> Path:
    if text.strip():
        return Path(typed_path(text.strip())).absolute()
    from platformdirs import user_data_path  # imported late, so that a Python without it can read the model's path

    return user_data_path("framelens", appauthor=False)


def _input_dirs(text: str) -> tuple[Path, ...]:
    folders = [Path(typed_path(part.strip())) for part in text.split(os.pathsep) if part.strip()]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError("input_dir_missing", value=str(folder), separator=os.pathsep)
    return tuple(folder.resolve() for folder in folders)


def _access(values: Mapping[str, str], accounts: Mapping[str, Any], network: Mapping[str, Any]) -> AccessSettings:
    return AccessSettings(
        insecure=_choice("FRAMELENS_INSECURE", values, ("off", "on")) == "on",
        expects_accounts=bool(_parse_object("FRAMELENS_ACCOUNTS", values.get("FRAMELENS_ACCOUNTS", ""))),
        idle_seconds=accounts["idle_hours"] * 3600.0,
        session_seconds=accounts["session_hours"] * 3600.0,
        new_user_role=accounts["new_users"],
        trusted_proxies=network["trusted_proxies"],
    )


def _server(text: str) -> tuple[str, str]:
    """Return the address and the model in "ADDRESS MODEL"; a text without an address is a model."""
    address, _, model = text.partition(" ")
    return (address, model.strip()) if _ADDRESS.match(address) else ("", text)


def _server_and_model(key: str, values: Mapping[str, str]) -> tuple[str, str]:
    """Return the address and the model of a setting that is a server; a model alone is refused."""
    text = values.get(key, "").strip()
    base_url, model = _server(text)
    if model and not base_url:
        raise ConfigError("setting_address", key=key, value=redact(text))
    return base_url, model


def _object(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the checked parts of a setting that is a JSON object; null is a part that isn't set, as is a missing part.

    FRAMELENS_SPEECH may also be the model alone.

    Raises:
        ConfigError: The setting isn't an object, a part is unknown, or its value is wrong.
    """
    text, allowed = values.get(name, "").strip(), _PARTS[name]
    defaults = {part: default for part, (_, default) in allowed.items()}
    if name == "FRAMELENS_SPEECH" and not text.startswith(("{", "[")):
        return {**defaults, "model": text}
    parts = _parse_object(name, text)
    for part in parts.keys() - allowed:
        from framelens.core.spelling import closest

        if nearest := closest(part, allowed):
            raise ConfigError("setting_part_misspelt", key=name, part=part, nearest=nearest)
        raise ConfigError("setting_part_unknown", key=name, part=part, allowed=", ".join(allowed))
    chosen = {part: allowed[part][0](f"{name}: {part}", value) for part, value in parts.items() if value is not None}
    return defaults | chosen


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError("setting_text", key=key, value=json.dumps(value))
    return value.strip()


def _texts(key: str, value: object) -> tuple[str, ...]:
    """Return the texts of a list, or those of one text that blanks separate."""
    if isinstance(value, list):
        return tuple(_text(key, item) for item in value)
    return tuple(_text(key, value).split())


def _source_urls(key: str, value: object) -> tuple[str, ...]:
    urls = tuple(map(typed_link, _texts(key, value)))
    for url in urls:
        scheme, _, rest = url.partition("://")
        host = rest.partition("/")[0]
        if scheme not in SCHEMES or not host or "@" in host:
            raise ConfigError("source_url_wrong", key=key, value=redact(url))
    return urls


def _networks(key: str, value: object) -> tuple[str, ...]:
    networks = _texts(key, value)
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise ConfigError("network_wrong", key=key, value=network) from error
    return networks


def _speech_arguments(key: str, value: object) -> dict[str, Any]:
    from framelens.core.engines import vllm_arguments

    try:
        if not isinstance(value, dict):
            raise ConfigError("setting_not_object")
        vllm_arguments.check_arguments(value)
    except ConfigError as error:
        wrong = error.values.get("key", "-")
        raise ConfigError("speech_config_wrong", key=key, value=json.dumps(value), part=wrong) from error
    return value


def _key(name: str, values: Mapping[str, str]) -> str:
    return checked_key(name, values.get(name, ""))


def _choice(key: str, values: Mapping[str, str], allowed: tuple[str, ...]) -> Any:
    value = values.get(key, "").strip()
    return _checked_choice(key, value, allowed=allowed) if value else value


def _checked_choice(key: str, value: object, *, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise ConfigError("setting_choice", key=key, value=_shown(value), allowed=", ".join(allowed))
    return value


def _number(key: str, values: Mapping[str, str], low: int, high: int) -> int | None:
    text = values.get(key, "").strip()
    return _checked_number(key, text, low=low, high=high) if text else None


def _checked_number(key: str, value: object, *, low: int, high: int) -> int:
    text = _shown(value)
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ConfigError("setting_number", key=key, value=text, low=low, high=high)
    return int(text)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


_HOURS = partial(_checked_number, low=1, high=8760)
_NEW_USERS = partial(_checked_choice, allowed=tuple(filter(None, get_args(NewUserRole))))
_PARTS: dict[str, dict[str, tuple[Callable[[str, object], Any], Any]]] = {
    "FRAMELENS_SPEECH": {
        "model": (_text, ""), "language": (_text, ""), "speaker_models": (_text, ""), "config": (_speech_arguments, {}),
    },
    "FRAMELENS_ACCOUNTS": {"idle_hours": (_HOURS, 12), "session_hours": (_HOURS, 168), "new_users": (_NEW_USERS, "")},
    "FRAMELENS_NETWORK": {
        "trusted_proxies": (_networks, ()), "private_networks": (_networks, ()), "source_urls": (_source_urls, ()),
    },
    "FRAMELENS_LIMITS": {
        "download_gb": (partial(_checked_number, low=1, high=10_000), 20),
        "user_upload_gb": (partial(_checked_number, low=1, high=1_000_000), 1000),
        "user_jobs": (partial(_checked_number, low=1, high=1_000_000), 500),
    },
}  # fmt: skip
"""The settings that are JSON objects, with their parts, what reads each, and its default."""
_EXAMPLES = {
    "VLLM_CONFIG": '{"max_model_len": 4096, "dtype": "half"}',
    "FRAMELENS_SPEECH": '{"model": "small", "language": "en"}',
    "FRAMELENS_ACCOUNTS": '{"idle_hours": 12, "new_users": "viewer"}',
    "FRAMELENS_NETWORK": '{"trusted_proxies": ["127.0.0.1"]}',
    "FRAMELENS_LIMITS": '{"download_gb": 20, "user_jobs": 500}',
}
