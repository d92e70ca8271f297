"""Text fallback: when pictures are replaced by what was measured in them, how, and what the user reads about it.

An engine gets text if it refuses pictures (`PicturesRefused`, whose wordings are in `core.failures.refusals`), or
accepts them and drops them silently, which `prove_sight` shows by its count of prompt tokens. A dead engine, a timeout
and a full context are errors of their own and never lead to text. A vote on a single frame has no text form: a search
for moments that is refused ends, and the question is answered like any other.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from PIL import Image

from framelens.core.domain import FrameFacts, Keyframe, Notice
from framelens.core.errors import PicturesRefused, TooManyPictures
from framelens.i18n import t
from framelens.i18n.formatting import mark, measured, origin
from framelens.llm.stream import ask

CARD_SIDE = 112  # pixels; 16 tokens in Qwen2.5-VL
FEWEST_TOKENS = 8
"""Two images cost at least 12 tokens in the smallest known vision model, two textual placeholders at most 6."""

# ---- when


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

    @property
    def needs_text(self) -> bool:
        """Return whether requests must be text; an unproven engine is sent pictures."""
        return self.sees is False


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
        return VisionProbe(False, reason=rejection(refused))
    if without is None or with_two is None:
        return VisionProbe(None)
    extra = with_two.prompt_tokens - without.prompt_tokens
    if extra < FEWEST_TOKENS:
        return VisionProbe(False, reason=Notice("pictures_dropped", {"tokens": with_two.prompt_tokens}))
    return VisionProbe(True, extra / 2)


def rejection(refused: PicturesRefused) -> Notice:
    """Build the reason for text after an engine has refused pictures."""
    return Notice("pictures_rejected", {"reason": str(refused.values["reason"])})


class TextFallback:
    """Whether the requests of one run, or about one question, are text, and why.

    Args:
        sight: What is known before the first request.
    """

    def __init__(self, sight: VisionProbe) -> None:
        self._sight = sight

    @property
    def is_active(self) -> bool:
        """Return whether text is sent in place of pictures."""
        return self._sight.needs_text

    def begin(self, refused: PicturesRefused) -> None:
        """Send text from now on."""
        self._sight = VisionProbe(False, reason=rejection(refused))

    @property
    def notice(self) -> Notice | None:
        """Return what page, log and report say: ⚠️ Messages 格式不支持，使用文本模式, or that sight is unproven."""
        if self.is_active:
            return Notice("text_mode", {"reason": self._sight.reason or Notice("pictures_unproven")})
        return Notice("sight_unknown") if self._sight.sees is None else None


# ---- how


def describe(line: str, frame: Keyframe, facts: FrameFacts | None) -> str:
    """Describe a frame in one line: `line`, which names it, its shot and all its measured facts."""
    return f"{line} " + t("facts.joint").join([origin(frame), *(measured(facts) if facts else [])])


def descriptions(lines: Sequence[str]) -> str:
    """Return the descriptions of all frames below a note that there are no images."""
    return "\n".join([t("prompt.text_mode", count=len(lines)), *lines]) if lines else t("prompt.no_frames")


def text_prompt(frames: Sequence[Keyframe], facts: Mapping[int, FrameFacts], question: str) -> str:
    """Build the prompt of a request without images: the descriptions of its frames, then the question."""
    lines = [describe(mark(frame), frame, facts.get(frame.number)) for frame in frames]
    return f"{descriptions(lines)}\n\n{question}"


# ---- plain pictures


def plain_picture(colour: str, form: str) -> bytes:
    """Encode a picture of one colour with sides of CARD_SIDE; `form` is a format of Pillow."""
    buffer = BytesIO()
    Image.new("RGB", (CARD_SIDE, CARD_SIDE), colour).save(buffer, form)
    return buffer.getvalue()


def _card(colour: str) -> dict[str, object]:
    url = "data:image/png;base64," + base64.b64encode(plain_picture(colour, "PNG")).decode("ascii")
    return {"type": "image_url", "image_url": {"url": url}}
