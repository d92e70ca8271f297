"""Client of a Ray cluster: access to it, a connection for analyses, and jobs of its job API.

Ray is imported when a cluster is first used.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import shlex
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import urlsplit

from framelens import ConfigError, EngineError
from framelens.plugin.engines import NoAnswer, get_json
from framelens.plugin.files import redact, remember_secret
from framelens.plugin.processes import require

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

RayJobState = Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]
RUNNING: tuple[RayJobState, ...] = ("PENDING", "RUNNING")
DASHBOARD_PORT = 8265
"""The port on which `ray start --head` offers its job API."""
CLIENT_PORT = 10001
"""The port on which it takes connections of programs."""
_CONNECTIONS = 3
LOCAL_DASHBOARD = f"http://127.0.0.1:{DASHBOARD_PORT}"
_ADDRESS_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")


def require_ray() -> None:
    """Raise ConfigError unless the extra `fleet` is installed."""
    require("ray")


def normal_ray_address(text: str) -> str:
    """Normalize the address of a head node's job API.

    >>> normal_ray_address("head")
    'http://head:8265'

    Raises:
        ConfigError: It's another kind of address, such as a Ray driver's (ray://).
    """
    address = text.strip().rstrip("/")
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        port = parts.port or (443 if parts.scheme == "https" else DASHBOARD_PORT)
    except ValueError as error:
        raise ConfigError("ray_address", value=redact(address)) from error
    usable = parts.scheme in ("http", "https") and parts.hostname and not (parts.path or parts.query or parts.username)
    if not usable:
        raise ConfigError("ray_address", value=redact(address))
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def python_command(arguments: Sequence[str]) -> str:
    """Return the head's command: with this machine's Python if it's there, too, else with the Python on its PATH."""
    return f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH exec python {shlex.join(arguments)}"


class RayCluster:
    """A Ray cluster that accepts jobs at `address`.

    Raises:
        ConfigError: Ray isn't installed, the address is wrong, or the head lets everybody run code.
        EngineError: The head doesn't answer.
    """

    def __init__(self, address: str) -> None:
        require_ray()
        self.address = normal_ray_address(address)
        self._check_access()
        self._jobs = self._connect()

    def _check_access(self) -> None:
        """Refuse a head on another machine that accepts a request without a token: it would run anybody's code."""
        host = str(urlsplit(self.address).hostname)
        is_local = _is_loopback(host)
        try:
            get_json(f"{self.address}/api/version")
        except NoAnswer as answer:
            if answer.status in (401, 403):
                return
            raise EngineError("ray_unreachable", address=self.address, reason=str(answer)) from answer
        if not is_local:
            raise ConfigError("ray_unprotected", address=self.address)

    def _connect(self) -> JobSubmissionClient:
        remember_secret(os.environ.get("RAY_AUTH_TOKEN", ""))
        for name in _ADDRESS_VARIABLES:  # Ray prefers them to the argument, but only the argument was checked
            os.environ.pop(name, None)
        from ray.exceptions import AuthenticationError
        from ray.job_submission import JobSubmissionClient

        try:
            return JobSubmissionClient(self.address)
        except AuthenticationError as error:
            raise ConfigError("ray_token", address=self.address) from error
        except Exception as error:
            raise self._unreachable(error) from error

    def connect(self) -> None:
        """Make this process a program of the cluster, which ends all that it started there when this process ends.

        Raises:
            EngineError: The head doesn't answer, or has another version.
        """
        import ray

        host = str(urlsplit(self.address).hostname)
        address = f"ray://{f'[{host}]' if ':' in host else host}:{CLIENT_PORT}"
        for attempt in range(_CONNECTIONS, 0, -1):
            try:
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
                return
            except Exception as error:
                if attempt == 1 or not isinstance(error, ConnectionAbortedError):  # it is, if a busy head was too slow
                    reason = redact(str(error).strip().splitlines()[-1][:300])
                    raise EngineError("ray_client_closed", address=address, reason=reason) from error

    def submit(self, job_id: str, command: str) -> str:
        """Submit a shell command that the head node runs as a job, and return the job's id.

        Raises:
            EngineError: The head doesn't answer, or refuses.
        """
        with self._answers():
            return str(self._jobs.submit_job(entrypoint=command, submission_id=job_id))

    def state(self, job_id: str) -> RayJobState:
        """Return the state of a job."""
        with self._answers():
            state = str(self._jobs.get_job_status(job_id))
        assert state in get_args(RayJobState), state
        return state  # type: ignore[return-value]

    def log(self, job_id: str) -> str:
        """Return what a job has printed, without secrets."""
        with self._answers():
            return redact(str(self._jobs.get_job_logs(job_id)))

    def stop(self, job_id: str) -> None:
        """Ask a job to stop; it ends within seconds."""
        with self._answers():
            self._jobs.stop_job(job_id)

    @contextmanager
    def _answers(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> EngineError:
        return EngineError("ray_unreachable", address=self.address, reason=_first_line(error))


def _first_line(error: Exception) -> str:
    return redact(next(iter(str(error).splitlines()), "")[:300])


def _is_loopback(host: str) -> bool:
    """Return whether every address of a host is this machine's own loopback."""
    try:
        addresses = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return bool(addresses) and all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses)
