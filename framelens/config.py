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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from framelens.core.domain import Language
from framelens.core.engines.model_hub import model_on_page, parse_hub
from framelens.core.errors import ConfigError
from framelens.core.files import ensure_home, typed_path
from framelens.core.links import SCHEMES, SourceSettings, typed_link
from framelens.core.redaction import is_secret, redact, remember_secret
from framelens.core.roles import AccessSettings

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
AnswerForm = Literal["schema", "words"]
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
    in_flight: int | None
    answer_form: AnswerForm
    allow_pickle: bool  # weights in pickles, which can run any code, are downloaded and loaded
    tracing: bool  # LangSmith may record prompts, frames and answers
    template_dir: Path
    speech_model_path: str  # "" without speech; with a base URL, the model's name there
    speech_base_url: str
    speech_api_key: str = field(repr=False)
    speech_config: dict[str, Any]
    speech_language: str
    speaker_model_path: str
    embedding_base_url: str  # "" for no semantic search
    embedding_model: str
    embedding_api_key: str = field(repr=False)
    serve_api_key: str = field(repr=False)  # key for callers of `framelens serve`
    access: AccessSettings
    sources: SourceSettings  # of videos that programs name by address
    user_limits: UserLimits
    passed_on: dict[str, str] = field(repr=False)  # variables in .env for the hub's client and the engine
    dtype_chosen: bool = False  # VLLM_CONFIG of the environment or `.env` names a dtype

    def __post_init__(self) -> None:
        """Replace the address of a model's page by the model's id."""
        object.__setattr__(self, "model_path", model_on_page(self.model_path) or self.model_path)

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Return the addresses in `base_url`, as they are written, in alphabetical order."""
        return tuple(sorted(self.base_url.replace(",", " ").split()))

    @property
    def asked_model(self) -> str:
        """Return the model to request from a remote engine; "" if the user named no model, for the engine's own."""
        return self.model_path if self.model_chosen else ""

    @property
    def named_model(self) -> str:
        """Return the model to run here, or to request from the remote engine; "" for the remote engine's own."""
        return self.asked_model if self.base_url else self.model_path


