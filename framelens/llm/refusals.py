"""Refusals of engines: what an answer that is no answer means, whatever its status and shape.

An engine, or a gateway or proxy before it, refuses in an HTTP answer or in an event of a stream, as JSON of many
shapes, as JSON within a string, as a page of HTML or as plain text. The messages in it are collected, and
`refusal_wordings` finds their meaning; without one, the status decides. Messages are passed on as they came, without
markup, control characters and secrets, with the status that was sent.

Only PicturesRefused leads to the text prompt. A dead engine, a timeout or a full context never does.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from html import unescape

from framelens.core import errors
from framelens.core.codec import valid_escapes
from framelens.core.redaction import redact
from framelens.core.units import retry_after
from framelens.llm.dialects import Meaning
from framelens.llm.failure_patterns import match_failure
from framelens.llm.refusal_wordings import match_parameter, match_refusal, refuses_roles, share_allowed

SYSTEM_ROLE = "system role"
"""Name of the system role among the parameters of a request."""
_REDIRECTS = (301, 302, 303, 307, 308)
_FAULTY = (400, 404, 413, 422, 501)
"""Statuses that put the fault on the request."""
_UNFORMED = (400, 422, 501)
"""Those with which a message of no known meaning may be about the schema."""
_STATUS_MEANINGS: Mapping[int, Meaning] = {
    401: "key", 402: "quota", 403: "key", 404: "path", 405: "path", 413: "bytes", 414: "bytes",
    **dict.fromkeys((429, 503, 529), "busy"), **dict.fromkeys((502, 520, 521, 522, 523, 525, 526, 530), "gateway"),
    407: "gateway", 511: "gateway",
    **dict.fromkeys((408, 504, 524), "timeout"), 451: "place",
}  # fmt: skip
"""520 … 530 are Cloudflare's."""
_OF_PROXIES = (407, 511)
"""Statuses of a proxy or a network that asks for a login of its own; the message is about no key of the engine."""
_NAMES_MODEL = re.compile(r"model|deployment|模型", re.IGNORECASE)
_UNLOCKED: Mapping[int, tuple[Meaning, ...]] = {
    401: ("quota", "filter", "pictures", "bytes", "model"),
    403: ("quota", "filter", "pictures", "bytes", "model", "busy", "place"),
}  # fmt: skip
"""Meanings of messages with these statuses; other messages there are about the key."""
_TEXT_KEYS = ("error", "err", "message", "detail", "msg", "errormsg", "errmsg", "errormessage", "statusmessage",
              "reason", "description", "errordescription", "details", "statusmsg", "errors", "baseresp", "metadata",
              "cause", "innererror", "raw", "data", "choices")  # fmt: skip
"""Keys under which servers put their messages, folded, the most specific last."""
_MESSAGE_KEYS = ("message", "detail", "msg", "errors", "err", "errormsg", "errmsg", "errormessage", "errordescription",
              "statusmessage")  # fmt: skip
