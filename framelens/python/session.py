"""Session that several calls share: its settings, data folder and engine."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

from framelens import config
from framelens.config import Settings
from framelens.core.domain import Language
from framelens.core.errors import Cancelled, StorageError
from framelens.core.files import given_path
from framelens.i18n import t
from framelens.jobs.running import in_call
from framelens.python import calls
from framelens.python.arguments import PathLike, check_texts, file_path
from framelens.python.messages import checked_language, localised, usual_language
from framelens.store.fs_utils import end_log, log_to
from framelens.video.sources import file_of
from framelens.video.worker_pool import worker_ready

if TYPE_CHECKING:
    from framelens.composition import Services
    from framelens.questions.repository import ConversationRepository

P = ParamSpec("P")
Event = TypeVar("Event")
T = TypeVar("T")


def _method(call: Callable[P, T]) -> Callable[Concatenate[Session, P], T]:
    """Return a call as a method, which shares the session."""

    @wraps(call)
    def method(self: Session, /, *arguments: P.args, **options: P.kwargs) -> T:
        return call(*arguments, **options, session=self)  # type: ignore[arg-type]

    return method


class Session:
    """Keyframes and analyses that share settings, a data folder and an engine.

    A session starts an engine when an analysis first needs it. Close the session, or use it in a `with` statement, to
    end the engine and detach the log of FrameLens from the program's logging. Several threads may share a session.

    Args:
        model: A folder or a model on the hub; with a remote engine, the model's name there.
        base_url: Address of a remote engine, such as "http://127.0.0.1:8000/v1", or of several with the same model,
            separated by commas; no engine is started then.
        api_key: Key of that engine, or of all of them.
        language: Language of reports and errors; by default FRAMELENS_LANGUAGE, or else the system's.
        data_dir: Folder for the library, caches and the log; by default FRAMELENS_DATA_DIR, or else the user's.
        template_dir: Folder with templates of your own.
        settings: Further settings by the names of their variables, such as {"FRAMELENS_ANSWER_TOKENS": "2048"}. They
            take precedence over the environment and `.env`; arguments take precedence over them.
        download: Download the model if it is not on this machine. Without it the analysis raises ModelNotFound.

    Attributes:
        settings: Settings in use.
        language: Language of calls that name no language.

    Raises:
        ConfigError: A setting is wrong.
    """

    def __init__(
        self,
        *,
        model: str = "",
        base_url: str = "",
        api_key: str = "",
        language: Language | None = None,
        data_dir: PathLike | None = None,
        template_dir: PathLike | None = None,
        settings: Mapping[str, str] | None = None,
        download: bool = False,
    ) -> None:
        from framelens.jobs.analyses import with_named

        check_texts(model=model, base_url=base_url, api_key=api_key)
        arguments = {
            "FRAMELENS_BASE_URL": base_url,
            "FRAMELENS_API_KEY": api_key,
            "FRAMELENS_DATA_DIR": os.fspath(data_dir or ""),
            "VLLM_MODEL_PATH": model,
        }
        environ = {**os.environ, **(settings or {}), **{name: value for name, value in arguments.items() if value}}
        self.language = checked_language(language, usual_language(environ))
        with localised(self.language):
            if unread := config.unread_env_file(environ):
                warnings.warn(t("error.env_unread_here", path=unread, name=config.ENV_FILE), stacklevel=2)
            self.settings = with_named(config.load(environ), model=model, base_url="")
        if template_dir:
            self.settings = replace(self.settings, template_dir=given_path(template_dir).absolute())
        self._download = download
        self._lock = threading.Lock()
        self._opened = ExitStack()
        self._services: Services | None = None
        self._has_log = False

    def __repr__(self) -> str:
        return f"Session(model={self.settings.model_path!r}, data_dir={str(self.settings.data_dir)!r})"

    def __enter__(self) -> Self:
        self._opened.enter_context(worker_ready())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop running analyses, which raise Cancelled, and end everything that this session started."""
        with self._lock:
            self._services, self._has_log = None, False
            self._opened.close()

    keyframes = _method(calls.keyframes)
    analyse = _method(calls.analyse)
    analyse_events = _method(calls.analyse_events)
    ask = _method(calls.ask)
    ask_events = _method(calls.ask_events)
    with_conversations = _method(calls.with_conversations)
    find = _method(calls.find)

    @property
    def conversations(self) -> ConversationRepository:
        """Return the conversations of the data folder: `find`, `get`, `rename` and `delete` them."""
        with localised(self.language):
            return self._open_services().conversations

    def _video_path(self, path: PathLike, cancel: threading.Event | None) -> Path:
        file = file_path(path)
        return file if os.path.lexists(file) else file_path(self._source_path(os.fsdecode(path), cancel))

    def _source_path(self, word: str, cancel: threading.Event | None) -> str:
        """Return the path of the file that a plugin reads for a link or another source; else `word`."""
        with in_call(self.settings, cancel):
            return file_of(word)

    @contextmanager
    def _cancelled_by_closing(self, services: Services) -> Iterator[None]:
        """Raise Cancelled if the store can't be used because the session was closed."""
        try:
            yield
        except StorageError:
            if self._services is services:
                raise
            raise Cancelled from None

    def _open_log(self) -> None:
        """Send the log to the data folder until the session is closed, once; the caller holds the lock."""
        if not self._has_log:
            self._opened.callback(end_log, log_to(self.settings.data_dir))
            self._has_log = True

    def _open_services(self) -> Services:
        from framelens import composition

        with self._lock:
            if self._services is None:
                if self._download:
                    _confirm_download(self.settings)
                self._open_log()
                self._services = composition.open_services(self.settings, adopts=False)
                self._opened.callback(self._services.close)
            return self._services


def _confirm_download(settings: Settings) -> None:
    """Confirm the download of the model, if it is needed."""
    from framelens.engine.engine_builder import build_engine
    from framelens.jobs.readiness import readiness
    from framelens.store.model_records import confirmed_downloads

    state = readiness(settings, build_engine(settings)[0])
    if state.kind == "download" and state.model and state.model.download_bytes != 0:
        confirmed_downloads(settings.data_dir).save(state.model.model, True)
