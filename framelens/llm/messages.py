"""Chat messages: a time mark before every frame, frames in time order, the question last.

Frames come before the question so that another question about the same frames hits the engine's prefix cache.
"""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from framelens.core.domain import Keyframe, Notice
from framelens.core.images import LEAST_SIDE, fitted, image_size, is_padded
from framelens.i18n import t
from framelens.i18n.formatting import mark

_URL_START = "data:image/jpeg;base64,"
_MEDIA = "media_io_kwargs"
"""vLLM's parameter for reading the videos of a request."""
_TICKS = 1000
"""Frame rate of a sent video, chosen so that the index of a frame is its time in milliseconds."""
_QUALITY = 90
"""JPEG quality of sent frames: compression impairs a model's reading of small letters before it becomes visible."""


def data_url(frame: Keyframe, side: int) -> str:
    """Encode the frame as a base64 JPEG in the size in which models take it, see `core.images.fitted_size`."""
    return jpeg_url(frame.jpeg, side)


def jpeg_url(jpeg: bytes, side: int | None = None) -> str:
    """Encode a picture as `data_url` encodes a frame; without `side` it isn't scaled down."""
    data = fitted(jpeg, side or max(image_size(jpeg)), quality=_QUALITY)
    return _URL_START + base64.b64encode(data).decode("ascii")


def picture_part(picture: bytes | str, side: int | None = None) -> dict[str, object]:
    """Build the part of a message that is a picture, from its data URL, or as `jpeg_url` encodes it."""
    url = picture if isinstance(picture, str) else jpeg_url(picture, side)
    return {"type": "image_url", "image_url": {"url": url}}


def text_part(text: str) -> dict[str, object]:
    """Build the part of a message that is a text."""
    return {"type": "text", "text": text}


def padding_notice(jpegs: Iterable[bytes], side: int) -> Notice | None:
    """Return the notice that a picture gets black bars to be sent; None if none does."""
    padded = (size for size in map(image_size, jpegs) if is_padded(*size, side))
    return next((Notice("pictures_padded", {"width": w, "height": h, "least": LEAST_SIDE}) for w, h in padded), None)


def with_pictures(
    frames: Sequence[Keyframe], question: str, *, system: str, url: Callable[[Keyframe], str]
) -> list[BaseMessage]:
    """Build messages whose user turn is mark, image, mark, image, … question; `url` encodes a frame like `data_url`."""
    content: list[str | dict[str, object]] = []
    for frame in _by_time(frames):
        content += [text_part(mark(frame)), picture_part(url(frame))]
    return [SystemMessage(system), HumanMessage(content=[*content, text_part(question)])]


def with_video(
    frames: Sequence[Keyframe], question: str, *, system: str, url: Callable[[Keyframe], str]
) -> list[BaseMessage]:
    """Build messages whose user turn is the marks of all frames, one video of the frames, the question.

    vLLM gets the decoder's times with the video; Qwen3-VL writes them between the frames. Two frames share their
    tokens there, and their time is the mean of both. `url` encodes a frame like `data_url`.
    """
    shown = _by_time(frames)
    video = "data:video/jpeg;base64," + ",".join(url(frame).removeprefix(_URL_START) for frame in shown)
    ticks = [round(frame.time_seconds * _TICKS) for frame in shown]
    length = max(ticks[-1] + 1, len(ticks))
    times = {"frames_indices": ticks, "fps": _TICKS, "total_num_frames": length, "duration": length / _TICKS}
    content: list[str | dict[str, object]] = [
        text_part("\n".join([t("prompt.video"), *map(mark, shown)])),
        {"type": "video_url", "video_url": {"url": video}},
        text_part(question),
    ]
    media = {"video": {**times, "do_sample_frames": False, "num_frames": -1}}
    return [SystemMessage(system), HumanMessage(content=content, additional_kwargs={_MEDIA: media})]


def media_options(sent: Sequence[BaseMessage]) -> dict[str, object]:
    """Return the options of a request with the times of the frames in its video; empty without a video."""
    return next(({_MEDIA: media} for message in sent if (media := message.additional_kwargs.get(_MEDIA))), {})


def text_only(prompt: str, *, system: str) -> list[BaseMessage]:
    """Build messages without images; the content is a plain string, which every engine accepts."""
    return [SystemMessage(system), HumanMessage(prompt)]


def in_words(sent: Sequence[BaseMessage], frames: Sequence[Keyframe]) -> str:
    """Format messages word for word for readers, with the frame's number in place of each image."""
    numbers = (frame.number for frame in _by_time(frames))

    def lines(message: BaseMessage) -> Iterator[str]:
        for part in [message.content] if isinstance(message.content, str) else message.content:
            text = part if isinstance(part, str) else part.get("text")
            if text is None:
                num_shown = len(frames) if "video_url" in part else 1
                text = " ".join(t("prompt.picture", number=number) for number in islice(numbers, num_shown))
            yield text

    return "\n\n".join("\n".join(lines(message)) for message in sent)


def _by_time(frames: Sequence[Keyframe]) -> list[Keyframe]:
    return sorted(frames, key=lambda frame: frame.time_seconds)