def as_given(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> dict[str, str]:
    """Return every variable as set by the environment, `.env` and the choice on the page, before any check."""
    return _values(os.environ if environ is None else environ, dotenv)


def page_choice(environ: Mapping[str, str] | None = None) -> tuple[Path, dict[str, str]]:
    """Return the file with the choice on the page, and its variables, {} where others are set instead."""
    given = _given(os.environ if environ is None else environ, None)
    return _choice_path(_data_dir(given.get("FRAMELENS_DATA_DIR", ""))), _read_choice(given)


def env_file(environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the `.env` that is read, or None where there is none.

    Raises:
        ConfigError: The named file doesn't exist.
    """
    if named := (os.environ if environ is None else environ).get(ENV_FILE, "").strip():
        path = Path(typed_path(named)).absolute()
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
    given = as_given().get("FRAMELENS_PLUGINS")
    return None if given is None else frozenset(given.replace(",", " ").split())


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
    given = _given(os.environ if environ is None else environ, dotenv)
    values = _with_choice(given)
    for name, value in values.items():
        if is_secret(name):
            remember_secret(value)
    parse_hub(values)
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
        in_flight=_number("FRAMELENS_IN_FLIGHT", values, 1, 64),
        answer_form=_choice("FRAMELENS_ANSWER_FORM", values, get_args(AnswerForm)) or "schema",
        allow_pickle=_choice("FRAMELENS_ALLOW_PICKLE", values, ("off", "on")) == "on",
        tracing=_choice("FRAMELENS_TRACING", values, ("off", "on")) == "on",
        template_dir=_template_dir(values),
        speech_model_path=values.get("FRAMELENS_SPEECH_MODEL_PATH", "").strip(),
        speech_base_url=values.get("FRAMELENS_SPEECH_BASE_URL", "").strip(),
        speech_api_key=_key("FRAMELENS_SPEECH_API_KEY", values),
        speech_config=_speech_config(values.get("FRAMELENS_SPEECH_CONFIG", "")),
        speech_language=values.get("FRAMELENS_SPEECH_LANGUAGE", "").strip().lower(),
        speaker_model_path=values.get("FRAMELENS_SPEAKER_MODEL_PATH", "").strip(),
        embedding_base_url=values.get("FRAMELENS_EMBEDDING_URL", "").strip(),
        embedding_model=values.get("FRAMELENS_EMBEDDING_MODEL", "").strip(),
        embedding_api_key=_key("FRAMELENS_EMBEDDING_API_KEY", values),
        serve_api_key=_key("FRAMELENS_SERVE_API_KEY", values),
        access=_access(values),
        sources=_sources(values),
        user_limits=UserLimits(
            upload_bytes=(_number("FRAMELENS_USER_UPLOAD_GB", values, 1, 1_000_000) or 1000) * 1000**3,
            jobs=_number("FRAMELENS_USER_JOBS", values, 1, 1_000_000) or 500,
        ),
        passed_on={key: value for key, value in values.items() if key.startswith(_PASSED_ON) and key not in _OURS},
        dtype_chosen="dtype" in engine_arguments(given.get("VLLM_CONFIG", "")),
    )


def engine_arguments(text: str) -> dict[str, Any]:
    """Parse vLLM's arguments as written, without our defaults.

    Raises:
        ConfigError: The text isn't a JSON object, or vLLM would refuse an argument.
    """
    if not text.strip():
        return {}
    try:
        given = json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise ConfigError("vllm_config_not_json", value=text, place=f"{error.lineno}:{error.colno}") from error
    if not isinstance(given, dict):
        raise ConfigError("vllm_config_not_object", value=text)
    from framelens.core.engines import vllm_arguments

    vllm_arguments.check(given)
    return given


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of VLLM_CONFIG; raise ConfigError for a repeated key, whose last value JSON would keep."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ConfigError("vllm_config_repeats", key=key)
        found[key] = value
    return found


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
    return _with_choice(_given(environ, dotenv))


def _with_choice(given: Mapping[str, str]) -> dict[str, str]:
    return {**_read_choice(given), **given}


def _given(environ: Mapping[str, str], dotenv: Path | None) -> dict[str, str]:
    ensure_home()
    path = dotenv or env_file(environ)
    from_file = _read_dotenv(path, path.stat().st_mtime_ns) if path and path.is_file() else {}
    # An empty variable counts as not set, so that `VLLM_CONFIG=` in a compose file does no harm.
    return {**from_file, **{key: value for key, value in environ.items() if value or key in _MAY_BE_EMPTY}}


def _read_choice(given: Mapping[str, str]) -> dict[str, str]:
    """Return the values stored by `keep_choice`, or nothing if others are set or they can't be read."""
    if any(given.get(key, "").strip() for key in _CHOOSING):
        return {}
    try:
        text = _choice_path(_data_dir(given.get("FRAMELENS_DATA_DIR", ""))).read_text(encoding="utf-8")
        kept = json.loads(text)
    except (ImportError, OSError, ValueError):  # also in a Python without our libraries
        return {}
    chosen = {key: value for key, value in kept.items() if key in _KEPT and isinstance(value, str)}
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
        found = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("dotenv_unreadable", reason=str(error)) from error
    return {key: value for key, value in found.items() if value or (value == "" and key in _MAY_BE_EMPTY)}


def _vllm_config(text: str) -> dict[str, Any]:
    return {**DEFAULT_VLLM_CONFIG, **engine_arguments(text)}


def _speech_config(text: str) -> dict[str, Any]:
    try:
        return engine_arguments(text)
    except ConfigError as error:
        raise ConfigError("speech_config_wrong", value=text, key=error.values.get("key", "-")) from error


def _model_path(values: Mapping[str, str]) -> str:
    return values.get("VLLM_MODEL_PATH", "").strip() or DEFAULT_MODEL_PATH


def _data_dir(text: str) -> Path:
    if text.strip():
        return Path(typed_path(text.strip())).absolute()
    from platformdirs import user_data_path  # imported late, so that a Python without it can read the model's path

    return user_data_path("framelens", appauthor=False)


def _template_dir(values: Mapping[str, str]) -> Path:
    given = values.get("FRAMELENS_TEMPLATE_DIR", "").strip()
    if given:
        return Path(typed_path(given)).absolute()
    return _data_dir(values.get("FRAMELENS_DATA_DIR", "")) / "templates"


def _input_dirs(text: str) -> tuple[Path, ...]:
    folders = [Path(typed_path(part.strip())) for part in text.split(os.pathsep) if part.strip()]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError("input_dir_missing", value=str(folder), separator=os.pathsep)
    return tuple(folder.resolve() for folder in folders)


def _access(values: Mapping[str, str]) -> AccessSettings:
    return AccessSettings(
        insecure=_choice("FRAMELENS_INSECURE", values, ("off", "on")) == "on",
        idle_seconds=(_number("FRAMELENS_SESSION_IDLE_HOURS", values, 1, 8760) or 12) * 3600.0,
        session_seconds=(_number("FRAMELENS_SESSION_HOURS", values, 1, 8760) or 168) * 3600.0,
        new_user_role=_choice("FRAMELENS_NEW_USERS", values, ("viewer", "analyst")),
        trusted_proxies=_networks("FRAMELENS_TRUSTED_PROXIES", values),
    )


def _sources(values: Mapping[str, str]) -> SourceSettings:
    return SourceSettings(
        urls=_source_urls(values.get("FRAMELENS_SOURCE_URLS", "")),
        private_networks=_networks("FRAMELENS_PRIVATE_NETWORKS", values),
        most_bytes=(_number("FRAMELENS_SOURCE_GB", values, 1, 10_000) or 20) * 1000**3,
    )


def _source_urls(text: str) -> tuple[str, ...]:
    urls = tuple(map(typed_link, text.split()))
    for url in urls:
        scheme, _, rest = url.partition("://")
        host = rest.partition("/")[0]
        if scheme not in SCHEMES or not host or "@" in host:
            raise ConfigError("source_url_wrong", value=redact(url))
    return urls


def _networks(key: str, values: Mapping[str, str]) -> tuple[str, ...]:
    given = values.get(key, "").split()
    for one in given:
        try:
            ipaddress.ip_network(one)
        except ValueError as error:
            raise ConfigError("network_wrong", key=key, value=one) from error
    return tuple(given)


def _key(name: str, values: Mapping[str, str]) -> str:
    return checked_key(name, values.get(name, ""))


def _choice(key: str, values: Mapping[str, str], allowed: tuple[str, ...]) -> Any:
    value = values.get(key, "").strip()
    if value and value not in allowed:
        raise ConfigError("setting_choice", key=key, value=value, allowed=", ".join(allowed))
    return value


def _number(key: str, values: Mapping[str, str], low: int, high: int) -> int | None:
    text = values.get(key, "").strip()
    if not text:
        return None
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ConfigError("setting_number", key=key, value=text, low=low, high=high)
    return int(text)
