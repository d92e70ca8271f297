"""Short requests to engines, hubs and clusters, whose answer is text or JSON: no retries, no streaming.

Redirects to another origin are not followed, since the API key is meant for this origin only. The client is imported by
the first request, so that commands without requests start without httpx.
"""

from __future__ import annotations

from collections.abc import Mapping

from framelens.core.errors import ConfigError, EngineError
from framelens.core.redaction import redact
from framelens.llm.refusals import read_json

_MOST_QUOTED = 20_000
"""Characters kept of an unusable answer."""


class NoAnswer(Exception):
    """A request without a usable answer.

    Attributes:
        status: HTTP status, or None without a connection or an answer in time.
        redirect: Address on another origin that the answer redirected to, "" without a redirect.
        body: Beginning of the answer's text.
        headers: Headers of a refusal.
    """

    def __init__(
        self,
        reason: str,
        status: int | None = None,
        *,
        redirect: str = "",
        body: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(redact(reason))
        self.status = status
        self.body, self.headers = body[:_MOST_QUOTED], headers or {}
        self.redirect = redact(redirect)


def get_json(url: str, *, api_key: str = "", timeout_seconds: float = 5.0, sent: object = None) -> object:
    """Get and parse the JSON at `url`, or the answer to the JSON that is sent there.

    Args:
        url: Address.
        api_key: Sent as a bearer token; "" sends no token.
        timeout_seconds: Bounds each wait for the server; the whole answer may take twice as long.
        sent: JSON to post.

    Returns:
        The parsed JSON, None for an empty body.

    Raises:
        NoAnswer: No connection, a status other than 2xx, or a body that is too slow, too long, compressed or no JSON.
    """
    return _parse_json(_body("GET" if sent is None else "POST", url, api_key, timeout_seconds, sent))


def get_text(url: str, *, api_key: str = "", timeout_seconds: float = 5.0) -> str:
    """Get the text at `url`; the arguments are the same as for `get_json`.

    Raises:
        NoAnswer: No connection, a status other than 2xx, or a body that is too slow, too long or compressed.
    """
    return _body("GET", url, api_key, timeout_seconds).decode(errors="replace")


def _parse_json(body: bytes) -> object:
    parsed = read_json(body)
    if parsed is None and body:
        raise NoAnswer("the answer is not JSON", 200, body=body.decode(errors="replace"))
    return parsed


def _body(method: str, url: str, api_key: str, timeout_seconds: float, sent: object = None) -> bytes:
    import httpx

    from framelens.http_client import reason_of, short_request

    try:
        response = short_request(url, method, url, api_key=api_key, timeout_seconds=timeout_seconds, body=sent)
    except ConfigError as error:
        raise NoAnswer(str(error)) from error
    except EngineError as error:
        is_slow = error.key == "engine_answer_slow"
        reason = f"the answer took longer than {2 * timeout_seconds:g} s" if is_slow else f"unusable answer: {error}"
        raise NoAnswer(reason, None if is_slow else 200) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(reason_of(error)) from error
    if response.is_success:
        return response.content
    reason = f"HTTP {response.status_code} {response.reason_phrase}"
    if response.next_request:
        target = str(response.next_request.url)
        raise NoAnswer(f"{reason} redirects to {target}", response.status_code, redirect=target)
    raise NoAnswer(reason, response.status_code, body=response.text, headers=dict(response.headers))
