"""Yes/no votes of the engine on single frames: a short request a frame, many at a time, within a time limit.

The answer is a single token, and its probability the vote. vLLM gives the log probabilities of named tokens
(`logprob_token_ids`), other engines the log probabilities of the likeliest tokens (`top_logprobs`). Without log
probabilities, a schema holds the answer to two words, and without schemas, free words are read. The first frame decides
which of these forms the engine takes.
"""

from __future__ import annotations

import asyncio
import math
import re
import threading
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import openai

from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core.domain import Language
from framelens.core.errors import AppError, FormatRefused
from framelens.core.units import foreign_number
from framelens.http_client import on_request_loop
from framelens.i18n import in_language, t
from framelens.llm.client import EngineClient
from framelens.llm.error_mapping import answer_error
from framelens.llm.events import whole_answer
from framelens.llm.messages import picture_part, text_part
from framelens.llm.reasoning import split_reasoning
from framelens.llm.retries import repeated
from framelens.llm.token_count import token_ids

_YES, _NO = ("yes", "Yes", "是", "有"), ("no", "No", "否", "没", "不")
_SAYS_YES, _SAYS_NO = re.compile(r"\W*(?:yes\b|[是有对])", re.IGNORECASE), re.compile(r"\W*(?:no\b|[否没不无])", re.I)
_LEAST_MASS = 0.05
"""Least probability of yes and no together. With less, the model begins its answer with something else, and the ratio
of the two means nothing."""
_TOP = 20
"""Likeliest tokens that are requested; the most that OpenAI's interface allows."""
_WORD_TOKENS = 8
"""Longest answer in words: a quoted "yes" in any tokenizer."""
_SCHEMA = {"name": "vote", "strict": True, "schema": {"type": "string", "enum": ["yes", "no"]}}
_REQUEST_TOKENS = 512
"""Tokens of a request with a picture of 640 x 360, rather too many, for the number of requests at the same time."""
_COUNT_SECONDS = 5.0
"""Longest wait for the tokens of a word."""
UNDECIDED = 0.5
"""Probability of a frame on which the engine says neither yes nor no."""


@dataclass(frozen=True)
class Vote:
    """The engine's answer about a frame.

    Attributes:
        index: Index of the picture among those that were asked about, from 0.
        probability: Probability of yes; 1 or 0 from an engine without probabilities, UNDECIDED without a usable answer.
        text: Text that was read there and says yes; "" from an engine.
    """

    index: int
    probability: float
    text: str = ""


class Voter(Protocol):
    """Says which pictures have something: an engine that is asked, or a reader of text.

    Attributes:
        can_mislead: Whether it may say yes to anything, so that its votes have to be checked.
    """

    can_mislead: bool

    def ask(
        self,
        thing: str,
        jpegs: Sequence[bytes],
        *,
        seconds: float,
        cancel: threading.Event | None = None,
        absent: bool = False,
    ) -> Generator[Vote, None, None]:
        """Yield the votes as they arrive; see `VoteAsker.ask`."""


