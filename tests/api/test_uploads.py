"""Uploads through the route: in pieces, resumable, refused for each fault with its own status and sentence."""

import base64
import http.client
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from framelens.composition import Services
from framelens.core.errors import InputError
from framelens.store.videos.upload_limits import UploadPurpose
from tests.cards import draw_card, to_jpeg
from tests.media import moving, write_video

PIECE = {"Content-Type": "application/offset+octet-stream"}
SIZE_BYTES = 300 * 2**20
GROWTH_BYTES = 40 * 2**20
_SERVER = """
import sys, uvicorn
from pathlib import Path
from starlette.applications import Starlette
from framelens.api import AllowedHosts, Gate, routes
from tests.app.fake_services import open_fake, script
folder = Path(sys.argv[1])
gate = Gate(AllowedHosts())
gate.services = open_fake(folder, run=script(), sample=folder / "none.mp4")
config = uvicorn.Config(Starlette(routes=routes(gate)), port=0, log_level="warning")
server = uvicorn.Server(config)
class Told(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(gate.key, self.servers[0].sockets[0].getsockname()[1], flush=True)
Told(config).run()
"""


def create(client: TestClient, size: int, name: str = "clip.mp4", purpose: str = "") -> str:
    metadata = f"filename {base64.b64encode(name.encode()).decode()},filetype dmlkZW8="
    metadata += f",purpose {base64.b64encode(purpose.encode()).decode()}" if purpose else ""
    answer = client.post("/api/uploads", headers={"Upload-Length": str(size), "Upload-Metadata": metadata})
    assert answer.status_code == 201
    return answer.headers["location"]


def send(client: TestClient, url: str, offset: int, body: bytes, **headers: str) -> httpx.Response:
    return client.patch(url, content=body, headers=PIECE | {"Upload-Offset": str(offset)} | headers)


def test_pieces_become_the_video_byte_for_byte(client: TestClient, services: Services) -> None:
    url = create(client, 6, "会议 1.mp4")
    assert send(client, url, 0, b"abcd").headers["upload-offset"] == "4"
    assert client.head(url).headers["upload-offset"] == "4"
    done = send(client, url, 4, b"ef")
    assert (done.status_code, done.headers["upload-offset"]) == (204, "6")
    video = url.rsplit("/", 1)[-1]
    assert services.videos.path(video).read_bytes() == b"abcdef"
    assert services.videos.name(video) == "会议 1.mp4"


def test_a_finished_upload_still_answers_how_far_it_is(client: TestClient) -> None:
    url = create(client, 3)
    send(client, url, 0, b"abc")
    answer = client.head(url)
    assert (answer.headers["upload-offset"], answer.headers["upload-length"]) == ("3", "3")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("offset", "body", "headers", "status", "key"),
    [
        (2, b"x", {}, 409, "upload_conflict"),
        (0, b"too much", {}, 413, "upload_too_long"),
        (0, b"x", {"Content-Type": "text/plain"}, 415, "upload_type"),
        (0, b"x", {"Upload-Offset": "-1"}, 400, "upload_offset"),
        (0, b"x", {"Upload-Offset": "²"}, 400, "upload_offset"),
        (0, b"x", {"Tus-Resumable": "0.2.2"}, 412, "tus_version"),
    ],
)
def test_a_wrong_piece_is_refused_and_nothing_is_lost(
    client: TestClient, offset: int, body: bytes, headers: dict[str, str], status: int, key: str
) -> None:
    url = create(client, 6)
    raw = {name: value.encode() for name, value in headers.items()}
    answer = client.patch(url, content=body, headers=PIECE | {"Upload-Offset": str(offset)} | raw)  # type: ignore[operator]
    assert (answer.status_code, answer.json()["key"]) == (status, key)
    assert client.head(url).headers["upload-offset"] == "0"


