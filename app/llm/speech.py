"""From pieces of sound to cues, asked from a server of OpenAI's transcription endpoint, such as vLLM with a Whisper.

Cues come back on the time axis of the pieces. What a speech model makes up where nothing is said is left out and
counted: `app.llm.hallucination_filter` says by what it is known. No sound is decoded here.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from app.core.domain import Cue, SoundPiece
from app.core.errors import Cancelled, EngineError
from app.core.redaction import masked
from app.llm.error_mapping import engine_error, refused, retry_after
from app.llm.hallucination_filter import Sieve, segments_of
from app.llm.http import posted, request_loop

if TYPE_CHECKING:
    from aiohttp import FormData

_POLL_SECONDS = 0.1
_ATTEMPTS, _BUSY = 4, (429, 503)
_LONGEST_WAIT_SECONDS = 60.0
_NOT_THIS_FORMAT = (400, 415, 422, 501)


@dataclass(frozen=True)
class SpeechModel:
    """Where it answers and what it is called. `language` is what is spoken (ISO 639-1), "" for it to find out."""

    base_url: str
    api_key: str
    model: str
    language: str = ""
    timeout_seconds: float = 600.0


@dataclass(frozen=True)
class Spoken:
    """What was heard in one piece that ends at `end_seconds`; `num_dropped` cues were not believed."""

    end_seconds: float
    cues: tuple[Cue, ...]
    num_dropped: int


def transcribe(
    pieces: Iterable[SoundPiece],
    model: SpeechModel,
    *,
    cancel: threading.Event | None = None,
    at_once: int = 4,
) -> Iterator[Spoken]:
    """What is said in each piece, in their order; `at_once` of them are asked about, and held, at the same time.

    Raises the AppErrors of `refusal`, EngineError for an answer that is no transcription, or Cancelled within 0.1 s.
    Closing the iterator aborts what is under way.
    """
    asker, sieve = _Asker(model), Sieve()
    waiting: deque[tuple[SoundPiece, Future[Mapping[str, Any]]]] = deque()
    try:
        for piece in pieces:
            waiting.append((piece, asyncio.run_coroutine_threadsafe(asker.ask(piece), request_loop())))
            if len(waiting) >= at_once:
                yield _heard(*waiting.popleft(), model, sieve, cancel)
        while waiting:
            yield _heard(*waiting.popleft(), model, sieve, cancel)
    finally:
        for _, task in waiting:
            task.cancel()


def _heard(
    piece: SoundPiece,
    task: Future[Mapping[str, Any]],
    model: SpeechModel,
    sieve: Sieve,
    cancel: threading.Event | None,
) -> Spoken:
    try:
        answer = _result(task, model.base_url, cancel)
    finally:
        task.cancel()
    cues, num_dropped = sieve.believed(piece, segments_of(answer))
    return Spoken(piece.end_seconds, cues, num_dropped)


def _result(task: Future[Mapping[str, Any]], base_url: str, cancel: threading.Event | None) -> Mapping[str, Any]:
    while not task.done():
        if cancel and cancel.is_set():
            raise Cancelled
        wait([task], timeout=_POLL_SECONDS)
    try:
        return task.result()
    except CancelledError:
        raise Cancelled from None
    except Exception as error:  # sorted here: ours, or a bug that goes on as it is
        ours = engine_error(error, base_url=base_url)
        if ours is None:
            raise
        raise ours from error


class _Asker:
    """Asks for segments with times; of a server that does not give them, for the text alone from then on."""

    def __init__(self, model: SpeechModel) -> None:
        self._model = model
        self._gives_times: bool | None = None

    async def ask(self, piece: SoundPiece) -> Mapping[str, Any]:
        """The parsed answer about one piece."""
        if self._gives_times is False:
            return _parsed(await self._post(piece, "json"))
        response = await self._post(piece, "verbose_json")
        if response.status in _NOT_THIS_FORMAT and not self._gives_times:
            plain = _parsed(await self._post(piece, "json"))
            self._gives_times = False
            return plain
        answer = _parsed(response)
        if segments_of(answer):
            self._gives_times = True
        elif self._gives_times is None:
            # A model that was not taught times gives no segments, and then vLLM gives no text either.
            return _parsed(await self._post(piece, "json"))
        return answer

    async def _post(self, piece: SoundPiece, form: str) -> _Response:
        """The response, whatever its status, but that of a busy server only after some patience."""
        model = self._model
        for attempt in range(_ATTEMPTS):
            asking = posted(
                f"{model.base_url}/audio/transcriptions",
                api_key=model.api_key,
                timeout_seconds=model.timeout_seconds,
                data=_form(piece, model=model.model, response_format=form, language=model.language),
            )
            async with asking as answer:
                response = _Response(
                    answer.status, answer.headers, await answer.text(errors="replace"), str(answer.url)
                )
            if response.status not in _BUSY or attempt == _ATTEMPTS - 1:
                break
            told = retry_after(response.headers.get("Retry-After"))
            await asyncio.sleep(2.0**attempt if told is None else min(told, _LONGEST_WAIT_SECONDS))
        return response


class _Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str
    url: str


def _form(piece: SoundPiece, **fields: str) -> FormData:
    from aiohttp import FormData  # only who has sound to send waits for it

    form = FormData({name: value for name, value in fields.items() if value})
    form.add_field("file", piece.wav, filename="sound.wav", content_type="audio/wav")
    return form


def _parsed(response: _Response) -> Mapping[str, Any]:
    """The answer. Raises the AppErrors of `refusal`, and EngineError for what is no transcription."""
    if response.status != 200:
        raise refused(response.status, response.headers, response.text)
    try:
        answer = json.loads(response.text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        shown = masked(" ".join(response.text[:2000].split()))[:200]
        raise EngineError("speech_answer_unreadable", base_url=response.url, answer=shown)
    return answer