class VoteAsker:
    """Asker of yes/no questions about single frames; it remembers the form of request that the engine takes.

    Args:
        connection: The engine.
        language: Language of the questions.
    """

    can_mislead = True

    def __init__(self, connection: EngineConnection, language: Language) -> None:
        self._connection = connection
        self._language = language
        self._forms: list[dict[str, Any]] = []
        self._in_flight = 1

    def ask(
        self,
        thing: str,
        jpegs: Sequence[bytes],
        *,
        seconds: float,
        cancel: threading.Event | None = None,
        absent: bool = False,
    ) -> Generator[Vote, None, None]:
        """Ask whether `thing` is in each picture, and yield the votes as they arrive; closing ends the requests.

        Args:
            thing: What to look for, with its article: "a red card".
            jpegs: Pictures in the size in which they are to be sent.
            seconds: Ceiling of time; pictures without an answer by then get no vote.
            cancel: Ends the requests within 0.1 s of being set.
            absent: Ask the contrary question: whether it is absent.

        Raises:
            AppError: The engine refuses (see `framelens.llm.refusals`), fails, or takes no pictures.
            Cancelled: `cancel` was set.
        """
        if not jpegs:
            return
        with in_language(self._language):
            question = t("ask.prompt.absent" if absent else "ask.prompt.vote", thing=thing)
            system = t("ask.prompt.vote_system")
        votes = self._votes(_Question(system, question), jpegs, seconds)
        with closing(on_request_loop(votes, cancel)) as arrived:
            yield from arrived

    def _prepare(self) -> None:
        """Choose the forms of request to try, the best first, and how many requests to send at the same time."""
        self._in_flight = self._connection.in_flight(_REQUEST_TOKENS)
        self._forms = [
            {"max_tokens": 1, "logprobs": True, "top_logprobs": _TOP},
            {"max_tokens": _WORD_TOKENS, "response_format": {"type": "json_schema", "json_schema": _SCHEMA}},
            {"max_tokens": _WORD_TOKENS},
        ]
        if (yes := self._tokens(_YES)) and (no := self._tokens(_NO)):
            # Without the last option, a model that can think would begin with its thoughts.
            form = {"max_tokens": 1, "logprobs": True, "logprob_token_ids": [*yes, *no]}
            self._forms.insert(0, {**form, "chat_template_kwargs": {"enable_thinking": False}})

    def _tokens(self, words: Sequence[str]) -> list[int]:
        """Return the tokens of the words that are a single token; empty if the engine isn't vLLM."""
        at, ids = self._connection.endpoint, list[int]()
        for word in words:
            try:
                tokens = token_ids(at.base_url, at.api_key, at.model, word, timeout_seconds=_COUNT_SECONDS)
            except AppError:  # another program's /tokenize
                tokens = None
            if tokens is None:
                return []
            ids += tokens if len(tokens) == 1 else ()
        return ids

    async def _votes(self, question: _Question, jpegs: Sequence[bytes], seconds: float) -> AsyncIterator[Vote]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        if not self._forms:
            await asyncio.to_thread(self._prepare)
        at = self._connection.endpoint
        engine = EngineClient(at.base_url, at.api_key, timeout_seconds=seconds + 1, headers=at.headers)
        in_flight = asyncio.Semaphore(self._in_flight)

        async def vote(index: int) -> Vote:
            async with in_flight:
                return Vote(index, await self._probability(engine, question, jpegs[index]))

        tasks = pending = {asyncio.ensure_future(vote(0))}
        try:
            while pending:
                left = max(0.0, deadline - loop.time())
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    return
                for finished in done:
                    yield finished.result()
                if len(tasks) == 1:  # the first answer shows which form the engine takes
                    pending = {asyncio.ensure_future(vote(index)) for index in range(1, len(jpegs))}
                    tasks = tasks | pending
        finally:
            for task in tasks:
                task.cancel()
            asyncio.gather(*tasks, return_exceptions=True)  # or asyncio logs the errors of those that nothing awaits

    async def _probability(self, engine: EngineClient, question: _Question, jpeg: bytes) -> float:
        """Ask about a picture; as long as several forms are left, drop those that the engine doesn't take."""
        while True:
            form, is_last = self._forms[0], len(self._forms) == 1
            try:
                probability = _probability_of_yes(await self._answer(engine, question, jpeg, form), form)
            except FormatRefused:
                if is_last:
                    raise
                probability = None
            if probability is not None or is_last:
                self._forms = [form]
                return UNDECIDED if probability is None else probability
            self._forms = self._forms[1:]

    async def _answer(self, engine: EngineClient, question: _Question, jpeg: bytes, form: Mapping[str, Any]) -> Any:
        body = {"model": self._connection.endpoint.model, "messages": question.about(jpeg), "temperature": 0.0, **form}

        async def send() -> Any:
            try:
                response = await engine.post("/chat/completions", body=body, cast_to=httpx.Response)
                return await whole_answer(response.content)
            except (openai.OpenAIError, ValueError) as error:
                at = self._connection.endpoint
                raise answer_error(error, base_url=at.base_url, model=at.model) or error from error

        return await repeated(send)


@dataclass(frozen=True)
class _Question:
    system: str
    text: str

    def about(self, jpeg: bytes) -> list[dict[str, Any]]:
        """Return the messages, the picture first: another question about it then finds it in the prefix cache."""
        content = [picture_part(jpeg), text_part(self.text)]
        return [{"role": "system", "content": self.system}, {"role": "user", "content": content}]


def _probability_of_yes(choice: Mapping[str, Any], form: Mapping[str, Any]) -> float | None:
    """Return the probability of yes in an answer, or None if it says neither."""
    try:
        if "logprobs" in form:
            return _share_of_yes(choice["logprobs"]["content"][0]["top_logprobs"])
        text = split_reasoning(choice["delta"]["content"]).answer
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return 1.0 if _SAYS_YES.match(text) else 0.0 if _SAYS_NO.match(text) else None


def _share_of_yes(tokens: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the share of yes in the probability of yes and no together, or None if that is little."""
    mass = [0.0, 0.0]
    for token in tokens:
        word = str(token["token"]).strip().lower()
        for side, words in enumerate((_NO, _YES)):
            if word in words:
                logprob = foreign_number(token["logprob"], least=-1e9)
                mass[side] += math.exp(min(logprob, 0.0)) if logprob is not None else 0.0
    return mass[1] / sum(mass) if sum(mass) >= _LEAST_MASS else None