def test_upload_piece_is_cut_at_declared_size(client: TestClient, services: Services) -> None:
    url = create(client, 4)
    answer = client.patch(url, content=iter([b"abc", b"def"]), headers=PIECE | {"Upload-Offset": "0"})
    assert answer.status_code == 413
    assert int(client.head(url).headers["upload-offset"]) <= 4


def test_a_second_writer_is_reported_to_wait(client: TestClient, services: Services) -> None:
    url = create(client, 4)
    with services.videos.part(url.rsplit("/", 1)[-1], 0):
        assert send(client, url, 0, b"ab").status_code == 423
    assert send(client, url, 0, b"ab").status_code == 204


@pytest.mark.parametrize("length", ["", "abc", "-3", "1e9", "9" * 30])
def test_a_size_that_is_no_number_is_refused(client: TestClient, length: str) -> None:
    answer = client.post("/api/uploads", headers={"Upload-Length": length})
    assert (answer.status_code, answer.json()["key"]) == (400, "upload_length")


def test_an_empty_file_is_refused_in_the_language_of_the_reader(client: TestClient) -> None:
    english = client.post("/api/uploads", headers={"Upload-Length": "0", "Accept-Language": "en"}).json()["error"]
    chinese = client.post("/api/uploads", headers={"Upload-Length": "0", "Accept-Language": "zh-CN,zh"}).json()["error"]
    asked = client.post("/api/uploads?lang=zh", headers={"Upload-Length": "0", "Accept-Language": "en"}).json()["error"]
    assert "is empty" in english
    assert "空的" in chinese
    assert asked == chinese


def test_unknown_and_unfinished_uploads_are_not_found(client: TestClient) -> None:
    # An unknown upload is not found.
    assert client.head("/api/uploads/nobody-knows-this-one").status_code == 404
    assert send(client, "/api/uploads/nobody-knows-this-one", 0, b"x").json()["key"] == "upload_unknown"
    # A check of what has not arrived is refused.
    url = create(client, 6)
    assert client.post(f"{url}/check").status_code == 404


def test_odd_names_and_purposes_do_no_harm(client: TestClient, services: Services) -> None:
    # A name that is no base64 does no harm.
    answer = client.post("/api/uploads", headers={"Upload-Length": "1", "Upload-Metadata": "filename %%%"})
    assert services.videos.upload(answer.headers["location"].rsplit("/", 1)[-1]).name == "video"
    # An upload for something else is refused.
    headers = {"Upload-Length": "4", "Upload-Metadata": "filename YQ==,purpose YQ=="}
    assert client.post("/api/uploads", headers=headers).json()["key"] == "upload_purpose"


@pytest.mark.slow
def test_a_check_drops_what_is_no_video_and_says_why(client: TestClient, services: Services) -> None:
    url = create(client, 12, "notes.mp4")
    send(client, url, 0, b"not a video!")
    refused = client.post(f"{url}/check?lang=en")
    assert refused.status_code == 400
    assert "notes.mp4 is not a readable video" in refused.json()["error"]
    assert client.head(url).status_code == 404
    with pytest.raises(InputError, match="video_unknown"):
        services.videos.path(url.rsplit("/", 1)[-1])


@pytest.mark.slow
def test_a_check_lets_a_video_pass(client: TestClient, services: Services, tmp_path: Path) -> None:
    data = write_video(tmp_path / "clip.mp4", moving(5)).read_bytes()
    url = create(client, len(data))
    send(client, url, 0, data)
    assert client.post(f"{url}/check").status_code == 204
    assert services.videos.path(url.rsplit("/", 1)[-1]).read_bytes() == data


@pytest.mark.slow
def test_check_finishes_what_a_broken_request_left(client: TestClient, services: Services, tmp_path: Path) -> None:
    data = write_video(tmp_path / "clip.mp4", moving(5)).read_bytes()
    video = (url := create(client, len(data))).rsplit("/", 1)[-1]
    with services.videos.part(video, 0) as part:
        part.write(data)  # all has arrived, and the app was killed
    assert client.head(url).headers["upload-offset"] == str(len(data))
    assert client.post(f"{url}/check").status_code == 204
    assert services.videos.path(video).read_bytes() == data


