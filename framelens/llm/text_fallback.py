"""Text fallback: when and how pictures are replaced by their measurements, and the notice for the user.

An engine gets text if it refuses pictures (`PicturesRefused`, whose wordings are in `core.failures.refusals`), or
accepts them and drops them silently, which `prove_sight` shows by its count of prompt tokens, or if its model answers
that it sees no pictures (`unseen`). A dead engine, a timeout and a full context are errors of their own and never lead
to text. A vote on a single frame has no text form: a search for moments that is refused ends, and the question is
answered like any other.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from PIL import Image

from framelens.core.domain import FrameFacts, Keyframe, Notice
from framelens.core.errors import PicturesRefused, TooManyPictures
from framelens.core.outline import prompt_texts
from framelens.i18n import t
from framelens.i18n.formatting import mark, measured, origin
from framelens.llm.messages import picture_part, text_part
from framelens.llm.stream import ask

CARD_SIDE = 112  # pixels; 16 tokens in Qwen2.5-VL
FEWEST_TOKENS = 8
"""Two images cost at least 12 tokens in the smallest known vision model, two textual placeholders at most 6."""
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|「[^」]*」")
_PICTURES = r"(?:image|picture|photo|(?:key)?frame|video|visual|screenshot|attachment)s?\b"
_BETWEEN = (
    r"(?: (?:the|any|these|those|this|your|such|actual|provided|attached|uploaded|visual|video|of|or|and|directly|see"
    r"|view|viewing|analy[sz]e|process|access|interpret|contents?))*"
)
_OF_A_PART = r"(?! (?:of|clearly|well|where|showing|between|after|before|numbers?|(?:in|on|from)(?! (?:this|our))) )"
_UNSEEN = re.compile(
    r"\bI(?:['’]m| am)?(?: an? [\w -]{1,40}? and)?(?: [\w-]+){0,3}?"
    r" (?:can(?:not| not|['’]t)|unable to|not able to|(?:do|did)(?: not|n['’]t))"
    r"(?: (?:actually|currently|directly|physically|have (?:the )?(?:ability|capability) to"
    r"|have (?:direct )?access to))*"
    r"(?: (?:see|view|access|look at|process|analy[sz]e|interpret|open|perceive|receive))?"
    rf"{_BETWEEN} {_PICTURES}{_OF_A_PART}"
    rf"|\bno (?:images?|pictures?|photos?|frames?|attachments?) (?:were|was|have been|has been|are|is) (?:\w+ )?"
    r"(?:attached|provided|uploaded|shared|received|visible to me|available to me)"
    r"|\b(?:you (?:haven['’]t|have not|didn['’]t|did not)|please) (?:attach|provide|upload|share)(?:ed|d)?"
    rf"{_BETWEEN} {_PICTURES}"
    r"|(?:我(?:目前|暂时|现在|并|还|实际上?|直接)*|^(?:很?抱歉|对不起|不好意思|作为[^，,]{1,20})?[，,：: ]*)"
    r"(?:无法|不能|没有?办法|没法|没有能力|不具备)(?:直接|真正)?"
    r"(?:查看|看到|看见|访问|读取|浏览|查阅|观看|接收|打开|处理|分析)到?(?:[和或、]\w{2})?"
    r"(?:您|你|这些|这个|该|任何|所|提供|上传|发送|附带|的|实际|具体){0,8}"
    r"(?:图片|图像|照片|画面|视频|关键帧|影像|截图)(?!(?:内容)?[中里上的清]|是否)"
    r"|(?:没有|未)能?(?:收到|上传|提供|附上)(?:任何|您的|你的)?(?:图片|图像|照片)",
    re.IGNORECASE | re.MULTILINE,
)
"""A model's statement that it sees no pictures, as opposed to a detail that it can't see in a picture."""
_LONGEST_SAID = 200
"""Characters of such a statement that are quoted."""

# ---- when


@dataclass(frozen=True)
class VisionProbe:
    """Result of a vision probe.

    Attributes:
        sees: Whether images are processed; None if the engine doesn't count tokens.
        reason: Why images are not processed.
    """

    sees: bool | None
    reason: Notice | None = None

    @property
    def needs_text(self) -> bool:
        """Return whether requests must be text; an unproven engine is sent pictures."""
        return self.sees is False


def prove_sight(chat: BaseChatModel, *, cancel: threading.Event | None = None) -> VisionProbe:
    """Request one token twice, with and without two plain images, and compare the engine's token counts.

    Both have a system message, like all requests: what the client learns from its refusal counts for the requests that
    are sent at the same time afterwards.

    Raises:
        AppError: The engine fails otherwise than by refusing images.
        Cancelled: `cancel` was set.
    """
    question: list[str | dict[str, object]] = [text_part("Which colours?")]
    pictures: list[str | dict[str, object]] = [_card("red"), _card("blue")]
    short, system = chat.bind(max_tokens=1), SystemMessage("Name colours.")
    without = ask(short, [system, HumanMessage(content=question)], cancel=cancel).usage  # type: ignore[arg-type]
    try:
        sent = [system, HumanMessage(content=pictures + question)]
        with_two = ask(short, sent, cancel=cancel).usage  # type: ignore[arg-type]
    except TooManyPictures:  # one image at a time is enough
        return VisionProbe(True)
    except PicturesRefused as refused:
        return VisionProbe(False, reason=rejection(refused))
    if without is None or with_two is None:
        return VisionProbe(None)
    extra = with_two.prompt_tokens - without.prompt_tokens
    if extra < FEWEST_TOKENS:
        return VisionProbe(False, reason=Notice("pictures_dropped", {"tokens": with_two.prompt_tokens}))
    return VisionProbe(True)


def rejection(refused: PicturesRefused) -> Notice:
    """Build the reason for text after an engine has refused pictures, or its model says that it sees no pictures."""
    key = "pictures_rejected" if refused.key == "pictures_refused" else refused.key
    return Notice(key, {"reason": str(refused.values["reason"])})


def unseen(statements: Iterable[str]) -> PicturesRefused | None:
    """Return a refusal if a statement of the answer says that the model can't see the pictures, else None."""
    refusals = (" ".join(statement.split()) for statement in statements if _UNSEEN.search(_QUOTED.sub("", statement)))
    first = next(refusals, "")
    return PicturesRefused("pictures_unseen", reason=first[:_LONGEST_SAID]) if first else None


