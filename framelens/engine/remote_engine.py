"""Remote engine: an OpenAI-compatible server at a base URL. Nothing is started or stopped.

`framelens.engine.engine_pool` makes a single engine of several.
"""

import difflib
import re
import threading
from collections.abc import Mapping
from concurrent.futures import wait
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from framelens.core.background_task import in_thread
from framelens.core.domain import EngineInfo
from framelens.core.errors import AppError, Cancelled, ConfigError, EngineBrokeOff, EngineError
from framelens.core.events import EngineProgress, ProgressListener
from framelens.core.redaction import redact
from framelens.engine.base import Endpoint, Engine, EngineStatus
from framelens.engine.endpoints import health_url, is_vllm, served_models
from framelens.engine.short_requests import NoAnswer, get_json, get_text
from framelens.llm.refusals import is_page, message_in, refused

_OF_TLS = {"remote_certificate": "CERTIFICATE_VERIFY_FAILED", "remote_tls": "SSL"}
"""Errors of TLS, by the words of Python's ssl module."""
_AS_SAID = ("engine_busy", "engine_no_credit", "engine_gateway_timeout")
"""Refusals below 500 that an engine gives whatever is asked of it."""
_VERSIONED = re.compile(r"/v\d+\w*(?:$|/(?:.+/)?(?:openai|openapi|compat)$)")
"""The end of a path that has the API version: the version, or what Google and Cloudflare put after it."""
_UNLISTED = (404, 405, 501)
"""Statuses of /models at servers that list no models and still answer for a model."""
_POLL_SECONDS = 0.1
"""How often a waiting request checks for cancellation."""


def normal_base_url(base_url: str) -> str:
    """Normalize `base_url` as OpenAI clients expect it, ending in the API version.

    >>> normal_base_url("HTTP://localhost:8000")
    'http://localhost:8000/v1'

    Raises:
        ConfigError: It is not an http(s) URL, or has a query or fragment.
    """
    url = re.sub(r"/(?:chat/completions|completions|models)$", "", base_url.strip().rstrip("/"))
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        usable = usable and not re.search(r"\s", url)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ConfigError("base_url_invalid", value=redact(base_url))
    secret, separator, host = parts.netloc.rpartition("@")
    url = f"{parts.scheme}://{secret}{separator}{host.lower()}{parts.path}"
    return url if _VERSIONED.search(parts.path) else f"{url}/v1"


def normal_base_urls(base_urls: str) -> tuple[str, ...]:
    """Return the addresses in a list with commas or blanks, each normalized and once.

    >>> normal_base_urls("http://one:8000, http://two:8000/v1 http://one:8000/v1/")
    ('http://one:8000/v1', 'http://two:8000/v1')

    Raises:
        ConfigError: An address is not an http(s) URL, or the list is empty.
    """
    addresses = re.split(r"[,\s]+", base_urls.strip(", \t\n\r"))
    return tuple(dict.fromkeys(normal_base_url(address or base_urls) for address in addresses))


def model_conflict(served: Mapping[str, str]) -> EngineError | None:
    """Return the error of engines that serve different models, given the model of each by its address."""
    if len(set(served.values())) < 2:
        return None
    names = ", ".join(f"{model} ({base_url})" for base_url, model in served.items())
    return EngineError("engines_differ", served=redact(names), model=next(iter(served.values())))


def _bare_name(model: str) -> str:
    """Return a name without what Ollama and Google write around it in their lists, and accept without."""
    return model.lower().removeprefix("models/").removesuffix(":latest")


