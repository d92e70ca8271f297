"""Classification of a question by the model: one short request where the opening of the question leaves something open.

The rules stand before the question, so that the engine's prefix cache holds them. Without a usable answer, the question
is about something in the video, and its own words say what to look for.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, get_args

from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core.domain import Language
from framelens.core.errors import AppError, Cancelled, FormatRefused
from framelens.core.units import foreign_number
from framelens.i18n import in_language, t
from framelens.llm import messages
from framelens.llm.stream import stream_pieces
from framelens.questions.retrieval.openings import opening_of, parts_in_words
from framelens.questions.retrieval.values import SEARCHED, Kind, Sought

_log = logging.getLogger(__name__)
_SECONDS = 30.0
"""Ceiling of the request; most of an answer that takes longer would be thoughts."""
_TOKENS, _LONGEST_THING, _EARLIER, _LONGEST_QUESTION, _MOST_PARTS = 240, 60, 3, 2000, 3
"""Longest answer; characters of a thing; earlier questions and characters of each that are shown; parts that a question
is divided into."""
_HAN = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Part:
    """One of the questions in a text, and what it asks for."""

    question: str
    sought: Sought


@dataclass(frozen=True)
class Classification:
    """What a text of a user asks for.

    Attributes:
        parts: Its questions, one or more.
        range_seconds: Start and end of the part of the video that it names; None for the whole video.
    """

    parts: tuple[Part, ...]
    range_seconds: tuple[float, float] | None = None


def by_words(question: str) -> Classification:
    """Return what the words of a question say."""
    return Classification(tuple(Part(part, opening_of(part).sought) for part in parts_in_words(question)))


def is_decided(question: str) -> bool:
    """Return whether the words of a question leave nothing open, so that the model isn't asked."""
    return all(opening_of(part).is_decided for part in parts_in_words(question))


def is_sought(question: str) -> bool:
    """Return whether the words ask for times alone: when, how often or whether something can be seen."""
    parts = by_words(question).parts
    return is_decided(question) and all(part.sought.kind in SEARCHED for part in parts)


def by_model(
    question: str,
    earlier: Sequence[str],
    seconds: float,
    connection: EngineConnection,
    language: Language,
    cancel: threading.Event,
) -> Classification:
    """Return what a question asks for, by the model's answer and, where it is unusable, by the words.

    Args:
        question: The question.
        earlier: Questions before it, which it may refer to.
        seconds: Length of the video, of which a part may be named; 0 where there are several.
        connection: The engine.
        language: Language of the request.
        cancel: Ends the request within 0.1 s of being set.

    Raises:
        Cancelled: `cancel` was set.
    """
    with in_language(language):
        prompt = t(
            "ask.prompt.classify",
            seconds=round(seconds),
            question=quoted(question),
            earlier=", ".join(map(quoted, earlier[-_EARLIER:])) or "–",
        )
        system = t("ask.prompt.classify_system")
    answer = ask_for_json(prompt, system, _SCHEMA, connection, cancel)
    terms = _stems(" ".join((*earlier[-_EARLIER:], question)))
    parts = answer.get("parts")
    items = [part for part in (parts if isinstance(parts, list) else []) if isinstance(part, dict)][:_MOST_PARTS]
    divided = [_part(part, terms) for part in items if str(part.get("question") or "").strip()]
    if len(divided) > 1:
        return Classification(tuple(divided), _range(answer.get("range"), seconds))
    openings, whole = by_words(question), _part({**answer, "question": question}, terms)
    if len(openings.parts) == 1:
        return Classification((whole,), _range(answer.get("range"), seconds))
    things = whole.sought.look_for if answer.get("kind") in get_args(Kind) else ()  # the model has seen one question
    several = (part if is_decided(part.question) else _looking_for(part, things) for part in openings.parts)
    return Classification(tuple(several), _range(answer.get("range"), seconds))


def _looking_for(part: Part, things: tuple[str, ...]) -> Part:
    """Return a question about these things, if there are any."""
    return Part(part.question, Sought(part.sought.kind, things or part.sought.look_for))


