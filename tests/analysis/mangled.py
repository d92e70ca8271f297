"""Answers damaged at random, always the same for a seed: cut, spliced, retyped, with times and nonsense put in."""

import json
import random
from collections.abc import Iterator
from typing import Any

TIMES = {number: number * 1.5 for number in range(1, 9)}

_STATEMENT = {"frames": [1, 2], "text": "A man comes in and sits down."}
_CHAPTERS = [
    {"first_frame": 1, "title": "Coming", "text": "He comes."},
    {"first_frame": 5, "title": "", "text": "He goes."},
]
GOOD: dict[str, dict[str, Any]] = {
    "log": {
        "findings": [
            {"frames": [1], "kind": "appears", "who": "a man in red", "where": "left", "text": "A man comes in."},
            {"frames": [2, 3], "kind": "moves", "who": "a man in red", "where": "centre", "text": "He walks on."},
        ],
        "overview": [_STATEMENT],
        "subjects": [{"name": "the man in red", "look": "tall"}],
    },
    "steps": {
        "findings": [{"frames": [4], "step": 1, "tools": "刀", "text": "切菜。"}],
        "title": "做菜",
        "overview": [_STATEMENT],
        "chapters": _CHAPTERS,
        "reply": [{"frames": [4], "text": "用刀。"}],
    },
    "describe": {"title": "A visit", "overview": [_STATEMENT], "chapters": _CHAPTERS, "reply": []},
}
_SCOPES = {"log": "part", "steps": "whole", "describe": "join"}
_VALUES: list[Any] = [
    None, True, 0, -1, 3, 99, 10**25, 3.0, 3.7, 1e300, float("nan"), float("inf"), "", "…", "3", "1-3", "frame 4",
    "第5帧", "00:45", "at 17 s", "在第 90 秒", "3: red; 4: blue", "x" * 300, "\ud83d", "\u0000\u2028", [], {},
    [[[[[[[[3]]]]]]]],
    {"frames": [2], "text": "at 0:59"}, {"3": "red"}, {"findings": {"1": {"frames": {"2": [3]}}}},
    ["a", 1, None, [2, {}]],
]  # fmt: skip
_PIECES = [
    '"', "'", "\\", "{", "}", "[", "]", ",", ":", "\n", "```", "，", "：", "“", "”", "\\u12", "\\ud800", "NaN", "0:45",
    "99", "<think>", "</think>", "null", " at 1:02:03 ", "Summary:", "[frame 77]", "\x00", "\ufeff", "1e999", "//",
    "-", "{" * 40,
]  # fmt: skip


def mangled(seed: int, count: int) -> Iterator[tuple[str, str, str]]:
    """`count` times (scope, key of the template, answer)."""
    rng = random.Random(seed)
    for _ in range(count):
        key = rng.choice(list(GOOD))
        value = GOOD[key]
        for _ in range(rng.randrange(3)):
            value = _retyped(value, rng)
        text = json.dumps(value, ensure_ascii=rng.random() < 0.3, indent=rng.choice([None, None, 2]))
        for _ in range(rng.randrange(5)):
            text = _damaged(text, rng)
        yield _SCOPES[key], key, text


def _retyped(value: Any, rng: random.Random) -> Any:
    """The value with a part of it replaced by another value, or under another key."""
    if rng.random() < 0.2 or not isinstance(value, (dict, list)) or not value:
        return rng.choice(_VALUES)
    if isinstance(value, list):
        place = rng.randrange(len(value))
        return [_retyped(one, rng) if at == place else one for at, one in enumerate(value)]
    chosen = rng.choice(list(value))
    renamed = rng.choice([chosen] * 4 + [chosen.upper(), chosen[:-1], "note", "3", "00:45", ""])
    return {
        renamed if key == chosen else key: _retyped(one, rng) if key == chosen else one for key, one in value.items()
    }


def _damaged(text: str, rng: random.Random) -> str:
    start, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
    short = min(end, start + 12)
    return rng.choice(
        [
            text[:end],
            text[start:],
            text[:start] + text[short:],
            text[:start] + text[start:short] * 3 + text[short:],
            text[:start] + rng.choice(_PIECES) + text[start:],
            text[:start] + rng.choice(_PIECES) + text[short:],
            text[start:] + text[:start],
            rng.choice(["Sure:\n", "```json\n", "<think>", "1: "])
            + text
            + rng.choice(["", "\n```", " Done.", text[:end]]),
            text.replace('"', rng.choice(["'", "", "”", '\\"'])),
        ]
    )
