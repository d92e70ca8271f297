"""OpenAI's client for engines: chat, transcription, embeddings. An engine that keeps pictures gets each picture once.

vLLM accepts a `uuid` with a picture, caches the processed picture under it, and later accepts the uuid alone; if the
picture is no longer in the cache, vLLM answers 400 "Cache miss". The uuid is a digest of the picture: vLLM doesn't
compare contents, so with any other uuid two users of an engine could see each other's pictures.

Importing this module takes half a second, so other modules import it on first use.
"""

import hashlib
import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import openai

from framelens.core.redaction import remember_secret
from framelens.http_client import pooled_client, request_timeout, response_limits
from framelens.llm.events import EventDecoder, peeked
from framelens.llm.limits import limits_of
from framelens.llm.refusals import SYSTEM_ROLE, refused_parameter

log = logging.getLogger(__name__)
_MOST_KNOWN = 50_000
"""Pictures remembered for an engine, in some 8 MB; the engine keeps fewer."""
_MOST_MISSES = 3
"""Misses in a row after which the engine's cache is taken for useless: too small, or switched off."""
_MISS = "cache miss"


class SentPictures:
    """Digests of the pictures that an engine has been sent. Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        self._misses = 0
        self._lock = threading.Lock()
        self.is_useful = True

    def shortened(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], set[str]]:
        """Return a request with uuids and all pictures, the request without known pictures, and all its uuids."""
        uuids = set[str]()

        def part(piece: Any, *, is_short: bool) -> Any:
            url = _picture(piece)
            if not url:
                return piece
            uuid = hashlib.sha256(url.encode()).hexdigest()
            uuids.add(uuid)
            return {**piece, "uuid": uuid, **({"image_url": None} if is_short and uuid in self._known else {})}

        def message(turn: Any, *, is_short: bool) -> Any:
            if not isinstance(turn.get("content"), list):
                return turn
            return {**turn, "content": [part(piece, is_short=is_short) for piece in turn["content"]]}

        full, short = (
            {**body, "messages": [message(turn, is_short=is_short) for turn in body["messages"]]}
            for is_short in (False, True)
        )
        return full, short, uuids

    def sent(self, uuids: set[str], *, was_short: bool) -> None:
        """Remember the pictures of a request that the engine has accepted; `was_short` if data was left out."""
        with self._lock:
            self._misses = 0 if was_short else self._misses
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            self._known.update(dict.fromkeys(uuids))

    def missed(self, error: openai.APIStatusError) -> None:
        """Forget all pictures after the engine has refused a request with uuids in place of pictures."""
        with self._lock:
            self._known.clear()
            self._misses += 1
            # An engine that doesn't know such requests answers with another error.
            self.is_useful = _MISS in error.response.text.lower() and self._misses < _MOST_MISSES

    def refused(self) -> None:
        """Send pictures without uuids from now on, since the engine doesn't know the field."""
        self.is_useful = False


_sent: dict[str, SentPictures] = {}


def keep_pictures(base_url: str) -> None:
    """Send each picture once to the engine at `base_url` from now on, because the engine keeps pictures."""
    _sent.setdefault(base_url.rstrip("/"), SentPictures())


def _pictures(body: Mapping[str, Any]) -> Iterator[str]:
    for message in body.get("messages") or ():
        content = message.get("content")
        yield from filter(None, map(_picture, content if isinstance(content, list) else ()))


def _picture(part: Any) -> str:
    """Return the data of a picture in a part of a message, "" if the part is no picture."""
    image = part.get("image_url") if isinstance(part, dict) and part.get("type") == "image_url" else None
    url = image.get("url") if isinstance(image, dict) else None
    return url if isinstance(url, str) and url.startswith("data:") else ""


def _whole_body(options: Any) -> dict[str, Any]:
    """Return the parameters of a request, including those that the client doesn't know and keeps separately."""
    body = options.json_data if isinstance(options.json_data, Mapping) else {}
    return {**body, **(options.extra_json or {})}


_refused: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
"""Parameters that an engine refuses, by its address and model: each with its substitute, "" to leave it out."""


def _without(options: Any, refused: Mapping[str, str]) -> Any:
    """Return a request without refused parameters."""
    body = options.json_data
    if not (isinstance(body, Mapping) and refused.keys() & {*body, SYSTEM_ROLE}):
        return options
    renamed = {refused.get(name, name): value for name, value in body.items()}
    accepted = {name: value for name, value in renamed.items() if name and refused.get(name) != ""}
    if SYSTEM_ROLE in refused and "messages" in accepted:
        accepted["messages"] = _alternating(accepted["messages"])
    return options.model_copy(update={"json_data": accepted})


