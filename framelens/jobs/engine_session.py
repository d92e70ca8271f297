"""An engine with everything built for it from its settings: analysis, planner and cached answers.

Another model needs another session. Nothing heavy is loaded before it is needed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from framelens import registry
from framelens.analysis.inputs.extraction_cache import ExtractionCache, open_extraction_cache
from framelens.analysis.inputs.transcription import Transcription
from framelens.analysis.pipeline import Answerer, analyse
from framelens.analysis.planning.estimate import Measure, Planner
from framelens.analysis.planning.forecast import StatsRecorder
from framelens.analysis.planning.frame_budget import RequestCapacity
from framelens.analysis.planning.plan import TokenCostMeter
from framelens.analysis.planning.question import QuestionPlan
from framelens.analysis.prompts import prompts
from framelens.analysis.prompts.templates import Templates, digest
from framelens.analysis.requests.engine_connector import EngineConnector
from framelens.analysis.task import Task
from framelens.config import Settings
from framelens.core import own_version
from framelens.core.analysis_state import AnalysisUpdate
from framelens.core.domain import AnalysisRequest, Notice
from framelens.core.errors import AppError
from framelens.engine.installation import is_outdated
from framelens.engine.recognisers import build_recogniser, has_recogniser, local_diariser, local_recogniser
from framelens.store.extraction_cache import open_extractions
from framelens.store.model_records import TimingStats
from framelens.video import files
from framelens.video.stills import Stills
from framelens.video.subtitles.discovery import digest_beside

if TYPE_CHECKING:
    from framelens.engine.base import Engine
    from framelens.llm.cache import AnswerCache
    from framelens.questions.answer_queue import AnswerQueues
    from framelens.questions.repository import ConversationRepository
    from framelens.questions.retrieval.select import RetrievalTools
    from framelens.store.database import Store

_SIDE_ON_CPU = 448
"""Longer side of sent frames on a CPU, which needs seconds for a frame: the smallest that keeps captions readable."""


if TYPE_CHECKING:
    _once = cached_property
else:

    class _once(cached_property):
        """Cached property that threads build only once; `cached_property` has no lock since Python 3.12."""

        def __get__(self, session, owner=None):
            if session is None:
                return self
            with session.lock:
                return super().__get__(session, owner)


class SharedParts:
    """Parts for questions about videos that all sessions of a program share, most of them built at their first use.

    Attributes:
        store: The store with the conversations.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lock = threading.RLock()

    @_once
    def conversations(self) -> ConversationRepository:
        """Return the stored conversations."""
        from framelens.questions.repository import ConversationRepository

        return ConversationRepository(self.store)

    @_once
    def queues(self) -> AnswerQueues:
        """Return the queues of questions that wait, one for each engine in use."""
        from framelens.questions.answer_queue import AnswerQueues

        return AnswerQueues()

    @_once
    def stills(self) -> Stills:
        """Return the frames of videos by time."""
        return Stills()

    def close(self) -> None:
        """End the decoder of stills if it was used."""
        if "stills" in vars(self):
            self.stills.close()