class TextFallback:
    """State of a run or a question: whether its requests are text, and why.

    Args:
        sight: Result of the vision probe before the first request.
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
        """Return the notice for page, log and report: ⚠️ Messages 格式不支持，使用文本模式, or sight is unproven."""
        if self.is_active:
            return Notice("text_mode", {"reason": self._sight.reason or Notice("pictures_unproven")})
        return Notice("sight_unknown") if self._sight.sees is None else None


# ---- how


def describe(line: str, frame: Keyframe, facts: FrameFacts | None, texts: Sequence[str] = ()) -> str:
    """Describe a frame in one line: `line`, which names the frame, its shot, its texts and its measured facts."""
    read = [t("facts.texts", texts=" | ".join(texts))] if texts else []
    return f"{line} " + t("facts.joint").join([origin(frame), *read, *(measured(facts) if facts else [])])


def descriptions(lines: Sequence[str]) -> str:
    """Return the descriptions of all frames below a note that there are no images."""
    return "\n".join([t("prompt.text_mode", count=len(lines)), *lines]) if lines else t("prompt.no_frames")


def text_prompt(frames: Sequence[Keyframe], facts: Mapping[int, FrameFacts], question: str) -> str:
    """Build the prompt of a request without images: the descriptions of its frames, then the question."""
    texts = prompt_texts(frames, facts)
    lines = [describe(mark(frame), frame, facts.get(frame.number), texts.get(frame.number, ())) for frame in frames]
    return f"{descriptions(lines)}\n\n{question}"


# ---- plain pictures


def plain_picture(colour: str, form: str) -> bytes:
    """Encode a picture of one colour with sides of CARD_SIDE; `form` is a format of Pillow."""
    buffer = BytesIO()
    Image.new("RGB", (CARD_SIDE, CARD_SIDE), colour).save(buffer, form)
    return buffer.getvalue()


def _card(colour: str) -> dict[str, object]:
    url = "data:image/png;base64," + base64.b64encode(plain_picture(colour, "PNG")).decode("ascii")
    return picture_part(url)
