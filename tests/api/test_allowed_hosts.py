"""Which Host and Origin are let in, by how the server is opened."""

from __future__ import annotations

import socket

import pytest
from starlette.datastructures import Headers

from app.api import AllowedHosts, content_policy
from app.core.errors import InputError

LOCAL = AllowedHosts.for_server("127.0.0.1")
OPEN = AllowedHosts.for_server("0.0.0.0")
NAMED = AllowedHosts.for_server("127.0.0.1", public_name="frames.example.org", public_port=8443)
LISTED = AllowedHosts.for_server("::1", more_names=["*.lab.example"], more_origins=["https://portal.example/"])


def is_let_in(allowed: AllowedHosts, host: str, origin: str | None = None) -> bool:
    headers = {"host": host} if origin is None else {"host": host, "origin": origin}
    try:
        allowed.check(Headers(headers))
    except InputError as error:
        assert error.key in ("route_host", "route_origin")
        return False
    return True


@pytest.mark.parametrize(
    ("allowed", "host", "origin"),
    [
        (LOCAL, "localhost:8501", "http://localhost:8501"),
        (LOCAL, "LocalHost.:8501", None),
        (LOCAL, "127.0.0.1:8501", "http://127.0.0.1:8501"),
        (LOCAL, "[::1]:8501", "http://[::1]:8501"),
        (LOCAL, "localhost:9000", "http://localhost:9000"),  # ssh -L 9000:localhost:8501
        (LOCAL, "localhost", "http://localhost:80"),
        (OPEN, "192.168.1.5:8501", "http://192.168.1.5:8501"),
        (OPEN, "[fd00::5]:8501", "http://[fd00::5]:8501"),
        (OPEN, f"{socket.gethostname()}:8501", None),
        (AllowedHosts.for_server(None), "10.0.0.2:8501", None),
        (AllowedHosts.for_server("gpu.lab.example"), "gpu.lab.example:8501", "http://gpu.lab.example:8501"),
        (NAMED, "frames.example.org", "https://frames.example.org"),
        (NAMED, "frames.example.org", "https://frames.example.org:8443"),
        (NAMED, "127.0.0.1:8501", "https://frames.example.org"),
        (LISTED, "one.lab.example:8501", "http://one.lab.example:8501"),
        (LISTED, "localhost:8501", "https://portal.example"),
    ],
)
def test_own_pages_are_let_in(allowed: AllowedHosts, host: str, origin: str | None) -> None:
    assert is_let_in(allowed, host, origin)


@pytest.mark.parametrize(
    ("allowed", "host", "origin"),
    [
        (LOCAL, "", None),
        (LOCAL, "evil.example:8501", "http://evil.example:8501"),
        (LOCAL, "localhost.evil.example:8501", None),
        (LOCAL, "user@localhost:8501", None),
        (LOCAL, "localhost:8501/..", None),
        (LOCAL, "localhost:8501,evil.example", None),
        (LOCAL, "192.168.1.5:8501", None),
        (LOCAL, "localhost:8501", "http://localhost:9999"),
        (LOCAL, "localhost:8501", "http://localhost"),
        (LOCAL, "localhost:8501", "http://127.0.0.1:8501"),
        (LOCAL, "localhost:8501", "null"),
        (LOCAL, "localhost:8501", "localhost:8501"),
        (LOCAL, "localhost:8501", "file://localhost:8501"),
        (OPEN, "evil.example:8501", "http://evil.example:8501"),
        (OPEN, "192.168.1.5:8501", "http://192.168.1.6:8501"),
        (NAMED, "127.0.0.1:8501", "https://frames.example.org:9"),
        (NAMED, "a.frames.example.org", None),
        (LISTED, "lab.example:8501", None),
        (LISTED, "evillab.example:8501", None),
    ],
)
def test_others_are_not(allowed: AllowedHosts, host: str, origin: str | None) -> None:
    assert not is_let_in(allowed, host, origin)


def test_own_inline_scripts_are_allowed_by_hash() -> None:
    policy = content_policy("<script>\n  a()\n</script><script type=module src=b.js></script>")
    scripts = policy.partition("script-src")[2].partition(";")[0]
    assert scripts.count("sha256-") == 1
    assert "unsafe" not in scripts