class EngineSession:
    """An engine and everything built for it, each part when it is first used.

    Args:
        settings: The settings.
        templates: All templates.
        engine: The engine; by default the engine that the settings describe.
        shared: Parts for the answers to questions; without them, questions of analyses aren't answered.
    """

    def __init__(
        self,
        settings: Settings,
        templates: Templates,
        engine: Engine | None = None,
        *,
        shared: SharedParts | None = None,
    ) -> None:
        self.settings = settings
        self.templates = templates
        self._shared = shared
        self.lock = threading.RLock()
        self._engine: tuple[Engine, tuple[Notice, ...]] | None = (engine, ()) if engine else None

    @property
    def engine(self) -> Engine:
        """Return the engine."""
        return self._built()[0]

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Return the changes made to the settings to fit this machine."""
        return self._built()[1]

    @property
    def side(self) -> int | None:
        """Return the longer side of sent frames in pixels by the settings."""
        return usual_side(self.settings)

    @property
    def capacity(self) -> RequestCapacity:
        """Return the capacity of a request by the settings, before the engine is ready."""
        return expected_room(self.settings)

    @_once
    def extractions(self) -> ExtractionCache:
        """Return the reader of videos."""
        return open_extraction_cache(self.settings.data_dir)

    @_once
    def transcription(self) -> Transcription:
        """Return the reader of subtitles and speech."""
        return build_transcription(self.settings)

    @_once
    def connector(self) -> EngineConnector:
        """Return the connector to the engine."""
        settings = self.settings
        return EngineConnector(
            self.engine,
            partial(_open_answers, settings),
            answer_tokens=settings.answer_tokens,
            timeout_seconds=settings.timeout_seconds,
            side=self.side,
            wants_video=settings.frames_as == "video",
        )

    @property
    def answerer(self) -> Answerer | None:
        """Return the answerer of analyses' questions; None without shared parts."""
        if self._shared is None:
            return None
        from framelens.questions.request_answer import RequestAnswerer

        shared = self._shared
        return RequestAnswerer(shared.conversations, shared.queues, self.retrieval(shared.stills))

    def retrieval(self, stills: Stills) -> RetrievalTools:
        """Return the tools that choose frames for a question."""
        from framelens.questions.retrieval.select import RetrievalTools

        models = (next(registry.results(f"ask.{kind}", self.settings), None) for kind in ("embeddings", "finder"))
        return RetrievalTools(self.extractions, stills, *models)

    @_once
    def planner(self) -> Planner:
        """Return the estimator of analyses."""
        return _planner(self.settings, self.extractions, TokenCostMeter(self.connector))

    def run(self, task: Task) -> Iterator[AnalysisUpdate]:
        """Run an analysis and yield its updates, see `framelens.analysis.pipeline.analyse`."""
        return analyse(task, self, StatsRecorder(task, _stats(self.settings), _engine_name(self.settings)).note)

    def conditions(self, request: AnalysisRequest) -> dict[str, str]:
        """Return the settings that the answers to a request depend on."""
        return conditions(self.settings, self.templates, request)

    def with_settings(self, settings: Settings) -> EngineSession:
        """Return a session with other settings, which has the engine of this one if they describe the same engine."""
        other = EngineSession(settings, self.templates, shared=self._shared)
        if (_engine_name(settings), settings.api_key) == (_engine_name(self.settings), self.settings.api_key):
            other._engine = self._built()
        return other

    def close(self) -> None:
        """Stop the engine if it was used; it starts again when it is needed."""
        if self._engine:
            self.engine.stop()

    def _built(self) -> tuple[Engine, tuple[Notice, ...]]:
        with self.lock:
            if self._engine is None or is_outdated(self._engine[0]):
                from framelens.engine import engine_builder

                self._engine = engine_builder.build_engine(self.settings)
            return self._engine


def open_planner(settings: Settings) -> Planner:
    """Build a planner that estimates an analysis from settings and earlier runs alone, without asking an engine."""
    return _planner(settings, open_extraction_cache(settings.data_dir), lambda *_: None)


def _planner(settings: Settings, extractions: ExtractionCache, measure: Measure) -> Planner:
    return Planner(
        measure=measure,
        num_cached=extractions.num_cached,
        capacity=expected_room(settings),
        side=usual_side(settings),
        timings=partial(_stats(settings).get, _engine_name(settings)),
        policy=_answer_policy,
    )


def _answer_policy(question: str, whole: tuple[float, float], frames: int) -> Sequence[QuestionPlan]:
    from framelens.questions.request_answer import plan_answer  # only requests with a question need it

    return plan_answer(question, whole, frames)


def _stats(settings: Settings) -> TimingStats:
    return TimingStats(settings.data_dir)


def _engine_name(settings: Settings) -> str:
    """Return a text that identifies an engine with its model and settings."""
    config = {} if settings.base_url else settings.vllm_config
    return json.dumps([settings.base_url or settings.engine, settings.model_path, config], sort_keys=True)