class RemoteEngine(Engine):
    """An OpenAI-compatible server at `base_url`.

    An empty `model` means the only model served there, or `preferred` if that is one of several.

    Attributes:
        base_url: Address, ending in the API version.
        model: Name of the model that is asked for.
    """

    def __init__(
        self, base_url: str, api_key: str = "", model: str = "", *, preferred: str = "", timeout_seconds: float = 10.0
    ) -> None:
        self.base_url = normal_base_url(base_url)
        self._api_key = api_key
        self.model = model
        self._preferred = preferred
        self._timeout_seconds = timeout_seconds
        self._info: EngineInfo | None = None
        self._is_vllm = False
        self._error: AppError | None = None

    def ensure_ready(self, on_progress: ProgressListener, cancel: threading.Event) -> Endpoint:
        """Ask the server for its models and return the endpoint.

        Raises:
            EngineError: It doesn't answer, or doesn't serve the model.
            Cancelled: `cancel` was set.
        """
        on_progress(EngineProgress("connecting", {"base_url": self.base_url}))
        try:
            self._info, self._error = self._request_info(cancel), None
        except EngineError as error:
            self._info, self._error = None, error
            raise
        on_progress(EngineProgress("ready", {"model": self._info.model}))
        return Endpoint("remote", self._info.model, self.base_url, self._api_key, is_vllm=self._is_vllm)

    def _request_info(self, cancel: threading.Event) -> EngineInfo:
        try:
            models = self._get_models(cancel)
            served = served_models(models)
        except NoAnswer as answer:
            if answer.status in _UNLISTED and self.model:
                return EngineInfo("remote", self.model, self.base_url)
            raise self._to_engine_error(answer) from answer
        model = self._choose_model(list(served))
        self._is_vllm = is_vllm(models)
        return EngineInfo("remote", model, self.base_url, max_model_len=served[model])

    def end_if_unwell(self) -> EngineError | None:
        """Ask a server that failed whether it still works; it isn't ended.

        Returns:
            Why it doesn't, which is its status from then on; None if it answers.
        """
        # The server of a vLLM whose core has died may still list its models.
        paths = [f"{self.base_url}/models", *([health_url(self.base_url)] if self._is_vllm else [])]
        try:
            for url in paths:
                get_text(url, api_key=self._api_key, timeout_seconds=self._timeout_seconds)
        except NoAnswer as answer:
            if answer.status is None or (answer.status >= 500 and answer.status not in _UNLISTED):
                error = self._unreachable(answer)
                self._info, self._error = None, error
                return error
        return None

    def _get_models(self, cancel: threading.Event) -> object:
        """Get /models; the request waits in a thread so that `cancel` takes effect at once."""
        request = partial(get_json, f"{self.base_url}/models", api_key=self._api_key)
        answer = in_thread("remote-models", partial(request, timeout_seconds=self._timeout_seconds))
        while not answer.done():
            if cancel.is_set():
                raise Cancelled
            wait([answer], _POLL_SECONDS)
        return answer.result()

    def _to_engine_error(self, answer: NoAnswer) -> EngineError:
        if answer.redirect:
            return EngineError("engine_redirects", status=answer.status, target=answer.redirect)
        about: dict[str, object] = {"base_url": self.base_url, "status": answer.status}
        if answer.status is None:
            key = next((key for key, text in _OF_TLS.items() if text in str(answer)), "")
            return EngineError(key, base_url=self.base_url, reason=str(answer)) if key else self._unreachable(answer)
        reason = message_in(answer.body) or str(answer)
        if answer.status < 500 and is_page(answer.body):
            return EngineError("remote_web_page", reason=reason, **about)
        error = refused(answer.status, answer.headers, answer.body)
        if error.key == "engine_key_rejected":
            return EngineError("remote_key_rejected", reason=reason, **about)
        if isinstance(error, EngineError) and (answer.status >= 500 or error.key in _AS_SAID):
            return error
        return EngineError("remote_not_openai", reason=reason, **about)

    def _unreachable(self, answer: NoAnswer) -> EngineError:
        if isinstance(unusable := answer.__cause__, ConfigError):  # a proxy of the environment
            return EngineError(unusable.key, **unusable.values)
        return EngineBrokeOff("remote_unreachable", base_url=self.base_url, reason=str(answer))

    def _choose_model(self, served: list[str]) -> str:
        if self.model in served:
            return self.model
        if self.model and (same := [name for name in served if _bare_name(name) == _bare_name(self.model)]):
            return same[0]
        if not self.model and len(served) == 1:
            return served[0]
        if not self.model and self._preferred in served:
            return self._preferred
        if not served:
            raise EngineError("remote_serves_nothing", base_url=self.base_url)
        names = redact(", ".join(served[:20])) + (" …" if len(served) > 20 else "")
        if not self.model:
            raise EngineError("remote_model_unchosen", base_url=self.base_url, served=names)
        nearest = (difflib.get_close_matches(self.model, served, 1, 0.0) or served)[0]
        raise EngineError(
            "remote_model_unknown", model=self.model, base_url=self.base_url, served=names, nearest=nearest
        )

    def status(self) -> EngineStatus:
        """Return the result of the last `ensure_ready`, "stopped" before the first.

        A model that is not known yet is named by the server's address.
        """
        name = self.model or self.base_url
        info, error = self._info, self._error
        if info is not None:
            return EngineStatus("ready", "remote", info.model, info=info, base_url=self.base_url)
        if error is not None:
            return EngineStatus("failed", "remote", name, error=error, base_url=self.base_url)
        return EngineStatus("stopped", "remote", name, base_url=self.base_url)

    def note_sight(self, sees: bool | None) -> None:
        """Store in the status whether the engine processes images."""
        if self._info is not None:
            self._info = replace(self._info, sees=sees)
