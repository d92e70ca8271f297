"""Text recognition on pictures, Chinese and English, with RapidOCR and the models in its wheel.

Nothing is ever downloaded: without those models no text is read, and a notice says so.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.domain import Notice, ScreenText
from app.video.readers.base import Image

if TYPE_CHECKING:
    from omegaconf import AnyNode

TextReader = Callable[[Image], tuple[ScreenText, ...]]

_log = logging.getLogger(__name__)
_LEAST_CONFIDENCE = 0.85
"""On frames of real footage, letters on clothes that read differently each time had 0.54 to 0.75. Of 281 correct lines
drawn onto such frames (13 to 30 pixels, Chinese and English, prices and times among them), none had less than 0.85."""
_LEAST_CONFIDENCE_OF_ONE = 0.98
"""For a single character, which a fold or a wheel easily resembles: on real footage such had 0.89 to 0.99. Of 29
correct ones 25 had 0.99 and more."""
_THREADS = 2  # at most. Chosen by hand; not tuned.


def load_text_reader() -> tuple[TextReader | None, Notice | None]:
    """Return the text reader and None, or None and the notice that says why text can't be read."""
    try:
        return _rapid_ocr(), None
    except Exception as error:  # noqa: BLE001 - a broken optional library must not cost the report
        _log.warning("text on the screen cannot be read", exc_info=True)
        return None, Notice("text_not_read", {"reason": f"{type(error).__name__}: {error}"})


def _rapid_ocr() -> TextReader:
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,  # text upside down is rarer than the time this costs
            "Global.text_score": _LEAST_CONFIDENCE,
            "Det.limit_type": "max",  # small frames are not blown up: that reads no more, and takes three times as long
            "Det.limit_side_len": 1280,
            "Det.session": _session(_bundled("det")),
            "Rec.session": _session(_bundled("rec")),
        }
    )

    def read(image: Image) -> tuple[ScreenText, ...]:
        found = engine(image)
        texts, scores, boxes = (getattr(found, name, None) for name in ("txts", "scores", "boxes"))
        if texts is None or scores is None or boxes is None:
            return ()
        height, width = image.shape[:2]
        return tuple(
            ScreenText(text.strip(), round(float(score), 3), _box(corners, width, height))
            for text, score, corners in zip(texts, scores, boxes, strict=True)
            if is_certain(text.strip(), float(score))
        )

    return read


def _session(model: Path) -> AnyNode:
    """Return an inference session as a RapidOCR setting: RapidOCR has no option that keeps threads from spinning."""
    from omegaconf import AnyNode
    from onnxruntime import InferenceSession, SessionOptions  # type: ignore[import-untyped]

    options = SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    options.intra_op_num_threads = min(_THREADS, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    # Threads that spin while they wait for each other cost a fifth of the processor time and make nothing faster.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = InferenceSession(str(model), sess_options=options, providers=["CPUExecutionProvider"])
    return AnyNode(session, flags={"allow_objects": True})


def is_certain(text: str, confidence: float) -> bool:
    """Return whether a reading counts as text on the screen; `confidence` is that of the recogniser, 0 to 1."""
    return bool(text) and confidence >= (_LEAST_CONFIDENCE_OF_ONE if len(text) == 1 else _LEAST_CONFIDENCE)


def _bundled(part: str) -> Path:
    """Return the wheel's model for one part; naming the file keeps RapidOCR from downloading another."""
    spec = find_spec("rapidocr")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else Path()
    models = sorted(folder.glob(f"*_{part}_*.onnx"))
    if not models:
        raise FileNotFoundError(f"no *_{part}_*.onnx in {folder}")
    return models[-1]


def _box(corners: Image, width: int, height: int) -> tuple[float, float, float, float]:
    across, down = corners[:, 0] / width, corners[:, 1] / height
    left, top, right, bottom = (
        round(min(1.0, max(0.0, float(edge))), 4) for edge in (across.min(), down.min(), across.max(), down.max())
    )
    return left, top, right, bottom
