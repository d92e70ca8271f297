"""Text that may be shown, from text that may hold secrets: keys, tokens, and passwords in addresses.

Used for everything that a user is asked to paste into a report. It hides too much rather than too little.
"""

from __future__ import annotations

import re

HIDDEN = "***"
_SECRET_NAME = r"(?:api[-_]?key|access[-_]?key|secret|token|passw(?:or)?d|credentials?|cookie|signature)"
_SECRET_SETTING = re.compile(rf"(?:{_SECRET_NAME}|authorization)$", re.IGNORECASE)
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), hidden)
    for pattern, hidden in (
        (r"(?<=://)[^/\s@]+(?=@)", HIDDEN),  # user:password@host
        (r"(authorization[\"']?\s*[=:]\s*[\"']?)(?:\w+\s+)?[^\s\"',}]+", rf"\1{HIDDEN}"),
        (r"\b(bearer|basic)\s+[\w.~+/=-]{4,}", rf"\1 {HIDDEN}"),
        (rf"([?&][\w.-]*{_SECRET_NAME}[\w.-]*=)[^&\s\"']+", rf"\1{HIDDEN}"),  # https://…?token=…
        (rf"(\b[\w-]*{_SECRET_NAME}[\"']?\s*[=:]\s*)\[[^\]\n]*\]", rf"\1{HIDDEN}"),
        (rf"(\b[\w-]*{_SECRET_NAME}[\"']?\s*[=:]\s*[\"']?)(?!{re.escape(HIDDEN)})[^\s\"',}}&]+", rf"\1{HIDDEN}"),
        (rf"(--[\w-]*{_SECRET_NAME}\s+)\S+", rf"\1{HIDDEN}"),
        (r"\b(?:hf|sk|ghp|glpat|xox[abp])[-_][\w-]{8,}", HIDDEN),  # the hub's, OpenAI's and others' keys by their look
    )
)


def is_secret(name: str) -> bool:
    """Whether a setting or variable called `name` holds what nobody else should see."""
    return _SECRET_SETTING.search(name) is not None


def masked(text: str) -> str:
    """`text` with what looks like a secret replaced.

    >>> masked("GET https://me:pw@host/v1?token=abc Authorization: Bearer sk-1234567890")
    'GET https://***@host/v1?token=*** Authorization: ***'
    """
    for pattern, hidden in _RULES:
        text = pattern.sub(hidden, text)
    return text


def masked_setting(name: str, value: str) -> str:
    """The value of a setting as it may be shown; of a secret one, only that it is set."""
    return (HIDDEN if value else "") if is_secret(name) else masked(value)