def test_requests_that_finish_an_upload_at_once(client: TestClient, services: Services) -> None:
    video = create(client, 3).rsplit("/", 1)[-1]
    with services.videos.part(video, 0) as part:
        part.write(b"abc")
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(services.videos.finish, [video] * 8)) == {video}
    assert services.videos.path(video).read_bytes() == b"abc"


def test_a_check_lets_subtitles_pass(client: TestClient, services: Services) -> None:
    url = create(client, 5, "gbk字幕.srt")
    send(client, url, 0, b"words")
    assert client.post(f"{url}/check").status_code == 204
    assert services.videos.path(url.rsplit("/", 1)[-1]).read_bytes() == b"words"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    command = [sys.executable, "-c", _SERVER, str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout
        key, port = process.stdout.readline().split()
        yield process, key, int(port)
        process.terminate()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process's peak memory from /proc")
def test_memory_does_not_grow_with_the_upload(server: tuple[subprocess.Popen[str], str, int]) -> None:
    process, key, port = server
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as line:
        _upload(line, key, process.pid)


def _upload(line: http.client.HTTPConnection, key: str, pid: int) -> None:
    common = {"FrameLens-Key": key, "Tus-Resumable": "1.0.0"}
    line.request("POST", "/api/uploads", headers=common | {"Upload-Length": str(SIZE_BYTES)})
    answer = line.getresponse()
    url = answer.headers["Location"]
    answer.read()
    before = _peak_bytes(pid)
    piece = bytes(2**20)
    headers = {
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(SIZE_BYTES),
    }
    line.request("PATCH", url, body=(piece for _ in range(SIZE_BYTES // len(piece))), headers=common | headers)
    answer = line.getresponse()
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(SIZE_BYTES))
    assert _peak_bytes(pid) - before < GROWTH_BYTES


def _peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


@pytest.mark.parametrize(("purpose", "content"), [("report", b"abcd"), ("picture", to_jpeg(draw_card("red")))])
def test_other_files_are_read_once_and_are_no_videos(
    client: TestClient, services: Services, purpose: UploadPurpose, content: bytes
) -> None:
    url = create(client, 4, "a.bin", purpose)
    upload_id = url.rsplit("/", 1)[-1]
    with pytest.raises(InputError, match="upload_incomplete"), services.videos.read_once(upload_id, purpose):
        pass
    url = create(client, len(content), "a.bin", purpose)
    upload_id = url.rsplit("/", 1)[-1]
    send(client, url, 0, content)
    assert client.post(f"{url}/check").status_code == 204
    assert client.head(url).headers["upload-offset"] == str(len(content))
    with pytest.raises(InputError, match="video_unknown"):
        services.videos.path(upload_id)
    with services.videos.read_once(upload_id, purpose) as (name, file):
        assert (name, file.read()) == ("a.bin", content)
    assert client.head(url).status_code == 404
    assert not list((services.settings.data_dir / "videos").rglob(f"*{upload_id}*"))


def test_file_that_is_no_picture_is_refused_by_its_check(client: TestClient) -> None:
    url = create(client, 4, "notes.txt", "picture")
    send(client, url, 0, b"abcd")
    answer = client.post(f"{url}/check")
    assert (answer.status_code, answer.json()["key"]) == (400, "image_unknown")
    assert client.head(url).status_code == 404


@pytest.mark.parametrize(("purpose", "key"), [("report", "upload_report_too_large"), ("picture", "image_too_large")])
def test_other_files_have_limits_of_their_own(client: TestClient, purpose: str, key: str) -> None:
    metadata = f"filename YQ==,purpose {base64.b64encode(purpose.encode()).decode()}"
    for size, status in ((32 * 2**20, 201), (300 * 2**20, 400)):
        answer = client.post("/api/uploads", headers={"Upload-Length": str(size), "Upload-Metadata": metadata})
        assert answer.status_code == status
    assert answer.json()["key"] == key
