"""Attacks that need an engine: keys that are revoked, turns while it is slow, and what its address answers to whom."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.torture.line import Line, Scale
from benchmarks.torture.site import Site, attacked_site
from framelens.core.roles import as_user
from framelens.engine.remote_engine import RemoteEngine
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiStore
from framelens.questions.answer_queue import MOST_ANSWERED_OF_USER
from framelens.store.conversations import ConversationStore
from framelens.store.database import Store
from tests.analysis.test_pipeline import answering_per_frame
from tests.cards import write_card_video
from tests.llm.scripted import serve
from tests.loopback import Handler, scripted
from tests.plugins.server.test_openai_server import KEY, served, until_ready

_ROOT = Path(__file__).parents[3]
_MODEL = _ROOT / "tests" / "fixtures" / "tiny-vl"
_REAL_SHARE = 0.5
"""From this share of the full size on, vLLM itself is started."""
_LONGEST_SECONDS = 120.0
_QUESTIONS = 60
_MOST_QUESTIONS = 16
"""Of a user at a time (framelens/jobs/answers.py)."""
_LATE = 2
"""Questions of the first user that are answered before the other user's arrives, or between two looks at it."""
_LEAVING, _END_SECONDS = 8, 5.0
"""Clients that leave, and how long the answer to a client that left may take to end."""
_ANSWER_SECONDS = 0.1
_PATHS = (
    *(
        "/v1/models",
        "/v1/completions",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/embeddings",
        "/v1/load_lora_adapter",
    ),
    *("/v1/audio/transcriptions", "/v1/messages", "/invocations", "/tokenize", "/detokenize", "/metrics", "/load"),
    *("/ping", "/version", "/docs", "/openapi.json", "/pooling", "/classify", "/score", "/rerank", "/server_info"),
    *("/sleep", "/wake_up", "/reset_prefix_cache", "/collective_rpc", "/start_profile", "/scale_elastic_ep", "/"),
    *("/health/../metrics", "//metrics", "/health/%2e%2e/metrics", "/HEALTH", "/health/", "/%68ealth/../v1/models"),
)
_FORMS = (
    "http://{0}",
    "HTTP://{0}",
    " http://{0}",
    "\thttp://{0}",
    "http:\\\\{0}",
    "//{0}",
    "ftp://{0}",
    "http://a@{0}",
    "\x01http://{0}",
    "h\tttp://{0}",
    "http://{0}\\@allowed.example",
)


def run(scale: Scale) -> Iterator[Line]:
    """Yield a line for each kind of attack."""
    yield from _at_a_slow_engine(scale)
    yield from _at_its_address(scale)


# ---- a site whose engine waits


@dataclass
class _Engine:
    """What the scripted engine waits for, and the questions that came."""

    going: threading.Event = field(default_factory=threading.Event)
    turn: threading.Lock = field(default_factory=threading.Lock)
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def answer(self, body: dict[str, Any]) -> Iterator[str]:
        """Answer a probe at once, a part of a job when it may, a question after the previous question's answer."""
        if body.get("max_tokens") == 1:
            yield "x"
        elif "QUESTION" in json.dumps(body):
            with self.turn:
                time.sleep(_ANSWER_SECONDS)
                yield "It is red [1]."
        else:
            self.asked.release()
            self.going.wait(2 * _LONGEST_SECONDS)
            yield from map(str, answering_per_frame(body))


def _at_a_slow_engine(scale: Scale) -> Iterator[Line]:
    engine = _Engine()
    model = scale.folder("engine") / "no-model"
    with serve(engine.answer, model=str(model)) as server:
        variables = {"FRAMELENS_BASE_URL": server.base_url}
        with attacked_site(scale, "engine", variables) as site:
            jobs = [_submitted(site, "ann", use_model=True) for _ in range(2)]
            assert engine.asked.acquire(timeout=_LONGEST_SECONDS), "the engine wasn't asked"
            yield _revoked_keys(site, jobs[0], scale.count(10))
            yield _held_up(site, jobs, scale.count(6))
            engine.going.set()
            for job in jobs:
                _until_over(site, "ann", job)
            yield _many_questions(site, scale.count(_QUESTIONS))
            yield _left_questions(site, engine, scale.count(_LEAVING))