def usual_side(settings: Settings) -> int | None:
    """Return the longer side of sent frames in pixels, None if it depends on their number."""
    if settings.frame_side or settings.base_url:
        return settings.frame_side
    from framelens.engine.hardware import installed_vllm

    return _SIDE_ON_CPU if (installed_vllm() or ("cpu", ""))[0] == "cpu" else None


def expected_room(settings: Settings) -> RequestCapacity:
    """Return the size of a request that the settings determine before the engine runs."""
    max_model_len = None if settings.base_url else settings.vllm_config.get("max_model_len")
    return RequestCapacity(max_model_len if isinstance(max_model_len, int) else None, settings.answer_tokens)


def build_transcription(settings: Settings) -> Transcription:
    """Build the reader of subtitles, which also transcribes speech if there is a model for that."""
    surveys = open_extractions(settings.data_dir)
    return Transcription(
        build_recogniser(settings),
        surveys,
        language=settings.speech_language,
        diariser=partial(local_diariser, settings),
    )


def conditions(settings: Settings, templates: Templates, request: AnalysisRequest) -> dict[str, str]:
    """Return the settings that the answers to a request depend on, by their name below `condition.` in i18n."""
    from framelens.engine.model_resolution import last_change

    names = {"app": f"{own_version()} ({files.version()})"}
    if beside := digest_beside(request.path, request.subtitles):
        names["subtitles"] = beside
    if not request.use_model:
        return names
    template = templates.by_key.get(request.template)
    weights = None if settings.base_url else _weights(settings)
    is_vllm = settings.engine == "vllm" and not settings.base_url
    model = settings.named_model
    return {
        **names,
        "engine": ", ".join(settings.base_urls) or f"{settings.engine} {_engine_version(settings)}".strip(),
        "model": model + (f" ({last_change(weights)})" if weights else ""),
        "vllm_config": json.dumps(settings.vllm_config, sort_keys=True) if is_vllm else "",
        "answer_tokens": str(settings.answer_tokens),
        "frame_side": str(settings.frame_side or ""),
        **({} if settings.frames_as == "images" else {"frames_as": settings.frames_as}),
        "prompt": prompts.digest(request.language)[:8],
        "template": f"{request.template} {digest(template)[:8]}" if template else request.template,
        "speech": _speech_name(settings),
    }


def _speech_name(settings: Settings) -> str:
    """Return a text that identifies the model for speech with the language it listens for; "" without a model."""
    names = [name for name in (settings.speech_base_url, settings.speech_model_path) if name and has_recogniser()]
    if local := local_recogniser(settings):
        names = [local.name] if local.is_available() else []
    return " ".join([*names, settings.speech_language]).strip() if names else ""


def _engine_version(settings: Settings) -> str:
    """Return the version of the local engine, "" if it is not installed."""
    if settings.engine == "vllm":
        from framelens.engine.hardware import installed_vllm

        return (installed_vllm() or ("", ""))[1]
    try:
        return version(settings.engine)
    except PackageNotFoundError:
        return ""


def _open_answers(settings: Settings) -> AnswerCache | None:
    """Open the cache of the answers of the model that the settings name.

    Returns:
        None for a remote engine, whose model may have changed, and for a model that isn't on this machine.
    """
    from framelens.engine.model_resolution import last_change
    from framelens.llm.cache import AnswerCache

    if settings.base_url or (folder := _weights(settings)) is None:
        return None
    model = {
        "folder": str(folder),
        "changed": last_change(folder),
        "engine": settings.engine,
        "tokens": settings.answer_tokens,
    }
    return AnswerCache(
        settings.data_dir / "answers.sqlite", json.dumps({**model, **settings.vllm_config}, sort_keys=True)
    )


def _weights(settings: Settings) -> Path | None:
    """Return the folder of the model, None if it is not on this machine."""
    from framelens.engine.model_resolution import resolve_model

    try:
        return resolve_model(settings.model_path).folder
    except AppError:  # starting the engine will report what is wrong
        return None
