"""nginx as deploy/nginx.conf sets it up, with a certificate made on the spot, on a free port of loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass
class ReverseProxy:
    """nginx in a folder of its own, as https://frames.example.org:`port`.

    Names resolve to nothing here: a client has to connect to 127.0.0.1.
    """

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}"

    def configure(self, upstream: int, *, changes: Mapping[str, str] | None = None) -> None:
        """Write the configuration for what listens at `upstream`, with these texts of deploy/nginx.conf replaced."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _certificate(self.folder)
        text = _CONFIG.read_text(encoding="utf-8")
        replaced = {
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "127.0.0.1:8501": f"127.0.0.1:{upstream}",
            f"/etc/letsencrypt/live/{NAME}/fullchain.pem": f"{self.folder}/cert.pem",
            f"/etc/letsencrypt/live/{NAME}/privkey.pem": f"{self.folder}/key.pem",
            **(changes or {}),
        }
        for old, new in replaced.items():
            assert old in text, old
            text = text.replace(old, new)
        (self.folder / "framelens.conf").write_text(text)
        (self.folder / "nginx.conf").write_text(_MAIN.format(folder=self.folder, mime="/etc/nginx/mime.types"))

    def start(self) -> None:
        """Start it and wait until it listens."""
        assert NGINX, "no nginx"
        command = [NGINX, "-p", str(self.folder), "-e", f"{self.folder}/error.log", "-c", f"{self.folder}/nginx.conf"]
        self.process = subprocess.Popen(command, start_new_session=True)
        while self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "error.log").read_text())

    def reload(self) -> None:
        """Have it read its configuration again: new workers take new connections, the old ones end theirs."""
        assert self.process
        self.process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it with all its connections at once."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        assert self.process
        self.process.terminate()
        self.process.wait(30)


@contextmanager
def reverse_proxy(folder: Path, port: int, upstream: int) -> Iterator[str]:
    """Serve what listens at `upstream` until the block ends; yield the URL."""
    proxy = ReverseProxy(folder, port)
    proxy.configure(upstream)
    proxy.start()
    try:
        yield proxy.url
    finally:
        proxy.stop()


def _certificate(folder: Path) -> None:
    subject = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *options, *files, *subject], check=True, capture_output=True)
