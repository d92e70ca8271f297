"""The engine that somebody else runs: a base URL is checked and its model found; nothing is started or stopped."""

from __future__ import annotations

import difflib
import re
import threading
import time
from dataclasses import replace
from urllib.parse import urlsplit

from app.domain import EngineInfo, EngineProgress
from app.engine.base import Endpoint, EngineStatus, ProgressListener
from app.engine.http_client import NoAnswer, get_json, served_models
from app.errors import AppError, Cancelled, ConfigError, EngineError
from app.redaction import masked

LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


def normal_base_url(base_url: str) -> str:
    """`base_url` as OpenAI clients want it, ending in its version. Raises ConfigError for what is no http(s) URL.

    >>> normal_base_url("http://localhost:8000")
    'http://localhost:8000/v1'
    """
    url = re.sub(r"/(?:chat/completions|completions|models)$", "", base_url.strip().rstrip("/"))
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ConfigError("base_url_invalid", value=base_url)
    return url if re.search(r"/v\d+\w*$", parts.path) else f"{url}/v1"


class RemoteEngine:
    """An OpenAI-compatible server at `base_url`. An empty `model` means the one that is served there."""

    def __init__(self, base_url: str, api_key: str = "", model: str = "", *, timeout_seconds: float = 10.0) -> None:
        self._base_url = normal_base_url(base_url)
        self._api_key = api_key
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._info: EngineInfo | None = None
        self._error: AppError | None = None
        self._asked_at: float | None = None

    def ensure_ready(self, on_progress: ProgressListener, cancel: threading.Event) -> Endpoint:
        """Ask the server what it serves. Raises EngineError where it does not answer or has not that model."""
        on_progress(EngineProgress("connecting", {"base_url": self._base_url}))
        try:
            self._info, self._error = self._ask(cancel), None
        except EngineError as error:
            self._info, self._error = None, error
            raise
        on_progress(EngineProgress("ready", {"model": self._info.model}))
        return Endpoint("remote", self._info.model, self._base_url, self._api_key)

    def _ask(self, cancel: threading.Event) -> EngineInfo:
        self._asked_at = time.monotonic()
        try:
            served = served_models(self._get_models(cancel))
        except NoAnswer as answer:
            if answer.status == 404 and self._model:  # some servers list no models and still answer for one
                return EngineInfo("remote", self._model, self._base_url)
            raise self._explain(answer) from answer
        model = self._choose(list(served))
        return EngineInfo("remote", model, self._base_url, max_model_len=served[model])

    def _get_models(self, cancel: threading.Event) -> object:
        """The answer of /models; the request waits in a thread so that `cancel` is heard at once."""
        outcome: list[object] = []

        def request() -> None:
            local = urlsplit(self._base_url).hostname in LOCAL_HOSTS
            try:
                outcome.append(
                    get_json(
                        f"{self._base_url}/models",
                        api_key=self._api_key,
                        timeout_seconds=self._timeout_seconds,
                        local=local,
                    )
                )
            except NoAnswer as answer:
                outcome.append(answer)

        thread = threading.Thread(target=request, name="remote-models", daemon=True)
        thread.start()
        while thread.is_alive():
            if cancel.is_set():
                raise Cancelled
            thread.join(0.1)
        if isinstance(outcome[0], NoAnswer):
            raise outcome[0]
        return outcome[0]

    def _explain(self, answer: NoAnswer) -> EngineError:
        if answer.redirect:
            return EngineError("engine_redirects", status=answer.status, target=answer.redirect)
        if answer.status in {401, 403}:
            return EngineError("remote_key_rejected", base_url=self._base_url, status=answer.status)
        if answer.status is not None:
            return EngineError("remote_not_openai", base_url=self._base_url, reason=str(answer))
        return EngineError("remote_unreachable", base_url=self._base_url, reason=str(answer))

    def _choose(self, served: list[str]) -> str:
        if self._model in served:
            return self._model
        if not self._model and len(served) == 1:
            return served[0]
        if not served:
            raise EngineError("remote_serves_nothing", base_url=self._base_url)
        listed = masked(", ".join(served[:20])) + (" …" if len(served) > 20 else "")
        if not self._model:
            raise EngineError("remote_model_unchosen", base_url=self._base_url, served=listed)
        nearest = (difflib.get_close_matches(self._model, served, 1, 0.0) or served)[0]
        raise EngineError(
            "remote_model_unknown", model=self._model, base_url=self._base_url, served=listed, nearest=nearest
        )

    def status(self) -> EngineStatus:
        """What the last `ensure_ready` found; "stopped" before the first. A model not known yet is named by address."""
        name = self._model or self._base_url
        info, error = self._info, self._error
        seconds = None if self._asked_at is None else time.monotonic() - self._asked_at
        if info is not None:
            return EngineStatus("ready", "remote", info.model, started_seconds_ago=seconds, info=info)
        if error is not None:
            return EngineStatus("failed", "remote", name, error=error, started_seconds_ago=seconds)
        return EngineStatus("stopped", "remote", name)

    def note_sight(self, sees: bool | None) -> None:
        """Remember for the status whether the engine takes pictures in."""
        if self._info is not None:
            self._info = replace(self._info, sees=sees)

    def end_if_unwell(self) -> AppError | None:
        """None: it is not ours to end."""
        return None

    def log_tail(self, lines: int = 200) -> str:
        """Always "": its log is on another machine."""
        return ""

    def stop(self) -> None:
        """Nothing to do: it is not ours."""
