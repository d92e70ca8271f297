"""Signed addresses of objects in S3 (AWS Signature Version 4 in the query), for one GET request.

An object is then fetched like any other file, with the same limits. This needs two hashes a request, which is why no
client library is used.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from framelens.core.links import S3Access

_VALID_SECONDS = 900
"""A request begins within this time; the transfer may take longer."""
_ALGORITHM = "AWS4-HMAC-SHA256"


def presigned_url(url: str, access: S3Access, *, now: datetime | None = None, seconds: int = _VALID_SECONDS) -> str:
    """Return an HTTP address of the object `s3://BUCKET/KEY`, signed if there is a key.

    Args:
        url: The object.
        access: Server, region and key.
        now: Time of the signature, by default the current time.
        seconds: How long the signature is valid.
    """
    parts = urlsplit(url)
    base, path = _place(parts.netloc, quote(unquote(parts.path), safe="/-_.~"), access)
    if not access.access_key:
        return base + path
    time = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{time[:8]}/{access.region}/s3/aws4_request"
    query = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{access.access_key}/{scope}",
        "X-Amz-Date": time,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    if access.session_token:
        query["X-Amz-Security-Token"] = access.session_token
    encoded = "&".join(f"{name}={quote(query[name], safe='-_.~')}" for name in sorted(query))
    host = _sent_host(base)
    canonical = "\n".join(("GET", path, encoded, f"host:{host}", "", "host", "UNSIGNED-PAYLOAD"))
    text = "\n".join((_ALGORITHM, time, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{access.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return f"{base}{path}?{encoded}&X-Amz-Signature={signature}"


def _sent_host(base: str) -> str:
    """Return the header "Host" of a request to this address: in small letters, without the scheme's own port."""
    parts = urlsplit(base)
    usual = ":443" if parts.scheme == "https" else ":80"
    return parts.netloc.lower().removesuffix(usual)


def _place(bucket: str, path: str, access: S3Access) -> tuple[str, str]:
    """Return the scheme with the host, and the path, which has the bucket if an endpoint is set.

    Otherwise the bucket is in the host, unless its name has a dot: AWS's certificate doesn't cover such hosts.
    """
    if access.endpoint:
        return access.endpoint, f"/{bucket}{path}"
    host = "s3.amazonaws.com" if access.region == "us-east-1" else f"s3.{access.region}.amazonaws.com"
    return (f"https://{host}", f"/{bucket}{path}") if "." in bucket else (f"https://{bucket}.{host}", path)