def _revoked_keys(site: Site, job_id: str, count: int) -> Line:
    """Streams of events that are open while their key is revoked, of a job that doesn't end meanwhile."""
    lost = 0
    session = site.logins.session(site.cookies["ann"])
    assert session
    store = Store(site.database)
    try:
        for number in range(count):
            key = api_keys.create(ApiStore(store), f"stream-{number}", account_id=session.user.id)
            with (
                site.client(Authorization=f"Bearer {key}") as program,
                program.stream("GET", f"/api/v1/jobs/{job_id}/events", timeout=20) as answer,
            ):
                lines = answer.iter_lines()
                assert next(lines).startswith(("event", "data", "id", "retry"))
                api_keys.revoke(ApiStore(store), f"stream-{number}")
                try:
                    for line in lines:
                        lost += '"is_over":true' in line.replace(" ", "")
                except httpx.ReadTimeout:
                    lost += 1
                lost += program.get(f"/api/v1/jobs/{job_id}").status_code != 401
    finally:
        store.close()
    return Line("streams that are open when their key is revoked", count, lost)


def _held_up(site: Site, waiting: list[str], count: int) -> Line:
    """Analyses without a model, while another user's analyses wait for the engine."""
    with ThreadPoolExecutor(count) as threads:
        own = list(threads.map(lambda _: _submitted(site, "ada", use_model=False), range(count)))
    lost = sum(not _until_over(site, "ada", job) for job in own)
    assert not any(_job(site, "ann", job)["is_over"] for job in waiting), "the engine didn't wait"
    return Line("analyses without a model beside a slow engine", count, lost)


def _many_questions(site: Site, count: int) -> Line:
    """Questions of a user at once, then a question of another, which waits only for questions the engine has then."""
    own = {"ann": site.ids["job"], "ada": _submitted(site, "ada", use_model=False)}
    _until_over(site, "ada", own["ada"])

    def ask(user: str) -> httpx.Response:
        with site.client(Authorization=f"Bearer {site.api[user]}") as program:
            asked = {"question": f"QUESTION of {user}, {time.monotonic_ns()}", "wait_seconds": 0}
            return program.post(f"/api/v1/jobs/{own[user]}/questions", json=asked)

    with ThreadPoolExecutor(count) as threads:
        answers = list(threads.map(lambda _: ask("ann"), range(count)))
    other = ask("ada")
    crashed = sum(one.status_code not in (201, 429) for one in answers) + (other.status_code != 201)
    admitted = [one.json()["id"] for one in answers if one.status_code == 201]
    assert other.status_code == 201, other.text
    first = other.json()["id"]
    with site.client(Authorization=f"Bearer {site.api['ada']}") as program:
        end = time.monotonic() + _LONGEST_SECONDS
        while _state(program, first) == "running":
            assert time.monotonic() < end
            time.sleep(0.05)
        crashed += _state(program, first) != "complete"
    with site.client(Authorization=f"Bearer {site.api['ann']}") as program:
        before = sum(_state(program, one) != "running" for one in admitted)
    lost = max(0, before - MOST_ANSWERED_OF_USER - _LATE) + (len(admitted) > _MOST_QUESTIONS)
    note = f"{len(admitted)} admitted, {before} answered before another user's"
    return Line("questions of one user at once", count + 1, lost, crashed, note)


def _left_questions(site: Site, engine: _Engine, count: int) -> Line:
    """Questions whose client leaves while it waits: each ends, and frees its place for another."""
    before = _asked_by(site, "ann")
    with engine.turn, site.client(Authorization=f"Bearer {site.api['ann']}") as program:
        for number in range(count):
            given = {"question": f"QUESTION {number}, and gone", "wait_seconds": 60}
            with suppress(httpx.ReadTimeout):
                program.post(f"/api/v1/jobs/{site.ids['job']}/questions", json=given, timeout=1)
        time.sleep(_END_SECONDS)
        asked = _asked_by(site, "ann") - before
        running = sum(_state(program, one) == "running" for one in asked)
    return Line("questions whose client left", count, running, len(asked) != count)