"""Keys with the message of a refusal without "error" in it; an answer has no such key next to its choices."""
_LABEL_KEYS = ("type", "code", "errorcode", "status", "statuscode")
_DEEPEST, _MOST_ITEMS, _MOST_TEXTS = 6, 5, 20
_LONGEST, _MOST_READ = 500, 20_000
"""Characters of a message that are shown, and that are searched."""
_HIDDEN_HTML = re.compile(r"<(head|script|style|svg)\b.*?</\1\s*>|<!--.*?-->|<!doctype[^>]*>", re.DOTALL | re.I)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_IS_HTML = re.compile(r"<(?:!doctype|html|head|body|title|h1|center)\b", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")
_ERROR_ANSWER = re.compile(
    r"\W*(?:\w+ )?(?:error|exception|错误|出错|请求失败)\b[^\n:：\]]{0,12}(?:[:：\]]|, status code)", re.IGNORECASE
)
_FAILED_ANSWER = re.compile(r"\W*(?:\w+ ){0,2}(?:error|exception|failed|错误|出错|失败)\b", re.IGNORECASE)
_SIZES = frozenset({"context", "bytes", "picture_count", "single_picture"})
"""Meanings about the size of a request, which text in a picture hardly has."""
_FAILED_DEPENDENCY = 424
"""With it, Text Generation Inference reports that the model failed."""
_BARE_NUMBER = re.compile(r"^\d+$", re.MULTILINE)
"""A code next to a message."""
_WAIT = re.compile(r"(?:again|retry) (?:in|after)((?: ?\d+(?:\.\d+)? ?(?:ms|millis\w*|h|m|s)[a-z]*,?)+)", re.IGNORECASE)
_WAIT_PART = re.compile(r"(\d+(?:\.\d+)?) ?(ms|millis|h|m|s)", re.IGNORECASE)
_UNIT_SECONDS = {"ms": 0.001, "millis": 0.001, "h": 3600.0, "m": 60.0, "s": 1.0}


_KEYS: Mapping[Meaning, str] = {
    "key": "engine_key_rejected", "quota": "engine_no_credit", "filter": "engine_filtered", "tools": "engine_no_tools",
    "path": "engine_path_unknown", "place": "engine_not_allowed", "template": "engine_no_template",
}  # fmt: skip


def refused(status: int, headers: Mapping[str, str], text: str, *, model: str = "") -> errors.AppError:
    """Map an HTTP answer that is a refusal to an error.

    Args:
        status: HTTP status, which may be 200.
        headers: For redirects and Retry-After.
        text: Body.
        model: Name of the model that got the request; with it, known failure patterns are recognized.
    """
    if status in _REDIRECTS and (target := headers.get("Location")):
        return errors.EngineError("engine_redirects", status=status, target=redact(target)[:_LONGEST])
    error = _error_of(_Refusal(status, _body(text)), model)
    if isinstance(error, errors.EngineBusy):
        seconds = _wait_of(headers)
        error.wait_seconds = error.wait_seconds if seconds is None else seconds
    elif error.key == "engine_no_credit" and headers.get("Retry-After"):  # a limit a minute in the same words
        return errors.EngineBusy("engine_busy", wait_seconds=_wait_of(headers), **dict(error.values))
    return error


def refused_in_stream(data: object, *, model: str = "") -> errors.AppError:
    """Map an event of a stream that is a refusal to an error; the status of such an answer is 200."""
    return _error_of(_Refusal(200, data), model)


def refused_in_answer(text: str, *, has_failed: bool = False) -> errors.AppError | None:
    """Map an answer that consists of an error's message, as some gateways send it; None for other answers.

    Args:
        text: The answer.
        has_failed: The reason for the answer's end is an error; otherwise only messages about a size are believed.
    """
    if len(text) > _LONGEST or not (_FAILED_ANSWER if has_failed else _ERROR_ANSWER).match(text):
        return None
    is_believed = has_failed or match_refusal(text, is_faulty=True)[0] in _SIZES
    return refused_in_stream(text) if is_believed else None


def refused_parameter(status: int, body: object, sent: Collection[str]) -> tuple[str, str] | None:
    """Return the parameter that an HTTP answer or, with status 200, a stream refuses, as `match_parameter` does.

    Args:
        status: HTTP status.
        body: Text of the answer, or what the client has read of an event.
        sent: Names of the request's parameters; with SYSTEM_ROLE if its messages have other turns than those of a user
            and an assistant. That may be what an engine fails on that says nothing.
    """
    refusal = _Refusal(status, _body(body) if isinstance(body, str) else body)
    if SYSTEM_ROLE in sent and refusal.meant_status in (200, 500, *_FAULTY):
        is_mute = refusal.meant_status == 500 and not refusal.message
        if is_mute or refuses_roles(refusal.searched):
            return SYSTEM_ROLE, ""
    return match_parameter(refusal.searched, sent) if refusal.meant_status in (200, *_FAULTY) else None


def is_refusal(value: object) -> bool:
    """Return whether the JSON of an answer with status 200, or of an event, is a refusal rather than an answer."""
    if isinstance(value, list):  # Google's
        return any(map(is_refusal, value))
    if not isinstance(value, dict):
        return False
    value = _with_plain_keys(value)
    choices = value.get("choices")
    inner = choices if isinstance(choices, list) else []  # OpenRouter puts the error of a provider there
    if value.get("object") == "error" or any(isinstance(part, dict) and part.get("error") for part in (value, *inner)):
        return True
    response = value.get("baseresp")  # MiniMax's, which is also in answers
    messages = (value.get(key) for key in _MESSAGE_KEYS)
    has_message = value.get("code") != 0 and any(isinstance(text, str | list) and text for text in messages)
    return not choices and (has_message or bool(isinstance(response, dict) and response.get("status_code")))


def may_be_dying(error: errors.AppError) -> bool:
    """Return whether an engine that ends gives such an error; some still answer while they do."""
    status = error.values.get("status")
    is_server_error = error.key == "engine_refused" and isinstance(status, int) and not 300 <= status < 500
    return is_server_error or isinstance(error, errors.EngineBrokeOff | errors.EngineTimeout)


def message_in(text: str) -> str:
    """Return the message in the body of a refusal, cleaned and shortened; "" without one."""
    return _Refusal(0, _body(text)).message


def is_page(text: str) -> bool:
    """Return whether a body is a web page, such as the page of a proxy, a login or a firewall."""
    return read_json(text[:_MOST_READ]) is None and bool(_IS_HTML.search(text[:_MOST_READ]))


def _wait_of(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by the headers; OpenAI and Azure send milliseconds besides the standard's seconds."""
    exact = retry_after(headers.get("Retry-After-Ms"))
    return retry_after(headers.get("Retry-After")) if exact is None else exact / 1000


def read_json(text: str | bytes) -> object:
    """Parse what an engine sent as JSON; None if it isn't JSON, such as the page of a proxy.

    Line breaks and tabs in strings may lack their escapes.
    """
    text = text if isinstance(text, str) else text.decode("utf-8-sig", errors="replace")
    try:
        return json.loads(valid_escapes(text), strict=False)
    except (ValueError, RecursionError):  # the latter: nested too deeply
        return None


def _body(text: str) -> object:
    parsed = read_json(text[:_MOST_READ])
    return text[:_MOST_READ] if parsed is None else parsed


class _Refusal:
    """What an engine says that refuses to answer.

    Attributes:
        status: HTTP status that was sent.
        meant_status: Status that decides where the message doesn't: with HTTP 200, the status within the answer.
        message: Its messages, cleaned and shortened.
        searched: Its messages with the names of errors and the numbers next to them.
    """

    def __init__(self, status: int, body: object) -> None:
        messages = list(dict.fromkeys(filter(None, _messages(body))))
        elsewhere = [] if messages else list(map(_clean, _texts(body)))
        # A server quotes another server's message in its own.
        quoted = [text for text in messages if not any(text != other and text in other for other in messages)]
        self.status = status
        self.message = redact(": ".join(quoted))[:_LONGEST].strip()
        self.searched = "\n".join([*quoted, *elsewhere, *_labels(body)])[:_MOST_READ]
        code = next(
            (int(label) for label in _labels(body) if label.isdecimal() and 400 <= int(label[:9]) < 600), status
        )
        self.meant_status = code if status == 200 else status
        if self.message and str(self.meant_status) not in self.message and self.meant_status != status:
            self.message += f" ({self.meant_status})"
        if not self.message and body not in (None, ""):
            self.message = redact(_clean(json.dumps(body, ensure_ascii=False)))[:_LONGEST]


def _messages(value: object, depth: int = 0) -> Iterator[str]:
    """Yield the messages in the body of a refusal: in its texts, lists and objects, and in JSON within a string."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        inner = read_json(value) if value.lstrip()[:1] in ("{", "[") else None
        if inner is None:
            yield _clean(value)
        else:
            yield from _messages(inner, depth + 1)
    elif isinstance(value, list):
        for item in value[:_MOST_ITEMS]:
            yield from _messages(item, depth + 1)
    elif isinstance(value, dict):
        location = value.get("loc")  # of a field that FastAPI refuses; its value isn't shown
        prefix = ".".join(map(str, location)) + ": " if isinstance(location, list) else ""
        texts = _with_plain_keys(value)
        for key in _TEXT_KEYS:
            yield from (prefix + text for text in _messages(texts.get(key), depth + 1))


def _with_plain_keys(value: Mapping[str, object]) -> dict[str, object]:
    """Return an object with keys in one spelling: "error_message", "errorMessage" and "ErrorMessage" are the same."""
    return {key.replace("_", "").lower(): field for key, field in value.items()}


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    """Yield the texts of a refusal whose message is under a key that isn't known."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict) and depth <= _DEEPEST:
        for item in list(value.values() if isinstance(value, dict) else value)[:_MOST_TEXTS]:
            yield from _texts(item, depth + 1)


def _labels(value: object, depth: int = 0) -> Iterator[str]:
    """Yield the names and numbers next to the messages, such as "context_length_exceeded"."""
    if isinstance(value, str):
        value = read_json(value) if value.lstrip()[:1] in ("{", "[") else None
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for item in value[:_MOST_ITEMS]:
            yield from _labels(item, depth + 1)
    if not isinstance(value, dict):
        return
    labels = _with_plain_keys(value)
    for key in _LABEL_KEYS:
        if isinstance(label := labels.get(key), str | int):
            yield str(label)
    if value.get("param") == "input_tokens" or "n_prompt_tokens" in value:
        yield f"input tokens exceed: {value.get('n_prompt_tokens', '')} > {value.get('n_ctx', '')}"
    for key in _TEXT_KEYS:
        yield from _labels(labels.get(key), depth + 1)


def _clean(text: str) -> str:
    """Return a text on a single line, without markup and characters that aren't printed."""
    text = text[:_MOST_READ]
    if _IS_HTML.search(text):
        shown = unescape(_TAG.sub(" ", _HIDDEN_HTML.sub(" ", text)))
        title = _TITLE.search(text)
        text = shown if shown.strip() else unescape(title[1]) if title else ""
    return _UNPRINTABLE.sub(" ", text).strip()


def _error_of(refusal: _Refusal, model: str) -> errors.AppError:
    status = refusal.meant_status
    meaning, limit = match_refusal(refusal.searched, is_faulty=status in _FAULTY)
    if meaning is None or status in _OF_PROXIES or (status in _UNLOCKED and meaning not in _UNLOCKED[status]):
        meaning = _STATUS_MEANINGS.get(status)
    if meaning == "path" and _NAMES_MODEL.search(refusal.message):
        meaning = "model"
    broke_down = not 300 <= status < 500 or status == _FAILED_DEPENDENCY
    failure = match_failure(refusal.searched, model) if model and broke_down and meaning in (None, "crash") else None
    return failure or _error(meaning, limit, refusal)


def _error(meaning: Meaning | None, limit: int | None, refusal: _Refusal) -> errors.AppError:
    reason, share = refusal.message or f"HTTP {refusal.status}", share_allowed(_BARE_NUMBER.sub("", refusal.searched))
    values = {"status": refusal.status, "reason": reason}
    match meaning:
        case "pictures":
            return errors.PicturesRefused("pictures_refused", reason=reason)
        case "picture_count" if limit == 0:
            return errors.PicturesRefused("pictures_refused", reason=reason)
        case "single_picture":
            return errors.TooManyPictures(1)
        case "picture_count" if limit:
            return errors.TooManyPictures(limit)
        case "picture_count" | "bytes":
            return errors.RequestTooLarge("request_too_large", share=share, **values)
        case "context":
            return errors.ContextExceeded(
                "context_exceeded", share=share, status=refusal.status, reason=reason.rstrip(" .")
            )
        case "image":
            return errors.ImageRejected("image_rejected", reason=reason.rstrip(" ."))
        case "picture_shape":
            return errors.ImageRejected("picture_too_narrow", **values)
        case "picture_size":
            return errors.ImageRejected("picture_too_large", **values)
        case "busy":
            return errors.EngineBusy("engine_busy", wait_seconds=_wait_in(reason), **values)
        case "model":
            return errors.ModelNotFound("model_not_served", reason=reason.rstrip(" ."))
        case "format":
            return errors.FormatRefused("engine_refused", **values)
        case "gateway":
            return errors.EngineBrokeOff("engine_gateway", **values)
        case "timeout":
            return errors.EngineTimeout("engine_gateway_timeout", **values)
        case "quota" if (wait := _wait_in(reason)) is not None:  # a limit a minute in the same words
            return errors.EngineBusy("engine_busy", wait_seconds=wait, **values)
        case "crash":
            return errors.EngineBrokeOff("engine_model_ended", **values)
        case "key" | "quota" | "filter" | "tools" | "path" | "place" | "template":
            return errors.EngineError(_KEYS[meaning], **values)
        case None if refusal.meant_status in _UNFORMED:
            return errors.FormatRefused("engine_refused", **values)
        case _:
            return errors.EngineError("engine_refused", **values)


def _wait_in(message: str) -> float | None:
    """Return the seconds after which a message asks to try again, such as "in 1m2.5s" or "in 120ms"."""
    match = _WAIT.search(message)
    parts = _WAIT_PART.findall(match[1]) if match else []
    return sum(float(count) * _UNIT_SECONDS[unit.lower()] for count, unit in parts) if parts else None
