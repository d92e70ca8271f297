"""Who may use the API, in which language it refuses, and what it never reads."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from framelens.api import Gate, routes
from framelens.composition import Services
from framelens.plugins.server import api_keys, rate_limit
from framelens.plugins.server.api_records import ApiStore
from framelens.plugins.server.v1 import access
from tests.plugins.server.v1.conftest import HOST, client_of
from tests.users import ADA, BEN, EVE, add_users

PROBLEM = "application/problem+json"


@pytest.mark.slow
def test_without_any_key_the_command_is_named(gate: Gate) -> None:
    with client_of(gate, "fl_guess") as api:
        answer = api.get(f"{HOST}/api/v1")
        assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM)
        assert "framelens admin keys create" in answer.json()["detail"]
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer fl_wrong", "Basic fl_wrong", "Bearer \xff"])
def test_only_a_key_opens_the_api(api: TestClient, header: str) -> None:
    answer = api.get("jobs", headers={"Authorization": header.encode("latin-1")})  # type: ignore[dict-item]
    assert (answer.status_code, answer.json()["key"]) == (401, "api_key_wrong")


def test_keys_of_pages_and_revoked_keys_are_refused(gate: Gate, api: TestClient, services: Services) -> None:
    # The page key is not an api key.
    assert api.get("jobs", headers={"Authorization": f"Bearer {gate.key}"}).status_code == 401
    assert api.get(f"jobs?key={gate.key}", headers={"Authorization": "", "FrameLens-Key": gate.key}).status_code == 401
    # A revoked key is refused at once.
    assert api.get("jobs").status_code == 200
    api_keys.create(ApiStore(services.store), "other")
    api_keys.revoke(ApiStore(services.store), "tests")
    assert api.get("jobs").json()["key"] == "api_key_wrong"


def test_requests_a_minute_are_limited(gate: Gate, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(rate_limit.time, "monotonic", lambda: now[0])
    few = api_keys.create(ApiStore(services.store), "few", per_minute=2)
    many = api_keys.create(ApiStore(services.store), "many")
    with client_of(gate, few) as api:
        assert [api.get("jobs").status_code for _ in range(3)] == [200, 200, 429]
        refused = api.get("jobs")
        assert (refused.json()["key"], refused.headers["retry-after"]) == ("api_rate", "60")
        assert api.get("jobs", headers={"Authorization": f"Bearer {many}"}).status_code == 200
        now[0] += 60.5
        assert api.get("jobs").status_code == 200


@pytest.mark.slow
def test_a_burst_in_any_spelling_keeps_to_the_limit(gate: Gate, services: Services) -> None:
    few = api_keys.create(ApiStore(services.store), "few", per_minute=20)
    headers = [f"Bearer {few}", f"bearer  {few} ", f"BEARER {few}"]
    asked = [("GET", "jobs"), ("GET", "no-such-path"), ("HEAD", "jobs"), ("POST", "jobs"), ("GET", "jobs/unknown")]

    def ask(number: int) -> int:
        method, path = asked[number % len(asked)]
        return api.request(method, path, headers={"Authorization": headers[number % len(headers)]}).status_code

    with client_of(gate) as api, ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(ask, range(300)))
    assert sum(status != 429 for status in statuses) == 20


def test_problems_speak_the_language_of_the_request(api: TestClient) -> None:
    english, chinese = (
        api.get("jobs/nothere", headers={"Accept-Language": language}).json() for language in ("en", "zh-CN,zh;q=0.9")
    )
    assert english["key"] == chinese["key"] == "job_unknown"
    assert english["type"] == "urn:framelens:error:job_unknown" and english["status"] == 404
    assert "not known" in english["detail"]
    assert english["detail"] != chinese["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "key"),
    [
        ("GET", "nothing", 404, "api_path_unknown"),
        ("PUT", "jobs", 405, "api_method"),
        ("GET", "webhooks/abc", 404, "webhook_unknown"),
        ("GET", "conversations/abc", 404, "conversation_unknown"),
        ("GET", "jobs/abc/events", 404, "job_unknown"),
        ("GET", "jobs?limit=0", 422, "api_body_wrong"),
    ],
)
def test_unknown_things_are_problems(api: TestClient, method: str, path: str, status: int, key: str) -> None:
    answer = api.request(method, path)
    assert (answer.status_code, answer.json()["key"]) == (status, key)
    assert answer.headers["content-type"] == PROBLEM
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("content_type", ["", "text/json", "application/x-www-form-urlencoded", "text/plain"])
def test_json_of_another_content_type_names_the_header(api: TestClient, content_type: str) -> None:
    answer = api.post("jobs", content=b'{"source": {}}', headers={"Content-Type": content_type} if content_type else {})
    assert (answer.status_code, answer.json()["key"]) == (415, "api_content_type")
    assert "Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("frames", True, "body.frames: A whole number is expected."),
        ("frames", "4", "body.frames: A whole number is expected."),
        ("frames", 0, "body.frames: It must be at least 1."),
        ("start_seconds", "1:00", "body.start_seconds: A number is expected."),
        ("use_model", "no", "body.use_model: true or false is expected."),
        ("times_seconds", 3, "body.times_seconds: A list is expected."),
        ("name", 5, "body.name: A text is expected."),
    ],
)
def test_values_of_other_json_types_are_refused_in_words(api: TestClient, field: str, value: object, said: str) -> None:
    answer = api.post("jobs", json={"source": {"type": "upload", "id": "x"}, field: value})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"source": 1}', b'{"source": {"type": "url"}, "odd": 1}'])
def test_a_body_that_does_not_fit_is_named(api: TestClient, body: bytes) -> None:
    answer = api.post("jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["key"]) == (422, "api_body_wrong")
    assert answer.json()["errors"]


def test_a_body_of_10_gb_is_not_read(api: TestClient) -> None:
    announced = api.post("jobs", content=b"x", headers={"Content-Length": str(10 * 1000**3)})
    assert (announced.status_code, announced.json()["key"]) == (413, "api_body_too_large")
    assert api.post("jobs", content=b"x" * (access._MOST_BYTES + 1)).status_code == 413


@pytest.mark.slow
@pytest.mark.parametrize(("token", "status", "most_pieces"), [("", 401, 0), ("key", 413, 18)])
async def test_an_endless_body_is_not_read(gate: Gate, api_key: str, token: str, status: int, most_pieces: int) -> None:
    pieces, sent = 0, list[dict[str, object]]()

    async def receive() -> dict[str, object]:
        nonlocal pieces
        pieces += 1
        return {"type": "http.request", "body": bytes(1 << 16), "more_body": True}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {api_key if token else ''}".encode()), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": "/api/v1/jobs", "query_string": b"", "headers": headers}
    app = client_of(gate).app
    await app({**scope, "root_path": "", "server": ("testserver", 80), "scheme": "http"}, receive, send)  # type: ignore[arg-type]
    assert (sent[0]["status"], pieces <= most_pieces) == (status, True)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("en;q=0.1, zh;q=0.9", "zh"),
        ("fr, zh-CN;q=0.5", "zh"),
        ("zh;q=0", "en"),
        ("en;q=0, zh", "zh"),
        ("zh;q=0.2, en-GB;q=0.3", "en"),
        ("zh;q=0.1, zh-Hant;q=0.9, en;q=0.5", "zh"),
        ("*;q=0.5, zh;q=0.4", "en"),
        ("en;q=0.4, *;q=0.5", "zh"),
        ("*", "en"),
        ("zh;q=nonsense, de", "en"),
        ("zh-Hans", "zh"),
        ("*", "en"),
    ],
)
def test_the_language_is_the_preferred_one(api: TestClient, header: str, language: str) -> None:
    said = api.get("jobs/nope", headers={"Accept-Language": header}).json()["detail"]
    assert ("找不到" in said) == (language == "zh")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a": "\xff"}', "请求体不是 UTF-8 编码的 JSON。"),
        (b"[" * 100_000, "无法读取该值。"),
        (b'{"frames": 1' + b"0" * 5000 + b"}", "无法读取该值。"),
    ],
)
def test_a_body_that_nothing_can_read_is_named(api: TestClient, body: bytes, message: str) -> None:
    answer = api.post("jobs", content=body, headers={"Content-Type": "application/json", "Accept-Language": "zh"})
    assert (answer.status_code, answer.json()["key"]) == (422, "api_body_wrong")
    assert answer.json()["errors"] == [{"place": "body", "message": message}]


@pytest.mark.parametrize("path", ["", "jobs", "openapi.json", "docs", "jobs/nope", "nope"])
def test_head_is_answered_like_get_without_a_body(api: TestClient, path: str) -> None:
    whole, head = api.get(path), api.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]


@pytest.mark.slow
def test_the_document_needs_no_key_and_no_other_host(gate: Gate) -> None:
    with client_of(gate) as api:
        document = api.get("openapi.json").json()
        assert document["openapi"].startswith("3.1") and document["servers"] == [{"url": "/api/v1"}]
        page = api.get("docs")
        assert page.status_code == 200 and "://" not in page.text and "<script>" not in page.text
        for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js"):
            assert api.get(f"docs/{name}").status_code == 200
        assert api.get("docs/..%2fapplication.py").status_code == 404


@pytest.mark.slow
def test_fastapi_is_imported_by_the_first_request() -> None:
    heavy = ("fastapi", "framelens.plugins.server.v1.application")
    code = f"import app.main, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_json_without_its_type_is_named(api: TestClient) -> None:
    body = b'{"source": {"type": "url", "url": "http://media.example/a.mp4"}}'
    for header in ({"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "text/plain"}):
        answer = api.post("jobs", content=body, headers=header)
        assert (answer.status_code, answer.json()["key"]) == (415, "api_content_type")
        assert "Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", "body:1"),
        (b'{"source": {"type": "url", "url": "x"}, "odd": 1}', "body.odd"),
        (b"{}", "body.source"),
        (b'{"source": {"type": "nope"}}', "body.source"),
        (b'{"source": {"type": "url", "url": 5}, "frames": "many"}', "body.frames"),
    ],
)
def test_wrong_places_are_in_the_language_of_the_request(api: TestClient, body: bytes, place: str) -> None:
    for language in ("en", "zh"):
        headers = {"Content-Type": "application/json", "Accept-Language": language}
        answer = api.post("jobs", content=body, headers=headers).json()
        messages = {one["place"]: one["message"] for one in answer["errors"]}
        assert place in messages
        assert all(text.isascii() == (language == "en") for text in messages.values()), messages


@pytest.mark.parametrize(
    ("body", "place", "message"),
    [
        (b'{"strategy": "nope"}', "body.strategy", "可选的值：auto, uniform, every, scenes, codec, times。"),
        (b'{"source": {"type": "nope"}}', "body.source", "可选的值：upload, path, url。"),
        (b'{"source":', "body:10", "请求体从这个字符起不是有效的 JSON。"),
    ],
)
def test_chinese_messages_have_no_english_words(api: TestClient, body: bytes, place: str, message: str) -> None:
    headers = {"Content-Type": "application/json", "Accept-Language": "zh-CN"}
    answer = api.post("jobs", content=body, headers=headers).json()
    assert {"place": place, "message": message} in answer["errors"]
    assert f"{place}：{message}" in answer["detail"]
    assert answer["detail"].startswith("请求与接口不符。")


def test_unknown_report_format_is_not_found(api: TestClient) -> None:
    answer = api.get("jobs/nothere/reports/nope")
    assert (answer.status_code, answer.json()["key"]) == (404, "report_format_unknown")
    assert "framelens" not in answer.json()["detail"]


@pytest.mark.slow
def test_every_operation_and_field_is_described(api: TestClient) -> None:
    document = api.get("openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"].endswith("."), f"{method} {path}"
            for one in operation.get("parameters", ()):
                assert one["description"].endswith("."), f"{method} {path} {one['name']}"
    for name, schema in document["components"]["schemas"].items():
        for field, described in schema["properties"].items():
            assert described["description"].endswith("."), f"{name} {field}"


def test_requests_of_an_api_key_have_its_users_role(gate: Gate, services: Services) -> None:
    store = ApiStore(services.store)
    add_users(services.store, ADA, BEN, EVE)
    sent = {"Tus-Resumable": "1.0.0", "Upload-Length": "4"}
    keys = {user.name: api_keys.create(store, user.name, account_id=user.id) for user in (BEN, EVE)}
    keys["old"] = api_keys.create(store, "old")
    with TestClient(Starlette(routes=routes(gate))) as client:
        for name, status in (("ben", 201), ("eve", 403), ("old", 401)):
            headers = {**sent, "Authorization": f"Bearer {keys[name]}"}
            assert client.post("/api/v1/uploads", headers=headers).status_code == status, name
        with services.store.changing() as connection:
            connection.execute("DELETE FROM accounts WHERE id = ?", (BEN.id,))
        headers = {**sent, "Authorization": f"Bearer {keys['ben']}"}
        assert client.post("/api/v1/uploads", headers=headers).json()["key"] == "api_key_wrong"