def _alternating(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages as alternating turns of user and assistant; instructions are part of the user's turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        turn = {**message, "role": "user"} if message["role"] in ("system", "developer") else dict(message)
        if turns and turns[-1]["role"] == turn["role"] and turn.keys() | turns[-1].keys() == {"role", "content"}:
            turns[-1]["content"] = _join_contents(turns[-1]["content"], turn["content"])
        else:
            turns.append(turn)
    return turns


def _has_other_turns(body: Mapping[str, Any]) -> bool:
    """Return whether a request has turns that don't alternate between user and assistant."""
    messages = body.get("messages") or []
    return _alternating(messages) != messages


def _join_contents(content: Any, added: Any) -> Any:
    """Return the contents of two messages as one: a text, or parts if one of them has parts."""
    if isinstance(content, str) and isinstance(added, str):
        return f"{content}\n\n{added}"
    parts, rest = (
        [{"type": "text", "text": item}] if isinstance(item, str) else list(item or ()) for item in (content, added)
    )
    if parts and parts[-1].get("type") == "text":  # templates put nothing between two texts
        parts[-1] = {**parts[-1], "text": f"{parts[-1]['text']}\n\n"}
    return [*parts, *rest]


class EngineClient(openai.AsyncOpenAI):
    """OpenAI's client for an engine that may need no key, and gets only the headers given here.

    The base class adds an organisation, a project and further headers from the environment, and names the system it
    runs on. Retries are left to the caller.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_seconds: float,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(
            base_url=base_url,
            api_key=api_key or "none",  # the base class refuses ""
            max_retries=0,
            timeout=request_timeout(timeout_seconds),  # type: ignore[arg-type]  # it takes httpx as well as httpx2
            default_query=query,
            http_client=pooled_client(base_url),  # type: ignore[arg-type]
        )
        self.api_key, self.admin_api_key = api_key, None
        remember_secret(api_key)
        self._own_headers = dict(headers or {})
        self._wait_seconds = timeout_seconds

    @property
    def default_headers(self) -> dict[str, Any]:
        """Return the headers of every request, without the key."""
        return {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": self.user_agent,
            **self._own_headers,
        }

    async def request(self, cast_to: Any, options: Any, **form: Any) -> Any:
        """Send a request with a response limit, without the parameters that the engine refuses for this model."""
        refused = _refused[str(self.base_url), str(_whole_body(options).get("model"))]
        while True:
            sent = _without(options, refused)
            body = _whole_body(sent)
            names = {*body, *([SYSTEM_ROLE] if _has_other_turns(body) else ())}
            try:
                with response_limits(limits_of(sent.url, body, self._wait_seconds)):
                    return await peeked(await self._request_with_pictures(cast_to, sent, **form))
            except openai.APIError as error:
                if isinstance(error, openai.APIStatusError):
                    parameter = refused_parameter(error.status_code, error.response.text, names)
                else:
                    parameter = refused_parameter(200, error.body, names)
                if parameter is None:
                    raise
                name, instead = parameter
                log.warning("%s refuses %s; %s is sent in its place", self.base_url, name, instead or "nothing")
                refused[name] = "" if instead in refused else instead

    async def _request_with_pictures(self, cast_to: Any, options: Any, **form: Any) -> Any:
        """Send a request without the pictures that the engine keeps, or with all if it has dropped some."""
        sent, body = _sent.get(str(self.base_url).rstrip("/")), options.json_data
        if not (sent and sent.is_useful and isinstance(body, Mapping) and any(_pictures(body))):
            return await super().request(cast_to, options, **form)
        full, short, uuids = sent.shortened(body)
        is_short = short != full
        try:
            answer = await super().request(cast_to, options.model_copy(update={"json_data": short}), **form)
        except openai.APIStatusError as error:
            if error.status_code not in (400, 422, 500):
                raise
            if is_short:
                sent.missed(error)
                is_short = False
            elif "uuid" in error.response.text:
                sent.refused()
                full = dict(body)
            else:
                raise
            answer = await super().request(cast_to, options.model_copy(update={"json_data": full}), **form)
        sent.sent(uuids, was_short=is_short)
        return answer

    def _make_sse_decoder(self) -> EventDecoder:
        return EventDecoder()

    def _validate_headers(self, headers: Any, custom_headers: Any) -> None:
        """Accept a request without a key."""
