"""Webhooks against a local receiver: signed, sent again, and never to an address that is not allowed."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from framelens.api import Gate
from framelens.composition import Services
from framelens.plugins.server import api_keys, webhooks
from framelens.plugins.server.api_records import ApiStore
from framelens.plugins.server.parts import webhooks_of
from tests.app.fake_services import NoFiles
from tests.loopback import Handler, listening
from tests.plugins.server.v1.conftest import Allow, client_of, ended_job, uploaded


@dataclass
class Receiver:
    """What has arrived, and the statuses to answer with, the last again and again."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [204])
    messages: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Hook(Handler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.messages.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = state.statuses.pop(0) if len(state.statuses) > 1 else state.statuses[0]
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with listening(Hook) as url:
        state.url = f"{url}/hook"
        yield state


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "RETRY_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(webhooks, "_POLL_SECONDS", 0.02)


def delivered(api: TestClient, webhook_id: str, state: str) -> dict[str, Any]:
    while True:
        (one,) = api.get(f"webhooks/{webhook_id}").json()["deliveries"]
        if one["state"] == state:
            return dict(one)
        time.sleep(0.02)


def submit(api: TestClient) -> str:
    return str(api.post("jobs", json={"source": uploaded(api)}).json()["id"])


def is_signed(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """The check of the specification, written by its text."""
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256).digest()
    return headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"


def test_a_finished_job_is_reported_with_a_signature(api: TestClient, allow: Allow, receiver: Receiver) -> None:
    allow()
    made = api.post("webhooks", json={"url": receiver.url})
    assert made.status_code == 201
    job_id = submit(api)
    ended_job(api, job_id)
    sent = delivered(api, made.json()["id"], "delivered")
    ((headers, body),) = receiver.messages
    assert json.loads(body)["data"] == {"job": job_id, "state": "done"}
    assert json.loads(body)["type"] == "job.ended"
    assert headers["webhook-id"] == sent["id"] and abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert is_signed(headers, body, made.json()["secret"])
    assert not is_signed(headers, body + b" ", made.json()["secret"])
    assert "secret" not in api.get(f"webhooks/{made.json()['id']}").json()


@pytest.mark.parametrize("added", ["/a\r\nX: y", "/a\tb", "/\x85b", "/" + "a" * 3000])
def test_an_address_is_plain_and_short(added: str, api: TestClient, allow: Allow, receiver: Receiver) -> None:
    allow()
    assert api.post("webhooks", json={"url": receiver.url + added}).status_code in (409, 422)
    assert api.post("webhooks", json={"url": f"{receiver.url}/{'a' * 500}"}).status_code == 201


@pytest.mark.slow
def test_a_repeated_submission_sends_no_second_message(
    api: TestClient, allow: Allow, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = allow()
    monkeypatch.setattr(NoFiles, "quick_sha256", lambda *_: "ab" * 32)
    webhook_id = api.post("webhooks", json={"url": receiver.url}).json()["id"]
    source = uploaded(api)
    job_id = api.post("jobs", json={"source": source}).json()["id"]
    ended_job(api, job_id)
    sent = delivered(api, webhook_id, "delivered")
    again = api.post("jobs", json={"source": source}).json()
    assert (again["id"], again["state"]) == (job_id, "done")
    assert delivered(api, webhook_id, "delivered") == sent
    assert not ApiStore(services.store).has_waiting() and len(receiver.messages) == 1
    (listed,) = api.get("webhooks").json()
    assert listed["deliveries"] == [sent]
    later = api.post("webhooks", json={"url": receiver.url}).json()["id"]  # has not heard of it yet
    api.post("jobs", json={"source": source})
    assert delivered(api, later, "delivered")["job"] == job_id


def test_the_example_of_the_specification_is_signed_alike() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    signed = webhooks.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("statuses", "state", "attempts"),
    [([500, 302, 200], "delivered", 3), ([500], "failed", 3), ([410], "failed", 1)],
)
def test_a_message_is_sent_again_with_the_same_id(
    api: TestClient, allow: Allow, receiver: Receiver, statuses: list[int], state: str, attempts: int
) -> None:
    allow()
    receiver.statuses = statuses
    webhook_id = api.post("webhooks", json={"url": receiver.url}).json()["id"]
    submit(api)
    one = delivered(api, webhook_id, state)
    assert (one["attempts"], len(receiver.messages)) == (attempts, attempts)
    assert len({headers["webhook-id"] for headers, _ in receiver.messages}) == 1
    assert (one["error"] is None) == (state == "delivered")


@pytest.mark.slow
def test_private_targets_are_refused_when_added_and_when_sent(
    gate: Gate, api_key: str, allow: Allow, receiver: Receiver
) -> None:
    allow()
    with client_of(gate, api_key) as api:
        webhook_id = api.post("webhooks", json={"url": receiver.url}).json()["id"]
    allow(private_networks=())  # or its name has another address by now
    with client_of(gate, api_key) as api:
        refused = api.post("webhooks", json={"url": receiver.url})
        assert (refused.status_code, refused.json()["key"]) == (403, "address_private")
        submit(api)
        assert "127.0.0.1" in delivered(api, webhook_id, "failed")["error"]
    assert receiver.messages == []


def test_an_address_of_a_webhook_is_read_as_it_is_typed(api: TestClient, allow: Allow, receiver: Receiver) -> None:
    allow()
    added = api.post("webhooks", json={"url": receiver.url.replace("http://", "HTTP://") + "/任务#top"})
    assert (added.status_code, added.json().get("url")) == (201, f"{receiver.url}/%E4%BB%BB%E5%8A%A1"), added.text


@pytest.mark.slow
def test_webhooks_belong_to_their_key(gate: Gate, api: TestClient, allow: Allow, receiver: Receiver) -> None:
    services = allow()
    webhook_id = api.post("webhooks", json={"url": receiver.url}).json()["id"]
    other = api_keys.create(ApiStore(services.store), "other")
    with client_of(gate, other) as theirs:
        assert theirs.get("webhooks").json() == []
        assert theirs.get(f"webhooks/{webhook_id}").status_code == 404
        assert theirs.delete(f"webhooks/{webhook_id}").status_code == 404
        ended_job(theirs, submit(theirs))
    assert [one["url"] for one in api.get("webhooks").json()] == [receiver.url]
    assert api.delete(f"webhooks/{webhook_id}").status_code == 204
    assert api.get("webhooks").json() == [] and receiver.messages == []
    for _ in range(webhooks.MOST_WEBHOOKS):
        assert api.post("webhooks", json={"url": receiver.url}).status_code == 201
    assert api.post("webhooks", json={"url": receiver.url}).json()["key"] == "webhooks_many"


def test_waiting_messages_are_sent_by_the_next_program(
    api: TestClient, allow: Allow, receiver: Receiver, services: Services
) -> None:
    opened = allow()
    webhook_id = api.post("webhooks", json={"url": receiver.url}).json()["id"]
    webhooks_of(opened).close()  # nothing is sent any more
    ended_job(api, submit(api))
    assert api.get(f"webhooks/{webhook_id}").json()["deliveries"][0]["state"] == "waiting"
    later = replace(opened, _parts={})  # with no sender yet
    later.resume()
    delivered(api, webhook_id, "delivered")
    webhooks_of(later).close()


def test_a_cancelled_and_a_failed_job_are_reported(api: TestClient, allow: Allow, receiver: Receiver) -> None:
    allow("http://127.0.0.1:9/")
    webhook_id = api.post("webhooks", json={"url": receiver.url}).json()["id"]
    job = api.post("jobs", json={"source": {"type": "url", "url": "http://127.0.0.1:9/a.mp4"}}).json()["id"]
    delivered(api, webhook_id, "delivered")
    assert json.loads(receiver.messages[0][1])["data"] == {"job": job, "state": "failed"}
