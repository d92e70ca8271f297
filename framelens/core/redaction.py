"""Redaction of secrets in external text: keys, tokens, and passwords in addresses.

Applied to texts of engines, hubs and logs before they are shown, logged or stored, and to everything that a user is
asked to paste into a report. It hides too much rather than too little. Secrets that this process uses are hidden
wherever they appear; others by their look.
"""

import re
from functools import cache
from urllib.parse import quote

HIDDEN = "***"
_SECRET_NAME = r"(?:api[-_]?key|access[-_]?key|secret|token|passw(?:or)?d|credentials?|cookie|signature)"
_SECRET_SETTING = re.compile(
    rf"(?:{_SECRET_NAME}|authorization|passphrase|[-_](?:key|pass|pwd|pat|auth))$", re.IGNORECASE
)
_RULES = (
    (r"(?<=://)[^/\s@]+(?=@)", HIDDEN),  # user:password@host
    (r"(authorization[\"']?\s*[=:]\s*[\"']?)(?:\w+\s+)?[^\s\"',}]+", rf"\1{HIDDEN}"),
    (r"\b(bearer|basic)\s+[\w.~+/=-]{4,}", rf"\1 {HIDDEN}"),
    (rf"([?&][\w.-]*{_SECRET_NAME}[\w.-]*=)[^&\s\"']+", rf"\1{HIDDEN}"),  # https://…?token=…
    (rf"(\b[\w-]*{_SECRET_NAME}[\"']?\s*[=:]\s*)\[[^\]\n]*\]", rf"\1{HIDDEN}"),
    (rf"(\b[\w-]*{_SECRET_NAME}[\"']?\s*[=:]\s*[\"']?)(?!{re.escape(HIDDEN)})[^\s\"',}}&]+", rf"\1{HIDDEN}"),
    (rf"(--[\w-]*{_SECRET_NAME}\s+)\S+", rf"\1{HIDDEN}"),
    (r"\b(?:hf|sk|ghp|glpat|xox[abp])[-_][\w-]{8,}", HIDDEN),  # the hub's, OpenAI's and others' keys by their look
)
_SHORTEST, _SHORTEST_WORD, _LONGEST_WORD = 6, 8, 15
"""Lengths in characters. A shorter secret would hide parts of ordinary text; a secret without digits may be a word of
that length."""
_secrets: dict[str, re.Pattern[str]] = {}


def remember_secret(value: str) -> None:
    """Hide `value` in every text from now on. A value that may be an ordinary word is hidden only as a whole word."""
    value = value.strip()
    is_word = len(value) <= _LONGEST_WORD and not any(letter.isdigit() for letter in value)
    if len(value) < (_SHORTEST_WORD if is_word else _SHORTEST) or value in _secrets:
        return
    written = "|".join(re.escape(spelling) for spelling in sorted({value, quote(value, safe="")}))
    _secrets[value] = re.compile(rf"(?<![\w-])(?:{written})(?![\w-])" if is_word else written)


def is_secret(name: str) -> bool:
    """Return whether a setting or variable called `name` holds a secret."""
    return _SECRET_SETTING.search(name) is not None


@cache
def _compiled_rules() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the rules; compiling them takes milliseconds, which many commands needn't spend."""
    return tuple((re.compile(pattern, re.IGNORECASE), hidden) for pattern, hidden in _RULES)


def redact(text: str) -> str:
    """Return `text` with everything that looks like a secret replaced.

    >>> redact("GET https://me:pw@host/v1?token=abc Authorization: Bearer sk-1234567890")
    'GET https://***@host/v1?token=*** Authorization: ***'
    """
    for secret in tuple(_secrets.values()):
        text = secret.sub(HIDDEN, text)
    for pattern, hidden in _compiled_rules():
        text = pattern.sub(hidden, text)
    return text


def redact_setting(name: str, value: str) -> str:
    """Return the value of a setting for display; for a secret setting, only whether it is set."""
    return (HIDDEN if value else "") if is_secret(name) else redact(value)
