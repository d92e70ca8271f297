"""Names of things that could be mistaken for the wanted thing: other colours by words, other things by the model.

A model that is asked for a red card alone says yes to an orange card more often than it says that the card is red
rather than orange. The names are asked about in the frames that say yes.
"""

import re
import threading
from typing import Any

from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core.domain import Language
from framelens.core.files import single_line
from framelens.i18n import in_language, t
from framelens.questions.retrieval.classification import ask_for_json, quoted
from framelens.questions.retrieval.openings import with_article

_MOST, _LONGEST = 3, 60
"""Most names, and characters of a name."""
_NEXT = {
    "red": ("orange", "purple"),
    "orange": ("red", "yellow"),
    "yellow": ("orange", "green"),
    "green": ("yellow", "cyan"),
    "cyan": ("green", "blue"),
    "blue": ("cyan", "purple"),
    "purple": ("blue", "red"),
    "pink": ("red", "purple"),
    "brown": ("orange", "red"),
    "gray": ("white", "black"),
    "grey": ("white", "black"),
    "white": ("gray", "yellow"),
    "black": ("gray", "blue"),
}
"""Colours that each colour is most easily taken for: its neighbours by hue, or by lightness if it has no hue."""
_CHINESE = {
    "red": "红",
    "orange": "橙",
    "yellow": "黄",
    "green": "绿",
    "cyan": "青",
    "blue": "蓝",
    "purple": "紫",
    "pink": "粉",
    "brown": "棕",
    "gray": "灰",
    "white": "白",
    "black": "黑",
}
_ENGLISH = {chinese: english for english, chinese in _CHINESE.items()}
_COLOUR = re.compile(rf"(?P<article>\ban? )?\b(?P<name>{'|'.join(_NEXT)})\b", re.IGNORECASE)
_CHINESE_COLOUR = re.compile(rf"(?P<name>[{''.join(_ENGLISH)}])(?=色)")
_ARTICLES = {"a", "an", "the", "some", "any"}
_SCHEMA: dict[str, Any] = {
    "name": "lookalikes",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {
            "lookalikes": {
                "type": "array",
                "items": {"type": "string", "maxLength": _LONGEST},
                "minItems": 1,
                "maxItems": _MOST,
            }
        },
        "required": ["lookalikes"],
        "additionalProperties": False,
    },
}


def lookalikes(
    thing: str, connection: EngineConnection, language: Language, cancel: threading.Event
) -> tuple[str, ...]:
    """Return up to three other things that look like this thing.

    Args:
        thing: What is looked for, with its article.
        connection: The engine, which gets a short request.
        language: Language of the request.
        cancel: Ends the request within 0.1 s of being set.

    Raises:
        Cancelled: `cancel` was set.
    """
    with in_language(language):
        prompt, system = t("ask.prompt.lookalikes", thing=quoted(thing)), t("ask.prompt.lookalikes_system")
    answer = ask_for_json(prompt, system, _SCHEMA, connection, cancel).get("lookalikes")
    names = [single_line(name) for name in (answer if isinstance(answer, list) else []) if isinstance(name, str)]
    usable = (name for name in names if len(name) <= _LONGEST and _is_another(name, thing))
    return tuple(dict.fromkeys((*in_other_colours(thing), *usable)))[:_MOST]


def in_other_colours(thing: str) -> tuple[str, ...]:
    """Return the thing in the colours that its own is most easily taken for; empty if it names no colour."""
    if match := _COLOUR.search(thing):
        head, tail = thing[: match.start()], thing[match.end() :]
        others = _NEXT[match["name"].lower()]
        return tuple(f"{head}{with_article(other) if match['article'] else other}{tail}" for other in others)
    if match := _CHINESE_COLOUR.search(thing):
        others = _NEXT[_ENGLISH[match["name"]]]
        return tuple(thing[: match.start()] + _CHINESE[other] + thing[match.end() :] for other in others)
    return ()


def _is_another(name: str, thing: str) -> bool:
    """Return whether a name is neither broader nor narrower: it lacks a word of the thing, and adds a word."""
    name_words, thing_words = _split_words(name), _split_words(thing)
    return not (name_words <= thing_words or thing_words <= name_words)


def _split_words(text: str) -> set[str]:
    return set(re.findall(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+", text.lower())) - _ARTICLES
