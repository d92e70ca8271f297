"""Connection to a ready engine: its chat model, its proven image input, and what it says about its own load."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from framelens.core.domain import Keyframe, Notice
from framelens.core.errors import AppError, EngineBusy, EngineError, EngineTimeout
from framelens.engine.base import Endpoint, Engine
from framelens.engine.endpoints import metrics_url, read_metrics
from framelens.http_client import short_request
from framelens.i18n import as_notice
from framelens.llm.cache import AnswerCache
from framelens.llm.messages import with_pictures, with_video
from framelens.llm.refusals import may_be_dying
from framelens.llm.text_fallback import VisionProbe
from framelens.llm.token_count import TokenCount, count_tokens

_MOST_IN_FLIGHT = 16  # requests at the same time
_DEFAULT_IN_FLIGHT = 4  # if the engine doesn't report the size of its cache
_EXIT_WAIT_SECONDS = 2.0  # from a broken connection until the process of a local engine is seen to have ended
_METRICS_SECONDS = 5.0
_CACHE = "vllm:cache_config_info"


@dataclass(frozen=True)
class EngineConnection:
    """Connected engine.

    Attributes:
        engine: The engine.
        endpoint: Its address, model and key.
        chat: Chat model.
        sight: Result of the vision check.
        max_model_len: Context length in tokens; None if the engine doesn't report it.
        answer_tokens: Longest answer in tokens.
        answers: Cache of answers that the same model gave before, or None.
        side: Longer side of sent frames in pixels; None lets the plan choose.
        sends_video: The frames of a request are sent as a video.
        video_refusal: Why they are sent as pictures although the settings want a video.
        most_in_flight: Number of requests at the same time; None lets the engine's cache decide.
        takes_schema: Answers are held to a JSON Schema.
        count_seconds: Longest wait for a count of tokens.
        conditions: Settings that answers depend on.
    """

    engine: Engine
    endpoint: Endpoint
    chat: BaseChatModel
    sight: VisionProbe
    max_model_len: int | None
    answer_tokens: int
    answers: AnswerCache | None
    side: int | None = None
    sends_video: bool = False
    video_refusal: Notice | None = None
    most_in_flight: int | None = None
    takes_schema: bool = True
    count_seconds: float = 60.0
    conditions: Mapping[str, str] = field(default_factory=dict)

    def messages(
        self, frames: Sequence[Keyframe], question: str, *, system: str, url: Callable[[Keyframe], str]
    ) -> list[BaseMessage]:
        """Build the messages about frames as this engine gets them; `url` encodes a frame like `messages.data_url`."""
        build = with_video if self.sends_video else with_pictures
        return build(frames, question, system=system, url=url)

    def count(self, messages: Sequence[BaseMessage]) -> TokenCount | None:
        """Return the exact tokens of messages, or None if the engine doesn't report them.

        Raises:
            AppError: The engine refuses the messages.
        """
        at = self.endpoint
        return count_tokens(at.base_url, at.api_key, at.model, messages, timeout_seconds=self.count_seconds)

    def in_flight(self, tokens: int) -> int:
        """Return how many requests of so many tokens the engine's KV cache holds; more would only wait there."""
        if self.most_in_flight:
            return self.most_in_flight
        if self.endpoint.kind == "transformers":  # answers one request at a time
            return 1
        held = cache_tokens(self.endpoint.base_url, self.endpoint.api_key)
        return _DEFAULT_IN_FLIGHT if held is None else max(1, min(_MOST_IN_FLIGHT, held // max(tokens, 1)))

    @property
    def is_single_remote(self) -> bool:
        """Return whether only this engine can answer, and only others can start it."""
        return self.endpoint.kind == "remote" and not self.engine.is_pooled

    def death(self, error: AppError) -> AppError | None:
        """Return why the engine has died, if `error` may mean that; None if it is well or the reason is unknown.

        Of a single remote engine, no other reason than `error` is known. If it is too slow, it is not asked: it may be
        busy with the same request.
        """
        if isinstance(error, EngineBusy):  # a proxy answers so for a dead engine; others can take over
            may_be_dead = self.engine.is_pooled and error.values["status"] != 429
        else:
            may_be_dead = may_be_dying(error) and not (self.is_single_remote and isinstance(error, EngineTimeout))
        death = self._death() if may_be_dead else None
        return error if death and self.is_single_remote else death

    def continuation(self, death: AppError) -> Notice:
        """Return the notice of a run or an answer that continues after the engine has died."""
        if self.is_single_remote:
            return Notice("engine_returned", {"base_url": self.endpoint.base_url}, "info")
        if self.engine.is_pooled:
            return Notice("engine_replaced", {"reason": as_notice(death)}, "info")
        return Notice("engine_restarted", {"reason": as_notice(death)})

    def _death(self) -> AppError | None:
        deadline = time.monotonic() + (0.0 if self.endpoint.kind == "remote" else _EXIT_WAIT_SECONDS)
        while (error := self.engine.status().error) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        # A server whose core has died stays up and reports that for a while; so does a server that takes long to shut
        # down.
        return error or self.engine.end_if_unwell()


def cache_tokens(base_url: str, api_key: str) -> int | None:
    """Get the size in tokens of the key-value cache that all running requests share, or None if not published."""
    labels = next(iter(_caches(base_url, api_key)), {})
    for tokens in (
        labels.get("kv_cache_size_tokens"),
        _product(labels.get("num_gpu_blocks"), labels.get("block_size")),
    ):
        if tokens and tokens.isdecimal() and int(tokens) > 0:
            return int(tokens)
    return None


def model_copies(base_url: str, api_key: str) -> int:
    """Get the number of copies of the model (data parallelism) that a vLLM runs behind its address; 1 if unknown."""
    return len({labels.get("engine") for labels in _caches(base_url, api_key)}) or 1


def _caches(base_url: str, api_key: str) -> list[dict[str, str]]:
    """Get the description of the key-value cache of each copy of the model; nothing if it is not published."""
    try:
        url = metrics_url(base_url)
        answer = short_request(base_url, "GET", url, api_key=api_key, timeout_seconds=_METRICS_SECONDS)
    except (httpx.HTTPError, EngineError):
        return []
    return [labels for _, labels, _ in read_metrics(answer.text, {_CACHE})] if answer.status_code == 200 else []


def _product(blocks: str | None, size: str | None) -> str | None:
    """Return blocks times block size; older versions publish only these."""
    return str(int(blocks) * int(size)) if blocks and size and blocks.isdecimal() and size.isdecimal() else None
