"""Vision probe: whether an engine really processes images, measured by prompt tokens with and without them.

`transformers serve` and several desktop servers answer 200 and silently drop images; the only sign is that a prompt
with two images has no more tokens than one without. The caller stores the result per engine.
"""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass
from io import BytesIO

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from PIL import Image

from app.core.domain import Notice
from app.core.errors import PicturesRefused
from app.llm.error_mapping import TooManyPictures
from app.llm.stream import ask

CARD_SIDE = 112  # pixels; 16 tokens in Qwen2.5-VL
# Two images cost at least 12 tokens in the smallest known vision model, two textual placeholders at most 6.
_FEWEST_TOKENS = 8


@dataclass(frozen=True)
class VisionProbe:
    """Result of a vision probe.

    Attributes:
        sees: Whether images are processed; None if the engine doesn't count tokens.
        tokens_per_card: Measured prompt tokens of one 112 x 112 image.
        reason: Why images are not processed.
    """

    sees: bool | None
    tokens_per_card: float | None = None
    reason: Notice | None = None


def prove_sight(chat: BaseChatModel, *, cancel: threading.Event | None = None) -> VisionProbe:
    """Request one token twice, with and without two plain images, and compare the engine's token counts.

    Raises:
        AppError: The engine fails otherwise than by refusing images.
        Cancelled: `cancel` was set.
    """
    words: list[str | dict[str, object]] = [{"type": "text", "text": "Which colours?"}]
    pictures: list[str | dict[str, object]] = [_card("red"), _card("blue")]
    short = chat.bind(max_tokens=1)
    without = ask(short, [HumanMessage(content=words)], cancel=cancel).usage  # type: ignore[arg-type]
    try:
        with_two = ask(short, [HumanMessage(content=pictures + words)], cancel=cancel).usage  # type: ignore[arg-type]
    except TooManyPictures:  # one image at a time is enough
        return VisionProbe(True)
    except PicturesRefused as refused:
        return VisionProbe(False, reason=Notice("pictures_rejected", {"reason": str(refused.values["reason"])}))
    if without is None or with_two is None:
        return VisionProbe(None)
    extra = with_two.prompt_tokens - without.prompt_tokens
    if extra < _FEWEST_TOKENS:
        return VisionProbe(False, reason=Notice("pictures_dropped", {"tokens": with_two.prompt_tokens}))
    return VisionProbe(True, extra / 2)


def _card(colour: str) -> dict[str, object]:
    buffer = BytesIO()
    Image.new("RGB", (CARD_SIDE, CARD_SIDE), colour).save(buffer, "PNG")
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": url}}
