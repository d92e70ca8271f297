"""From the log of a dead engine to the error that names its cause, and what to do about it.

Engines wrap the cause in several processes and exceptions; the innermost one is what counts, never the wrapper
("Engine core initialization failed"). Failures that are known by their words (`app.causes`) have their own text; any
other is shown as the engine said it, with the last lines of its log that mean something.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.causes import known_cause
from app.errors import EngineError
from app.redaction import masked

_PREFIX = re.compile(r"^\([^()]*pid=\d+\) ?(?:[A-Z]+ \d\d-\d\d [\d:]+ \[[\w./]+:\d+\] ?)?")
_EXCEPTION = re.compile(r"(?:\w+\.)*[A-Z]\w*(?:: .*)?")
_WRAPPERS = (
    "Engine core initialization failed",
    "WorkerProc initialization failed",
    "EngineDeadError",
    "Executor failed",
    "EngineCore failed to start",
)
_HANDLING = "During handling of the above exception"
_KILLED = re.compile(r"engine core exited unexpectedly|died unexpectedly|Failed core proc\(s\): \{[^}]*-9\b")
_READY = "Application startup complete"
_FATAL = "EngineCore encountered a fatal error"
_LAST_LINES = 100
_LONGEST_LINE = 300
_FRAME = re.compile(
    r" {2}File \"| {4}|Traceback |Process \w+:$|\W*[▀▄█]|The above exception|During handling|\[shutdown\]"
)
_COMPLAINT = re.compile(
    r"(?:^|\) )(?:ERROR|CRITICAL)\b|^(?:\w+\.)*[A-Z]\w*(?:Error|Exception)\b|: error: "
    r"|^ *(?:Value error|Assertion failed),"
)


def diagnose(log: str, exit_status: int, *, model: str, was_ready: bool = False) -> EngineError:
    """The error for an engine that ended with `exit_status` (128 + n for signal n) and left `log`.

    `was_ready` tells an engine that died while it served from one that never came up; of its log only the end counts,
    since requests that failed long before may have left their exceptions there.
    """
    lines = [_PREFIX.sub("", line) for line in log.splitlines()]
    if was_ready:
        fatal = next((number for number, line in enumerate(lines) if _FATAL in line), len(lines) - _LAST_LINES)
        lines = lines[max(0, fatal) :]
    text = "\n".join(lines)
    if (known := known_cause(text, model)) is not None:
        return known
    cause = _root_cause(lines)
    if exit_status == 128 + 9 or (cause is None and _KILLED.search(text)):
        return EngineError("engine_killed", model=model)
    said = "\n".join(f"  {line}" for line in meaningful_lines(log)) or "  –"
    if cause is None:
        key = "engine_died" if was_ready else "engine_silent"
        return EngineError(key, model=model, status=exit_status, lines=said)
    return EngineError("engine_crashed" if was_ready else "engine_failed", model=model, cause=masked(cause), lines=said)


def failure_in(log: str, *, model: str) -> EngineError | None:
    """What went wrong by a whole log alone, without knowing how its engine ended; None where the log has no failure."""
    was_ready = _READY in log
    if was_ready and _FATAL not in log:
        return None
    error = diagnose(log, 1, model=model, was_ready=was_ready)
    return None if error.key in ("engine_silent", "engine_died") else error


def meaningful_lines(log: str, most: int = 6) -> tuple[str, ...]:
    """The last lines of `log` that tell a reader something, without secrets, each at most 300 characters long.

    Left out are the frames of tracebacks, wrappers, pictures made of letters, repetitions, and what is said while an
    engine is being ended. What complains goes before what only informs: where there is any, that alone is shown.
    """
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith("$ ")]
    plain = [(_PREFIX.sub("", line), bool(_COMPLAINT.search(line))) for line in lines]
    telling = [(text, complains) for text, complains in plain if not _means_nothing(text)]
    shown = [text for text, complains in telling if complains] or [text for text, _ in telling]
    return tuple(masked(text.strip())[:_LONGEST_LINE] for text in list(dict.fromkeys(shown))[-most:])


def _means_nothing(text: str) -> bool:
    return bool(_FRAME.match(text)) or not re.search(r"\w{2}", text) or any(wrapper in text for wrapper in _WRAPPERS)


def _root_cause(lines: list[str]) -> str | None:
    """The first exception that is no wrapper; causes are printed before what they led to."""
    return next((text for text in _exceptions(lines) if not any(wrapper in text for wrapper in _WRAPPERS)), None)


def _exceptions(lines: list[str]) -> Iterator[str]:
    """What ends each traceback, and what a command line parser complains of.

    An exception that was being handled when another was raised is left out: the other one was written for people.
    """
    in_traceback = False
    for number, line in enumerate(lines):
        if line.startswith("Traceback (most recent call last)"):
            in_traceback = True
        elif in_traceback and _EXCEPTION.fullmatch(line):
            in_traceback = False
            following = next((text for text in lines[number + 1 :] if text and not text[0].isspace()), "")
            if not following.startswith(_HANDLING):
                yield _message(line, lines[number + 1 : number + 3])
        elif ": error: " in line:
            yield line.strip()


def _message(line: str, following: list[str]) -> str:
    """The exception's line; for pydantic's, which only counts its errors there, the first of them."""
    if re.search(r"\d+ validation errors? for ", line):
        said = next((text.strip() for text in following if text.strip().startswith(("Value error", "Assertion"))), "")
        said = said or " ".join(text.strip() for text in following)
        return re.sub(r"^Value error, | \[type=.*", "", said)
    return line.strip()
