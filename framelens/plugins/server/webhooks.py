"""Webhooks: signed messages to programs when their jobs have ended.

A message is signed as Standard Webhooks describes it (standardwebhooks.com): HMAC-SHA256 over its id, the time and the
body, in the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`. Messages are stored before their job
begins, so no message is lost with the program; a message whose receiver doesn't answer with 2xx is sent again later,
with the same id. The secret itself is stored, since signing needs it, in a file that its owner alone can read.
"""

from __future__ import annotations

import base64
import hmac
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from framelens import AppError, Cancelled, InputError
from framelens.plugin import LOCAL_USER, as_user
from framelens.plugin.files import new_id
from framelens.plugin.links import Outbound
from framelens.plugin.processes import BackgroundTask
from framelens.plugin.storage import Failure, from_json, to_json
from framelens.plugins.server.api_records import ApiKeyRow, ApiStore, DeliveryRow, WebhookRow

if TYPE_CHECKING:
    from framelens.plugin.storage import Store

_log = logging.getLogger(__name__)
MOST_WEBHOOKS = 8
"""Of each key."""
RETRY_SECONDS = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18_000.0)
"""Pause after each failed attempt; if the attempt after the last pause fails, the message has failed. As Standard
Webhooks suggests: within minutes at first, some eight hours in all."""
_MOST_SECONDS = 15.0  # of an attempt; as Standard Webhooks suggests
_LEASE_SECONDS = 60.0
"""Longer than an attempt takes. Another process sends the message after this time, if ours was killed."""
_POLL_SECONDS = 0.5
_AT_A_TIME = 8
_SECRET_PREFIX = "whsec_"
_GONE = 410
"""Status by which a receiver wants no more messages."""


class Webhooks:
    """Sender of messages. All methods are thread-safe.

    Args:
        store: The store, with the messages.
        outbound: What sends them.
    """

    def __init__(self, store: Store, outbound: Outbound) -> None:
        self._records = ApiStore(store)
        self._outbound = outbound
        self._task: BackgroundTask[int, None] = BackgroundTask("webhooks")
        self._wake = threading.Event()

    def add(self, key: ApiKeyRow, url: str) -> WebhookRow:
        """Store a webhook, which is informed of the jobs that its key submits from now on.

        Raises:
            InputError: The address can't be used, or "webhooks_many".
        """
        self._outbound.resolve(url)
        secret = _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
        created = datetime.now(UTC).isoformat(timespec="seconds")
        row = WebhookRow(new_id(), key.id, url, secret, created)
        self._records.add_webhook(row, MOST_WEBHOOKS)
        return row

    def begin(self) -> None:
        """Start to send waiting and later messages in the background, if any waits now."""
        if self._records.has_waiting():
            self._wake.set()
            with as_user(LOCAL_USER):  # one task sends the messages of all users
                self._task.start(self._send_waiting)

    def close(self) -> None:
        """Stop; what waits is sent after the next start."""
        self._task.cancel()
        self._wake.set()
        self._task.close(_MOST_SECONDS)

    def _send_waiting(self, report: Callable[[int], None], cancel: threading.Event) -> None:
        sent, free = 0, threading.Semaphore(_AT_A_TIME)
        with ThreadPoolExecutor(_AT_A_TIME, "webhook") as pool:
            while not cancel.is_set():
                self._wake.clear()
                if not self._records.has_waiting():
                    self._wake.wait()
                    continue
                now = time.time()
                for row, webhook, state in self._records.due(now):
                    if not free.acquire(blocking=False):
                        break
                    if self._records.take_delivery(row, now + _LEASE_SECONDS):
                        sent += 1
                        pool.submit(self._attempt, row, webhook, state).add_done_callback(lambda _: free.release())
                    else:
                        free.release()
                report(sent)
                cancel.wait(_POLL_SECONDS)
        raise Cancelled

    def _attempt(self, row: DeliveryRow, webhook: WebhookRow, state: str) -> None:
        try:
            error = self._post(row, webhook, state)
            self._records.save_delivery(_after(row, error))
        except Exception:  # noqa: BLE001 - logged; the message is sent again when its lease has ended
            _log.exception("the message %s could not be sent", row.id)

    def _post(self, row: DeliveryRow, webhook: WebhookRow, state: str) -> AppError | None:
        """Send the message and return the reason why it did not arrive, None if it did."""
        now = datetime.now(UTC)
        content = {
            "type": "job.ended",
            "timestamp": now.isoformat(timespec="milliseconds"),
            "data": {"job": row.job_id, "state": state},
        }
        body = json.dumps(content).encode()
        seconds = int(now.timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "FrameLens",
            "webhook-id": row.id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": signature(webhook.secret, row.id, seconds, body),
        }
        try:
            status = self._outbound.post(webhook.url, body, headers, _MOST_SECONDS)
        except InputError as error:
            return error
        return None if 200 <= status < 300 else InputError("webhook_refused", url=webhook.url, status=status)


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`.

    Args:
        secret: The webhook's secret, which begins with "whsec_".
        message_id: Value of `webhook-id`.
        timestamp: Value of `webhook-timestamp`, in seconds since 1970.
        body: The request's body.
    """
    key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX))
    signed = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(signed).decode()}"


def error_of(row: DeliveryRow) -> AppError | None:
    """Return why the last attempt failed, None if it did not."""
    return from_json(row.reason, Failure).as_error() if row.reason else None


def _after(row: DeliveryRow, error: AppError | None) -> DeliveryRow:
    """Return the message after an attempt."""
    attempts = row.attempts + 1
    if error is None:
        return replace(row, state="delivered", attempts=attempts, reason="")
    reason = to_json(Failure.of(error))
    if attempts > len(RETRY_SECONDS) or error.values.get("status") == _GONE:
        return replace(row, state="failed", attempts=attempts, reason=reason)
    return replace(row, attempts=attempts, due=time.time() + RETRY_SECONDS[attempts - 1], reason=reason)