def _asked_by(site: Site, user: str) -> set[str]:
    """Return the ids of the conversations of a user."""
    session = site.logins.session(site.cookies[user])
    assert session
    store = Store(site.database)
    try:
        with as_user(session.user):
            return {one.id for one in ConversationStore(store).find(limit=1000)}
    finally:
        store.close()


def _state(program: httpx.Client, conversation_id: str) -> str:
    found = program.get(f"/api/v1/conversations/{conversation_id}").raise_for_status().json()
    return str(found["answers"][-1]["state"])


def _submitted(site: Site, user: str, *, use_model: bool) -> str:
    """Upload a short film as a user, have it analysed, and return the id of the job."""
    path = site.database.parent / f"{user}-{threading.get_ident()}-{time.monotonic_ns()}.mp4"
    film = write_card_video(path, ["red", "blue"]).read_bytes()
    path.unlink()
    with site.client(Authorization=f"Bearer {site.api[user]}") as program:
        made = program.post("/api/v1/uploads", json={"name": path.name, "size_bytes": len(film)}).json()
        kind = {"Content-Type": "application/octet-stream"}
        program.patch(f"/api/v1/uploads/{made['id']}", content=film, headers=kind).raise_for_status()
        asked = {"source": {"type": "upload", "id": made["id"]}, "use_model": use_model, "frames": 2, "force": True}
        return str(program.post("/api/v1/jobs", json=asked).raise_for_status().json()["id"])


def _job(site: Site, user: str, job_id: str) -> dict[str, Any]:
    with site.client(Authorization=f"Bearer {site.api[user]}") as program:
        return dict(program.get(f"/api/v1/jobs/{job_id}").raise_for_status().json())


def _until_over(site: Site, user: str, job_id: str) -> bool:
    """Wait until a job is over, and return whether it is."""
    end = time.monotonic() + _LONGEST_SECONDS
    while not (is_over := bool(_job(site, user, job_id)["is_over"])) and time.monotonic() < end:
        time.sleep(0.1)
    return is_over


# ---- an engine's address


@dataclass
class _Canary:
    """A server of this machine that no engine may ask: the paths that were asked for."""

    asked: list[str] = field(default_factory=list)
    base_url: str = ""


class _Listening(Handler):
    state: _Canary

    def do_GET(self) -> None:
        self.state.asked.append(self.path)
        self.send_whole(200, b"", {"Content-Type": "image/png"})

    do_HEAD = do_POST = do_GET


def _at_its_address(scale: Scale) -> Iterator[Line]:
    with scripted(_Listening, canary := _Canary()) as _:
        with (
            serve(lambda body: iter(["red"]), model="tiny") as server,
            served(RemoteEngine(server.base_url, "", "tiny"), "tiny") as address,
        ):
            until_ready(address)
            yield _keyless("paths of `serve` without its key", address.removesuffix("/v1"))
            yield _addresses("addresses in requests to `serve`", address, KEY, canary)
            passed = [json.dumps(one).lower() for one in server.requests]
            lost = sum(any(word in one for word in ("ttp:", "file:", "ftp:", "passwd")) for one in passed)
            yield Line("addresses that `serve` passed on", len(server.requests), lost)
        if scale.share >= _REAL_SHARE and find_spec("vllm"):
            with _real(scale.folder("serve")) as real:
                yield _keyless("paths of vLLM's own port without its key", real.engine)
                yield _keyless("paths of `serve` before vLLM without its key", real.served)
                yield _addresses("addresses in requests to vLLM through `serve`", f"{real.served}/v1", KEY, canary)
                yield _addresses("addresses in requests to vLLM with its key", f"{real.engine}/v1", real.key, canary)


def _keyless(what: str, origin: str) -> Line:
    """Every path, with several methods, without a key and with wrong keys."""
    count = lost = 0
    wrong: tuple[dict[str, str], ...] = ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer x"})
    wrong += ({"Authorization": "Basic eDp4"}, {"X-Api-Key": "x"}, {"Host": "evil.example"})
    with httpx.Client(timeout=60) as stranger:
        for path in _PATHS:
            for method in ("GET", "POST"):
                for headers in wrong:
                    request = httpx.Request(
                        method, f"{origin}/", headers=headers, json={} if method == "POST" else None
                    )
                    request.url = request.url.copy_with(raw_path=path.encode())
                    answer = stranger.send(request)
                    # Only whether it is up may be known.
                    is_open = answer.status_code < 400 and not (path.endswith("health") or path == "/HEALTH")
                    count, lost = count + 1, lost + is_open
    return Line(what, count, lost)


