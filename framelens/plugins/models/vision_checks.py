"""Vision checks of an engine with test cards, and the stored outcomes."""

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from framelens import EngineProgress, Language, notice_text
from framelens.plugin import Settings, t
from framelens.plugin.engines import Checkpoint, Engine, effective_arguments, usual_side
from framelens.plugin.files import new_id
from framelens.plugin.machine import installed_vllm
from framelens.plugin.models import NumberFormat, Plan
from framelens.plugin.processes import ProgressListener
from framelens.plugin.storage import ModelRecords

Measured = Mapping[str, Any]
_FRAME_SHAPE = 9 / 16
_MOST = 200


class VisionChecks:
    """Vision checks in a data folder: each has a model, its engine, number format, the size of the frames, and a score.

    If the database can't be used, the check is lost and the error is logged.
    """

    _SAME = ("model", "engine", "format", "width", "height")

    def __init__(self, data_dir: Path) -> None:
        self._records = ModelRecords(data_dir, "sights", dict[str, Any], _MOST)

    def all(self) -> tuple[Measured, ...]:
        """List all checks, the latest last."""
        with ModelRecords.harmless():
            return tuple(self._records.all().values())
        return ()

    def matching(self, **values: object) -> tuple[Measured, ...]:
        """List the checks that have these values, the latest last."""
        return tuple(check for check in self.all() if all(check.get(name) == value for name, value in values.items()))

    def save(self, measured: Measured) -> None:
        """Save a check in place of an earlier check of the same model."""

        def is_same(other: Measured) -> bool:
            return all(other.get(name) == measured[name] for name in self._SAME)

        with ModelRecords.harmless():
            names = (name for name, other in self._records.all().items() if is_same(other))
            self._records.save(next(names, new_id()), dict(measured))

    def keep(self, document: Mapping[str, Any]) -> Measured:
        """Save a check with the present time, and return it in the form in which it is read."""
        whole: Measured = json.loads(json.dumps({**document, "at": f"{datetime.now():%Y-%m-%d %H:%M}"}))
        self.save(whole)
        return whole


def check_sight(
    settings: Settings,
    engine: Engine,
    size: tuple[int, int] | None,
    on_progress: ProgressListener,
    cancel: threading.Event,
) -> Measured:
    """Show test cards to an engine, score what it reads and save the result. Start the engine if needed.

    Args:
        settings: The settings that describe the engine.
        engine: The engine.
        size: Width and height of the cards in pixels, None for the size of frames as they are sent.
        on_progress: Called with the progress.
        cancel: Ends the check when it is set.

    Raises:
        AppError: The engine cannot answer.
        Cancelled: `cancel` was set.
    """
    from framelens.plugin.chat import connect
    from framelens.plugins.models.vision_scoring import check_vision

    endpoint = engine.ensure_ready(on_progress, cancel)
    chat = connect(
        endpoint.base_url,
        api_key=endpoint.api_key,
        model=endpoint.model,
        timeout_seconds=settings.timeout_seconds,
    )
    result = check_vision(
        chat,
        size=size or usual_size(settings),
        on_progress=lambda key: on_progress(EngineProgress(f"vision_check_{key}")),
        cancel=cancel,
    )
    engine.note_sight(result.verdict != "blind")
    reason = result.reason and {language: notice_text(result.reason, language) for language in get_args(Language)}
    figures = asdict(replace(result, reason=None)) | {"verdict": result.verdict, "reason": reason}
    return VisionChecks(settings.data_dir).keep({**engine_of(settings), **figures})


def last_check(settings: Settings) -> Measured | None:
    """Get the latest vision check of the engine that these settings describe, or None."""
    checks = VisionChecks(settings.data_dir).matching(**engine_of(settings))
    return checks[-1] if checks else None


def result_text(outcome: Measured) -> str:
    """Describe how many of the cards were read, and whether in the right order."""
    order = t("vision_check.order_right" if outcome["ordered"] else "vision_check.order_wrong")
    figures = {name: outcome[name] for name in ("shown", "colours", "forms", "digits", "width", "height")}
    return t("vision_check.result", order=order, **figures)


def engine_of(settings: Settings) -> dict[str, str]:
    """Return the subject of a vision check: the model, its engine, and its number format ("" if unknown)."""
    if settings.base_url:
        return {"model": settings.requested_model, "engine": settings.base_url, "format": ""}
    version = (installed_vllm() or ("", ""))[1] if settings.engine == "vllm" else ""
    engine = f"{settings.engine} {version}".strip()
    return {"model": settings.model_path, "engine": engine, "format": _format(settings)}


def usual_size(settings: Settings) -> tuple[int, int]:
    """Return width and height in pixels of a 16:9 frame as it is sent to this engine."""
    side = usual_side(settings) or 896
    return side, round(side * _FRAME_SHAPE)


def _format(settings: Settings) -> str:
    if (shape := Checkpoint.shape_of(settings)) is None:
        return ""
    chosen = Plan.parse(effective_arguments(settings)).format if settings.engine == "vllm" else None
    return chosen if chosen and shape.quantisation is None else NumberFormat.of(shape).key
