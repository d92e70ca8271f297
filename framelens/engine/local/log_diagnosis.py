"""Diagnosis of a dead engine from its log: the error with its cause and remedy.

Engines wrap the cause in several processes and exceptions; the innermost exception counts, not the wrapper ("Engine
core initialization failed"). Known failure patterns (`core.failures.failure_patterns`) have their own text; any other
failure is shown in the engine's words, with the last meaningful lines of its log.
"""

import re
from collections.abc import Iterator

from framelens.core.errors import EngineError
from framelens.core.redaction import redact
from framelens.llm.failure_patterns import match_failure

_LOGGED = r"[A-Z]+ \d\d-\d\d [\d:]+ \[?[\w./]+:\d+\] ?"
_PREFIX = re.compile(rf"^(?:\([^()]*pid=\d+\) ?(?:{_LOGGED})?|{_LOGGED})")
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
"""Characters of a line that are kept."""
_FRAME = re.compile(
    r" {2}File \"| {4}|Traceback |Process \w+:$|\W*[▀▄█]|The above exception|During handling|\[shutdown\]"
)
_ERROR_LINE = re.compile(
    r"(?:^|\) )(?:ERROR|CRITICAL)\b|^(?:\w+\.)*[A-Z]\w*(?:Error|Exception)\b|: error: "
    r"|^ *(?:Value error|Assertion failed),"
)


def diagnose(log: str, exit_status: int, *, model: str, was_ready: bool = False) -> EngineError:
    """Build the error for an engine that has ended.

    Args:
        log: Its log.
        exit_status: 128 + n for signal n.
        model: Display name of the model.
        was_ready: Whether it had been serving. Then only the end of the log counts, since earlier failed requests may
            have left their exceptions in it.
    """
    lines = [_PREFIX.sub("", line) for line in log.splitlines()]
    if was_ready:
        fatal = next((number for number, line in enumerate(lines) if _FATAL in line), len(lines) - _LAST_LINES)
        lines = lines[max(0, fatal) :]
    text = "\n".join(lines)
    if (failure := match_failure(text, model)) is not None:
        return failure
    cause = _root_cause(lines)
    if exit_status == 128 + 9 or (cause is None and _KILLED.search(text)):
        return EngineError("engine_killed", model=model)
    log_lines = "\n".join(f"  {line}" for line in meaningful_lines(log)) or "  –"
    if cause is None:
        key = "engine_died" if was_ready else "engine_silent"
        return EngineError(key, model=model, status=exit_status, lines=log_lines)
    return EngineError(
        "engine_crashed" if was_ready else "engine_failed", model=model, cause=redact(cause), lines=log_lines
    )


def failure_in(log: str, *, model: str) -> EngineError | None:
    """Return the failure in a complete log without an exit status, or None if the log shows no failure."""
    was_ready = _READY in log
    if was_ready and _FATAL not in log:
        return None
    error = diagnose(log, 1, model=model, was_ready=was_ready)
    return None if error.key in ("engine_silent", "engine_died") else error


def meaningful_lines(log: str, max_lines: int = 6) -> tuple[str, ...]:
    """List the last meaningful lines of `log` with secrets redacted, each at most 300 characters long.

    Traceback frames, wrappers, ASCII art, repetitions and shutdown messages are left out. If any line is an error, only
    errors are listed.
    """
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith("$ ")]
    plain = [(_PREFIX.sub("", line), bool(_ERROR_LINE.search(line))) for line in lines]
    meaningful = [(text, is_error) for text, is_error in plain if not _is_noise(text)]
    shown = [text for text, is_error in meaningful if is_error] or [text for text, _ in meaningful]
    return tuple(redact(text.strip())[:_LONGEST_LINE] for text in list(dict.fromkeys(shown))[-max_lines:])


def _is_noise(text: str) -> bool:
    return bool(_FRAME.match(text)) or not re.search(r"\w{2}", text) or any(wrapper in text for wrapper in _WRAPPERS)


def _root_cause(lines: list[str]) -> str | None:
    """Return the first exception that is not a wrapper; causes are printed before their effects."""
    return next((text for text in _exceptions(lines) if not any(wrapper in text for wrapper in _WRAPPERS)), None)


def _exceptions(lines: list[str]) -> Iterator[str]:
    """Yield the exception line of each traceback, and errors of a command-line parser.

    An exception during whose handling another was raised is left out: the other exception was written for users.
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
    """Return the exception's line; for a pydantic error, whose line only counts errors, the first of them."""
    if re.search(r"\d+ validation errors? for ", line):
        reason = next((text.strip() for text in following if text.strip().startswith(("Value error", "Assertion"))), "")
        reason = reason or " ".join(text.strip() for text in following)
        return re.sub(r"^Value error, | \[type=.*", "", reason)
    if line.rstrip().endswith(":"):  # the words begin on the next line
        return " ".join(text.strip() for text in (line, *following) if text.strip())
    return line.strip()