def _addresses(what: str, base_url: str, key: str, canary: _Canary) -> Line:
    """Pictures, videos and sound that are addresses of this machine, in every form and place."""
    count = crashed = 0
    place = canary.base_url.removeprefix("http://").removesuffix("/v1")
    urls = [form.format(f"{place}/{number}") for number, form in enumerate(_FORMS)]
    urls += ["file:///etc/passwd", "FILE:/etc/passwd", "/etc/passwd", f"http://localhost:{place.rpartition(':')[2]}/l"]
    canary.asked.clear()
    headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
    with httpx.Client(headers=headers, timeout=60) as program:
        model = program.get(f"{base_url}/models").json()["data"][0]["id"]
        for url in urls:
            for part in _parts(url):
                for path in (f"{base_url}/chat/completions", f"{base_url.removesuffix('/v1')}/invocations"):
                    body = {"model": model, "max_tokens": 2, "messages": [{"role": "user", "content": [part]}]}
                    answer = program.post(path, json=body)
                    # vLLM refuses some by status 500 and a sentence.
                    count, crashed = count + 1, crashed + (answer.status_code >= 500 and "error" not in answer.text)
        crashed += not _answers(f"{base_url.removesuffix('/v1')}/health")
    return Line(what, count, len(canary.asked), crashed, ", ".join(sorted(set(canary.asked))))


def _parts(url: str) -> list[dict[str, Any]]:
    """Return the parts of a message that may name an address."""
    named = [{"type": kind, kind: {"url": url}} for kind in ("image_url", "video_url", "audio_url")]
    named += [{"type": "image_url", "image_url": url}, {"type": "input_image", "image_url": url}]
    named += [{"type": "input_audio", "input_audio": one} for one in (url, {"data": url})]
    return [*named, {"image_url": url}, {"type": "text", "text": "x", "image_url": {"url": url}}]


@dataclass(frozen=True)
class _Real:
    """Addresses of `framelens serve` and of the engine behind it, and that engine's key."""

    served: str
    engine: str
    key: str


@contextmanager
def _real(folder: Path) -> Iterator[_Real]:
    """Run `framelens serve` with vLLM on the CPU and a tiny model."""
    variables = {"FRAMELENS_DATA_DIR": str(folder), "VLLM_CPU_KVCACHE_SPACE": "1", "FRAMELENS_SERVE_API_KEY": KEY}
    settings = json.dumps({"max_model_len": 2048, "enforce_eager": True, "max_num_seqs": 4})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "framelens", "serve", "--model-path", str(_MODEL), "--port", str(port)]
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--vllm-config", settings], env={**os.environ, **variables}, cwd=_ROOT, stdout=log, stderr=log
        )
        try:
            origin = f"http://127.0.0.1:{port}"
            _until(lambda: _answers(f"{origin}/health"), process)
            engine, key = _engine_of(process.pid, port)
            yield _Real(origin, engine, key)
        finally:
            process.terminate()
            process.wait(60)


def _until(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 5 * _LONGEST_SECONDS
    while not is_so():
        assert process.poll() is None and time.monotonic() < end, "the engine didn't start"
        time.sleep(0.5)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def _engine_of(pid: int, port: int) -> tuple[str, str]:
    """Return the address of the engine that a process has started, and its key."""
    for one in psutil.Process(pid).children(recursive=True):
        ports = [known.laddr.port for known in one.net_connections() if known.status == psutil.CONN_LISTEN]
        key = one.environ().get("FRAMELENS_ENGINE_KEY", "")
        for found in ports:
            if key and found != port and _answers(f"http://127.0.0.1:{found}/health"):
                return f"http://127.0.0.1:{found}", key
    raise AssertionError("no engine listens")
