"""nginx or Caddy as the file in deploy/ sets it up that the guides name, with a certificate made on the spot.

It listens on a free port of loopback.
"""

import os
import re
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
CADDY = shutil.which("caddy", path="/usr/bin:/usr/local/bin")
_ROOT = Path(__file__).resolve().parents[1]
_GUIDES = tuple(_ROOT / "docs" / "guide" / f"deployment.{language}.md" for language in ("en", "zh"))
_LINK = re.compile(r"\]\((?:\.\./)+(deploy/(?:nginx\.conf|Caddyfile))\)")
_MAIN = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{ include {mime}; access_log {folder}/access.log;
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
include {folder}/framelens.conf; }}"""


def documented() -> dict[str, str]:
    """Return the texts of the proxies' files, by their names; both guides to deployment name the same."""
    english, chinese = (_LINK.findall(guide.read_text(encoding="utf-8")) for guide in _GUIDES)
    assert english == chinese and len(english) == 2, (english, chinese)
    return {Path(name).name: (_ROOT / name).read_text(encoding="utf-8") for name in english}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class ReverseProxy:
    """nginx in a folder of its own, or Caddy, as https://frames.example.org:`port`.

    Names resolve to nothing here: a client has to connect to 127.0.0.1.
    """

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    is_caddy: bool = False

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}"

    def configure(self, upstream: int, *, changes: Mapping[str, str] | None = None) -> None:
        """Write the configuration for what listens at `upstream`, with these texts of the guides' file replaced."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _certificate(self.folder)
        if self.is_caddy:
            name, replaced = "Caddyfile", self._of_caddy(upstream)
        else:
            name, replaced = "nginx.conf", self._of_nginx(upstream)
        text = documented()[name]
        for old, new in {**replaced, **(changes or {})}.items():
            assert old in text, old
            text = text.replace(old, new)
        (self.folder / "framelens.conf").write_text(text)
        (self.folder / "nginx.conf").write_text(_MAIN.format(folder=self.folder, mime="/etc/nginx/mime.types"))

    def _of_nginx(self, upstream: int) -> dict[str, str]:
        return {
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "127.0.0.1:8501": f"127.0.0.1:{upstream}",
            f"/etc/letsencrypt/live/{NAME}/fullchain.pem": f"{self.folder}/cert.pem",
            f"/etc/letsencrypt/live/{NAME}/privkey.pem": f"{self.folder}/key.pem",
        }

    def _of_caddy(self, upstream: int) -> dict[str, str]:
        own = f"\n\tbind 127.0.0.1\n\ttls {self.folder}/cert.pem {self.folder}/key.pem"
        return {
            "{\n\tservers {": "{\n\tadmin off\n\tauto_https disable_redirects\n\tservers {",
            f"{NAME} {{": f"https://{NAME}:{self.port} {{{own}",
            "127.0.0.1:8501": f"127.0.0.1:{upstream}",
        }

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self.folder / "error.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(), start_new_session=True, env=self._environment(), stderr=log
            )
        while self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "error.log").read_text())

    def _command(self) -> list[str]:
        if self.is_caddy:
            assert CADDY, "no Caddy"
            return [CADDY, "run", "--adapter", "caddyfile", "--config", f"{self.folder}/framelens.conf"]
        assert NGINX, "no nginx"
        return [NGINX, "-p", str(self.folder), "-e", f"{self.folder}/error.log", "-c", f"{self.folder}/nginx.conf"]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}

    def reload(self) -> None:
        """Have it read its configuration again: new workers take new connections, old workers end their own."""
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
def reverse_proxy(folder: Path, port: int, upstream: int, *, is_caddy: bool = False) -> Iterator[str]:
    """Serve what listens at `upstream` until the block ends; yield the URL."""
    proxy = ReverseProxy(folder, port, is_caddy=is_caddy)
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
