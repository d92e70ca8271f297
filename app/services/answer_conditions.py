"""Settings that answers depend on, and the cached answers that were given under them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from app import analysis, engine
from app.analysis.prompts import prompts
from app.config import Settings
from app.core import AnalysisRequest, AppError

if TYPE_CHECKING:
    from app.analysis import Templates
    from app.llm.cache import AnswerCache


def conditions(settings: Settings, templates: Templates, request: AnalysisRequest) -> dict[str, str]:
    """Return the settings that the answers to a request depend on, by their name below `condition.` in i18n."""
    from app import video

    known = {"app": f"{version('framelens')} ({video.version()})"}
    if not request.use_model:
        return known
    template = templates.by_key.get(request.template)
    weights = None if settings.base_url else _weights(settings)
    is_vllm = settings.engine == "vllm" and not settings.base_url
    model = settings.asked_model if settings.base_url else settings.model_path
    return {
        **known,
        "engine": settings.base_url or f"{settings.engine} {_engine_version(settings)}".strip(),
        "model": model + (f" ({_changed(weights)})" if weights else ""),
        "vllm_config": json.dumps(settings.vllm_config, sort_keys=True) if is_vllm else "",
        "answer_tokens": str(settings.answer_tokens),
        "frame_side": str(settings.frame_side or ""),
        "answer_form": settings.answer_form,
        "prompt": prompts.digest(request.language)[:8],
        "template": f"{request.template} {analysis.digest(template)[:8]}" if template else request.template,
        "speech": settings.speech_base_url or settings.speech_model_path,
    }


def _engine_version(settings: Settings) -> str:
    """Return the version of the local engine, "" if it is not installed."""
    if settings.engine == "vllm":
        return (engine.installed_vllm() or ("", ""))[1]
    try:
        return version(settings.engine)
    except PackageNotFoundError:
        return ""


@dataclass(frozen=True)
class ModelAnswers:
    """Cached answers of the model that the settings name."""

    settings: Settings

    def open(self) -> AnswerCache | None:
        """Open the cache of this model's answers; None for a remote engine, which may serve another model by now."""
        from app.llm.cache import AnswerCache

        settings = self.settings
        if settings.base_url or (folder := _weights(settings)) is None:
            return None
        model = {
            "folder": str(folder),
            "changed": _changed(folder),
            "engine": settings.engine,
            "tokens": settings.answer_tokens,
        }
        return AnswerCache(
            settings.data_dir / "answers.sqlite", json.dumps({**model, **settings.vllm_config}, sort_keys=True)
        )


def _weights(settings: Settings) -> Path | None:
    """Return the folder of the model, None if it is not on this machine."""
    try:
        return engine.resolve_model(settings.model_path).folder
    except AppError:  # starting the engine will report what is wrong
        return None


def _changed(folder: Path) -> int:
    """Return the modification time of the newest file of a model in nanoseconds."""
    return max((file.stat().st_mtime_ns for file in folder.iterdir() if file.is_file()), default=0)
