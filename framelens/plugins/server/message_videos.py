"""Videos in messages: each becomes its keyframes with their times, which any engine takes that takes pictures.

A video is a file below an allowed folder, data in base64, or a link. Questions that the search answers exactly (when,
how often, whether) are answered by the search.

What this does not do: sound, and videos as frames that a client has chosen (`video/jpeg`), which pass as they are.
"""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import framelens
from framelens import InputError, Keyframe, Language, VideoInfo
from framelens.plugin import Settings, in_language, open_videos, t
from framelens.plugin.analyses import MOST_FRAMES, RequestCapacity, frames_and_side, is_sought
from framelens.plugin.chat import mark, picture_part, text_part, text_prompt
from framelens.plugin.engines import Endpoint
from framelens.plugin.links import LinkFetcher, is_link
from framelens.plugin.processes import probe
from framelens.plugin.storage import VideoRepository
from framelens.plugin.texts import clock

_DATA = re.compile(r"data:video/(?!jpeg[;,])([a-z0-9.+-]+)?(;[^,]*)?,", re.IGNORECASE)
"""Beginning of a video as data; `video/jpeg` is a list of pictures."""
_PASSES = re.compile(r"data:video/jpeg[;,]", re.IGNORECASE)
_HAN = re.compile("[\u4e00-\u9fff]")
_LIST_END = re.compile(r"^(\d+\. .*)\n(?!\d+\. )", re.MULTILINE)
"""The last line of a list, which clients that draw Markdown would continue with the line after it."""
_CHARACTERS_PER_TOKEN = 3
_TOKENS_PER_PICTURE = 1500
"""Tokens that a picture beside the videos is counted as."""


@dataclass(frozen=True)
class VideoPart:
    """A part of a message that is a video: indexes of the message and of the part, and the address."""

    message: int
    part: int
    url: str


@dataclass(frozen=True)
class SentVideo:
    """A video as it was sent: its name, its length, and the times of its frames in seconds."""

    name: str
    seconds: float
    times: tuple[float, ...]


@dataclass(frozen=True)
class OpenedVideo:
    """A video of the messages that can be read."""

    part: VideoPart
    path: Path
    name: str


def video_parts(messages: object) -> list[VideoPart]:
    """List the videos in messages, in their order."""
    return [
        VideoPart(number, index, url)
        for number, message in enumerate(messages if isinstance(messages, list) else ())
        if isinstance(message, dict) and isinstance(message.get("content"), list)
        for index, part in enumerate(message["content"])
        if isinstance(part, dict) and (url := _url(part)) and not _PASSES.match(url)
    ]


def _url(part: Mapping[str, Any]) -> str:
    """Return the address or the data of a video: a `video_url`, or a `file` with a video in it; "" for other parts."""
    kind = str(part.get("type"))
    named = part.get(kind) if kind in ("video_url", "file") else None
    if kind == "file":
        data = named.get("file_data") if isinstance(named, Mapping) else None
        return data if isinstance(data, str) and _DATA.match(data) else ""
    url = named.get("url") if isinstance(named, Mapping) else named
    return url.strip() if isinstance(url, str) else ""


def without_videos(messages: object) -> list[Any]:
    """Return the messages without their videos."""
    videos = {(video.message, video.part) for video in video_parts(messages)}
    return [
        {**message, "content": [part for index, part in enumerate(content) if (number, index) not in videos]}
        if isinstance(message, dict) and isinstance(content := message.get("content"), list)
        else message
        for number, message in enumerate(messages if isinstance(messages, list) else ())
    ]


