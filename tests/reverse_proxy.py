"""nginx as deploy/nginx.conf sets it up, with a certificate made on the spot, on a free port of loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "frames.example.org"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
_CONFIG = Path(__file__).resolve().parents[1] / "deploy" / "nginx.conf"
_MAIN = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{ include {mime}; access_log {folder}/access.log;
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
include {folder}/framelens.conf; }}"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def reverse_proxy(folder: Path, port: int, upstream: int) -> Iterator[str]:
    """Serve what listens at `upstream` as https://frames.example.org:`port`; yield that URL.

    Names resolve to nothing here: a client has to connect to 127.0.0.1.
    """
    assert NGINX, "no nginx"
    folder.mkdir(parents=True, exist_ok=True)
    _certificate(folder)
    text = _CONFIG.read_text(encoding="utf-8")
    plain = free_port()
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("127.0.0.1:8501", f"127.0.0.1:{upstream}"),
        (f"/etc/letsencrypt/live/{NAME}/fullchain.pem", f"{folder}/cert.pem"),
        (f"/etc/letsencrypt/live/{NAME}/privkey.pem", f"{folder}/key.pem"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    (folder / "framelens.conf").write_text(text)
    (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, mime="/etc/nginx/mime.types"))
    command = [NGINX, "-p", str(folder), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]
    process = subprocess.Popen(command)
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        assert process.poll() is None, (folder / "error.log").read_text()
        yield f"https://{NAME}:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _certificate(folder: Path) -> None:
    subject = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *options, *files, *subject], check=True, capture_output=True)