def _part(answer: Mapping[str, Any], terms: set[str]) -> Part:
    """Return a question with the kind that its opening says, else the model; and the thing that the model names.

    A thing that shares no word with the questions was made up. A time of something that is said can't be seen.
    """
    question = str(answer["question"]).strip()
    opening, thing = opening_of(question), answer.get("thing")
    is_usable = isinstance(thing, str) and 0 < len(thing.strip()) <= _LONGEST_THING and bool(_stems(thing) & terms)
    look_for = (" ".join(str(thing).split()),) if is_usable else opening.sought.look_for
    kind = next((option for option in get_args(Kind) if option == answer.get("kind")), None)
    is_open = kind == "spoken" or opening.kind in (None, "local")
    return Part(question, Sought(kind if kind and is_open else opening.sought.kind, look_for))


def _range(answer: Any, seconds: float) -> tuple[float, float] | None:
    """Return the range in a model's answer, within a video of so many seconds; None for all of it or no range."""
    if not isinstance(answer, list) or len(answer) != 2:
        return None
    start, end = (foreign_number(value, least=0.0) for value in answer)
    if start is None or end is None:
        return None
    end = min(end, seconds)
    return (start, end) if start < end and (start, end) != (0.0, seconds) else None


def ask_for_json(
    prompt: str, system: str, schema: Mapping[str, Any], connection: EngineConnection, cancel: threading.Event
) -> dict[str, Any]:
    """Return the model's answer to a short request as an object, empty if it is no object, fails or takes too long.

    Args:
        prompt: The request, which describes the object.
        system: The system message.
        schema: Schema of the object, left out for engines that refuse it.
        connection: The engine.
        cancel: Ends the request within 0.1 s of being set.

    Raises:
        Cancelled: `cancel` was set.
    """
    options: dict[str, Any] = {"temperature": 0.0, "max_tokens": _TOKENS}
    if connection.takes_schema:
        options["response_format"] = {"type": "json_schema", "json_schema": schema}
    deadline, text = time.monotonic() + _SECONDS, ""
    sent = messages.text_only(prompt, system=system)
    while True:
        try:
            with closing(stream_pieces(connection.chat, sent, cancel=cancel, options=options)) as pieces:
                for piece in pieces:
                    text = piece.text if piece.restart else text + piece.text
                    if time.monotonic() > deadline:
                        break
            break
        except Cancelled:
            raise
        except AppError as error:
            _log.warning("a short request failed: %s", error)
            if not (isinstance(error, FormatRefused) and options.pop("response_format", None)):
                break
    try:
        answer = json.loads(text[text.find("{") : text.rfind("}") + 1])
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


_KIND: dict[str, Any] = {"type": "string", "enum": list(get_args(Kind))}
_THING: dict[str, Any] = {"type": "string", "maxLength": _LONGEST_THING}
_QUESTION: dict[str, Any] = {
    "type": "object",
    "properties": {"question": {"type": "string", "maxLength": 200}, "kind": _KIND, "thing": _THING},
    "required": ["question", "kind", "thing"],
    "additionalProperties": False,
}
_SCHEMA: dict[str, Any] = {
    "name": "question",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {
            "kind": _KIND,
            "thing": _THING,
            "range": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
            "parts": {"type": "array", "items": _QUESTION, "maxItems": _MOST_PARTS},
        },
        "required": ["kind", "thing", "range", "parts"],
        "additionalProperties": False,
    },
}


def _stems(text: str) -> set[str]:
    """Return the words of a text by which another text is recognised: stems of words, single Chinese characters."""
    return {word[:4] for word in re.findall(r"[^\W\d_\u4e00-\u9fff]{3,}", text.lower())} | set(_HAN.findall(text))


def quoted(text: str) -> str:
    """Quote a text of the user for a request, as a JSON string on a single line."""
    return json.dumps(" ".join(text.split())[:_LONGEST_QUESTION], ensure_ascii=False)
