"""Links to videos: where a video was fetched from, and which addresses may be fetched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

SCHEMES = ("http", "https")
_SIGNED = re.compile(
    r"(?:^|[-_])(?:sig|sign|signature|token|auth|authorization|credentials?|policy|key|key-pair-id|expires?|secret|"
    r"password|passwd|pwd|session|hmac|jwt)(?:$|[-_])|^x-(?:amz|goog|oss|cos|ms)-|^(?:accesskey|awsaccesskey|ossaccess)|"
    r"(?:access|secret|api)_?key|token$|signature$",
    re.IGNORECASE,
)
"""Names of query parameters that hold a signature, a key, or how long it is valid."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Link:
    """Where a video was fetched from.

    Attributes:
        url: The address, without what signs it.
        title: The title that its page gives, "" for a file.
        uploader: Who put it there, as its page says, "" if it doesn't.
        retrieved: When it was fetched, in UTC as ISO 8601.
    """

    url: str
    title: str = ""
    uploader: str = ""
    retrieved: str = ""


@dataclass(frozen=True)
class SourceSettings:
    """What may be fetched from addresses, or sent to them.

    Attributes:
        urls: Beginnings of the addresses from which others than the operator may have videos fetched.
        private_networks: Networks that are not public and may be reached all the same.
        most_bytes: Largest video.
        most_seconds: Longest time to fetch a video.
    """

    urls: tuple[str, ...] = ()
    private_networks: tuple[str, ...] = ()
    most_bytes: int = 20 * 1000**3
    most_seconds: float = 3600.0


_WITHOUT_SCHEME = re.compile(r"(?:\[[\da-f:.]+\]|[\w.-]*\w)(?::\d+)?/[^\s/]", re.IGNORECASE)
"""A host, its port and the beginning of a path."""
_NEAR = re.compile(r"(?:\[|[\d.]+[:/]|[^.]+[:/]|[\w.-]+\.(?:local|lan|internal|home\.arpa)[:/])", re.IGNORECASE)
"""A host of the own network, which rarely has a certificate: an address, a name without a dot, or a local name."""


def with_scheme(text: str) -> str:
    """Return an address that was typed without its scheme as browsers complete it; other texts are unchanged.

    >>> with_scheme("www.example.org"), with_scheme("example.org/a.mp4"), with_scheme("192.168.1.5:81/a.mp4")
    ('https://www.example.org', 'https://example.org/a.mp4', 'http://192.168.1.5:81/a.mp4')
    >>> with_scheme("file:///a.mp4"), with_scheme("a.mp4")
    ('file:///a.mp4', 'a.mp4')
    """
    typed = text.strip()
    if "://" in typed or not (typed.lower().startswith("www.") or _WITHOUT_SCHEME.match(typed)):
        return text
    return f"{'http' if _NEAR.match(typed) else 'https'}://{typed}"


def is_link(text: str) -> bool:
    """Return whether a text that a user typed is a link to a video, and not a path."""
    return text.strip().partition("://")[0].lower() in SCHEMES


def typed_link(text: str) -> str:
    """Return the address that a user typed in ASCII, without the part that only a browser uses.

    >>> typed_link(" https://例子.example/视频 1.mp4#t=3 ")
    'https://xn--fsqu00a.example/%E8%A7%86%E9%A2%91%201.mp4'
    """
    scheme, separator, rest = text.strip().partition("://")
    if _CONTROL.search(rest):  # which `urlsplit` leaves out; the fetch refuses it
        return text.strip()
    try:
        parts = urlsplit(f"{scheme.lower()}{separator}{rest}")
        if not parts.netloc:
            return text.strip()
        name, colon, port = parts.netloc.partition(":")
        host = parts.netloc if name.isascii() else f"{name.encode('idna').decode()}{colon}{port}"
    except (UnicodeError, ValueError):  # the fetch says what is wrong
        return text.strip()
    path, query = (quote(part, safe="/%:@!$&'()*+,;=-._~?[]") for part in (parts.path, parts.query))
    return urlunsplit((parts.scheme, host, path, query, ""))


def unsigned(url: str) -> str:
    """Return an address without what signs it: the same for each new signature, and safe to show.

    >>> unsigned("https://host/a.mp4?id=7&X-Amz-Signature=ab&token=c")
    'https://host/a.mp4?id=7'
    """
    parts = urlsplit(url)
    parameters = [
        parameter
        for parameter in parts.query.split("&")
        if parameter and not _SIGNED.search(parameter.partition("=")[0])
    ]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "&".join(parameters), ""))


def media_type(headers: Mapping[str, str]) -> str:
    """Return the type of a body by its headers, in small letters and without parameters; "" if they don't say it."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()