class MessageVideos:
    """Videos of one request: opened once, expanded into frames as often as an engine asks for fewer.

    Args:
        messages: The messages of the request.
        settings: Settings with the allowed folders and addresses.
        cancel: Ends the work when the client has left.
    """

    def __init__(self, messages: Sequence[Any], settings: Settings, cancel: threading.Event) -> None:
        self._messages = messages
        self._settings = settings
        self._cancel = cancel
        self._folder = tempfile.TemporaryDirectory(prefix="framelens-serve-")
        self._videos: list[OpenedVideo] = []

    def __enter__(self) -> MessageVideos:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    @property
    def question(self) -> str:
        """Return the text of the last message."""
        return " ".join(str(part.get("text", "")) for part in _parts_of(self._messages[-1])).strip()

    @property
    def is_sought(self) -> bool:
        """Return whether the search answers: a single question about a single video, with nothing else to look at."""
        turns = [message for message in self._messages if not _is_system(message)]
        media = [part for message in turns for part in _parts_of(message) if part.get("type") != "text"]
        return len(self._videos) == len(media) == len(turns) == 1 and is_sought(self.question)

    def searched(self, endpoint: Endpoint, language: Language) -> str:
        """Return the answer of the search to the question about the only video.

        What is found is kept in the data folder, but not about a video that came as data.

        Raises:
            EngineError: The model can't answer.
            Cancelled: The client has left.
        """
        (video,) = self._videos
        is_data = video.path.parent == Path(self._folder.name)
        data_dir = Path(self._folder.name) / "data" if is_data else self._settings.data_dir
        conversation = framelens.ask(
            video.path,
            self.question,
            cancel=self._cancel,
            language=language,
            data_dir=data_dir,
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            model=endpoint.model,
        )
        return _LIST_END.sub(r"\1\n\n", conversation.last.answer)

    def open(self) -> None:
        """Bring all videos into files.

        Raises:
            InputError: A video can't be had, or is not allowed.
            StorageError: There is no room for it.
            Cancelled: The client has left.
        """
        repository = open_videos(self._settings)
        self._videos = [self._open(part, repository) for part in video_parts(self._messages)]

    def _open(self, part: VideoPart, repository: VideoRepository) -> OpenedVideo:
        if header := _DATA.match(part.url):
            name = f"video-{part.message + 1}-{part.part + 1}.{header[1] or 'mp4'}"
            path = Path(self._folder.name) / name
            path.write_bytes(_decode(part.url[header.end() :]))
            return OpenedVideo(part, path, name)
        if is_link(part.url):
            links = LinkFetcher(repository, self._settings.sources, is_open=True)
            video_id = links.fetch(part.url, lambda *_: None, self._cancel)
        else:
            address = urlsplit(part.url)
            video_id = repository.from_path(unquote(address.path) if address.scheme == "file" else part.url)
        return OpenedVideo(part, repository.path(video_id), repository.name(video_id))

    def expanded(
        self, capacity: RequestCapacity, *, most: int = MOST_FRAMES, in_words: bool = False
    ) -> tuple[list[Any], list[SentVideo]]:
        """Return the messages with the keyframes in place of each video, and what was sent.

        Args:
            capacity: What the engine's request holds, of which each video gets the same share.
            most: Most frames of all videos.
            in_words: Describe the frames by measured facts, for a model that takes no pictures.

        Raises:
            VideoError: A file is no video, or can't be read.
            Cancelled: The client has left.
        """
        number, messages = len(self._videos), list(self._messages)
        share = RequestCapacity(self._free_tokens(capacity) // number, 0, 0, max(1, most // number))
        sent = []
        with in_language("zh" if _HAN.search(self.question) else "en"):
            for video in reversed(self._videos):  # from the end, so that earlier indexes stay right
                parts, about = self._parts(video, share, in_words=in_words)
                message, index = messages[video.part.message], video.part.part
                content = [*message["content"][:index], *parts, *message["content"][index + 1 :]]
                messages[video.part.message] = {**message, "content": content}
                sent.append(about)
        return messages, sent[::-1]

    def _parts(
        self, video: OpenedVideo, capacity: RequestCapacity, *, in_words: bool
    ) -> tuple[list[dict[str, object]], SentVideo]:
        """Return the parts of a message in place of a video."""
        frames, info, text = self._frames(video, capacity, in_words=in_words)
        seconds = info.duration_seconds_from_header or (frames[-1].time_seconds if frames else 0.0)
        about = SentVideo(video.name, seconds, tuple(round(frame.time_seconds, 3) for frame in frames))
        head = text_part(t("serve.video", name=video.name, length=clock(seconds), n=len(frames)))
        if in_words:
            return [head, text_part(text)], about
        _, side = frames_and_side(info, replace(capacity, max_pictures=len(frames)))
        pictures = [part for frame in frames for part in (text_part(mark(frame)), picture_part(frame.jpeg, side))]
        return [head, *pictures], about

    def _frames(
        self, video: OpenedVideo, capacity: RequestCapacity, *, in_words: bool
    ) -> tuple[Sequence[Keyframe], VideoInfo, str]:
        options: dict[str, Any] = {"data_dir": self._settings.data_dir, "cancel": self._cancel}
        if in_words:
            analysis = framelens.analyse(video.path, use_model=False, frames="auto", **options)
            facts = {measured.number: measured for measured in analysis.facts}
            return analysis.keyframes, analysis.video, text_prompt(analysis.keyframes, facts, "")
        info = probe(video.path)
        number, _ = frames_and_side(info, capacity)
        chosen = framelens.keyframes(video.path, frames=number, **options)
        return chosen.frames, chosen.video, ""

    def _free_tokens(self, capacity: RequestCapacity) -> int:
        """Return the tokens for the frames of all videos, beside the texts and pictures that come with them."""
        parts = [part for message in self._messages for part in _parts_of(message)]
        characters = sum(len(str(part.get("text", ""))) for part in parts)
        pictures = sum(part.get("type") in ("image_url", "input_image") for part in parts)
        text = capacity.text_tokens + characters // _CHARACTERS_PER_TOKEN + pictures * _TOKENS_PER_PICTURE
        return replace(capacity, text_tokens=text).for_frames


def _is_system(message: object) -> bool:
    return isinstance(message, Mapping) and message.get("role") == "system"


def _parts_of(message: object) -> Iterator[Mapping[str, Any]]:
    """Yield the parts of a message, whose content may be a text alone; another value than a message has none."""
    content = message.get("content") if isinstance(message, Mapping) else None
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    yield from (part for part in (content if isinstance(content, list) else ()) if isinstance(part, Mapping))


def _decode(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("serve_video_not_base64") from error
