import errno
import json
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from framelens.core.engines.model_hub import HubKind, ModelHub
from framelens.core.errors import AppError, Cancelled, ModelNotFound, StorageError
from framelens.core.events import EngineProgress
from framelens.engine.downloads.hub import WORKER, DownloadRate, download
from framelens.engine.downloads.hub import failure as reason_of
from framelens.engine.downloads.worker import ProgressCounter, innermost, send_failure
from framelens.engine.model_resolution import check_model_folder, resolve_model
from framelens.i18n import error_text
from tests.engine.hub_server import Hub, serve
from tests.engine.weights import model_files
from tests.thorough import first_of

MODEL = "Someone/Tiny-VL"


def fetch(hub: Hub, cache: Path, model: str = MODEL) -> tuple[Path, list[EngineProgress]]:
    reported: list[EngineProgress] = []
    return download(model, reported.append, threading.Event(), hub=hub.address, cache_dir=cache), reported


def failure(hub: Hub, cache: Path, model: str = MODEL) -> AppError:
    with pytest.raises(AppError) as caught:
        fetch(hub, cache, model)
    return caught.value


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["huggingface", "modelscope"])
def test_a_model_arrives_whole_with_progress_in_files_and_bytes(kind: HubKind, tmp_path: Path) -> None:
    files = model_files(size=3_000_000)
    with serve(Hub(MODEL, files, kind=kind)) as hub:
        folder, reported = fetch(hub, tmp_path)
    check_model_folder(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    last = reported[-1].values
    assert (last["files_done"], last["files_total"]) == (5, 5)
    assert last["bytes_done"] == last["bytes_total"] == sum(map(len, files.values()))
    assert {phase.phase for phase in reported} == {"downloading"}
    done = [int(str(phase.values["bytes_done"])) for phase in reported]
    assert done == sorted(done) and done[0] == 0
    arrived = [int(str(phase.values["files_done"])) for phase in reported]
    assert arrived == sorted(arrived) and arrived[0] == 0
    assert (last["done"], last["total"]) == ("6.0 MB", "6.0 MB")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["huggingface", "modelscope"])
def test_cached_model_is_found_without_the_hub(kind: HubKind, tmp_path: Path) -> None:
    with serve(Hub(MODEL, model_files(), kind=kind)) as hub:
        assert resolve_model(MODEL, cache_dir=tmp_path).folder is None
        folder, _ = fetch(hub, tmp_path)
        asked = len(hub.requests)
        found = resolve_model(MODEL, cache_dir=tmp_path)
        assert found.folder == folder and found.name == MODEL
        assert len(hub.requests) == asked


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["huggingface", "modelscope"])
def test_what_is_not_needed_is_left_on_the_hub(kind: HubKind, tmp_path: Path) -> None:
    extra = {"pytorch_model.bin": b"x" * 100, "onnx/model.onnx": b"y", "model.gguf": b"z", "README.md": b"about"}
    with serve(Hub(MODEL, {**model_files(), **extra}, kind=kind)) as hub:
        folder, _ = fetch(hub, tmp_path)
    assert "README.md" in {path.name for path in folder.iterdir()}
    assert not {"pytorch_model.bin", "onnx", "model.gguf"} & {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_download_to_folder_is_complete_and_idempotent(tmp_path: Path) -> None:
    files, reported = model_files(), list[EngineProgress]()
    with serve(Hub(MODEL, files)) as hub:
        for _ in range(2):
            hub.requests.clear()
            found = download(MODEL, reported.append, threading.Event(), hub=hub.address, folder=tmp_path / "模型 one")
        assert not [request for request in hub.requests if request.startswith("GET") and "/resolve/" in request]
    assert found == tmp_path / "模型 one"
    assert {path.name: path.read_bytes() for path in found.iterdir() if path.is_file()} == files
    assert reported[-1].values["bytes_done"] == sum(map(len, files.values()))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["huggingface", "modelscope"])
def test_a_transfer_that_breaks_off_continues_where_it_was(kind: HubKind, tmp_path: Path) -> None:
    files = model_files(shards=1, size=25_000_000)  # the hub's client writes pieces of 10 MB
    with serve(Hub(MODEL, files, drop_after=15_000_000, kind=kind)) as hub:
        folder, reported = fetch(hub, tmp_path)
    check_model_folder(folder)
    name = "model-00001-of-00001.safetensors"
    assert (folder / name).read_bytes() == files[name]
    assert hub.ranges == [f"{name} {10 * 1024**2}"]
    assert reported[-1].values["bytes_done"] == reported[-1].values["bytes_total"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["huggingface", "modelscope"])
def test_a_download_that_was_killed_continues_where_it_was(kind: HubKind, tmp_path: Path) -> None:
    """Signal 9 in mid-file: what had been written is not asked for again."""
    files = model_files(shards=1, size=25_000_000)
    name, gate, folder = "model-00001-of-00001.safetensors", threading.Event(), tmp_path / "model"
    with serve(Hub(MODEL, files, gate=gate, hold_after=22_000_000, kind=kind)) as hub:
        places = {"cache_dir": str(tmp_path), "target": "", "folder": str(folder)}
        order = {"model": MODEL, "hub": hub.kind, "endpoint": hub.url, **places}
        words = json.dumps({**order, "unneeded": [], "older_weights": [], "pickles": [], "weights": []})
        child = subprocess.Popen([*WORKER, words], stdout=subprocess.DEVNULL)
        try:
            while not (here := sum(part.stat().st_size for part in folder.glob("*.part"))):
                assert child.poll() is None
                time.sleep(0.05)
        finally:
            child.kill()
            child.wait()
        gate.set()
        hub.gate = None
        reported: list[EngineProgress] = []
        download(MODEL, reported.append, threading.Event(), hub=hub.address, folder=folder)
    assert (folder / name).read_bytes() == files[name]
    assert [int(given.rsplit(" ", 1)[1]) >= here for given in hub.ranges] == [True]
    assert int(str(reported[0].values["bytes_done"])) >= here, "it counts from what is there"
    assert not list(folder.glob("*.part")) and not list(folder.glob("*.lock"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["huggingface", "modelscope"])
def test_what_arrives_damaged_is_fetched_again(kind: HubKind, tmp_path: Path) -> None:
    files, name = model_files(), "model-00002-of-00002.safetensors"
    with serve(Hub(MODEL, files, corrupt={name: 1, "tokenizer.json": 1}, kind=kind)) as hub:
        folder, reported = fetch(hub, tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert reported[-1].values["bytes_done"] == reported[-1].values["bytes_total"]


@pytest.mark.slow
@pytest.mark.parametrize("name", first_of(["model-00002-of-00002.safetensors", "tokenizer.json"]))
def test_hub_with_changing_content_is_refused(tmp_path: Path, name: str) -> None:
    with serve(Hub(MODEL, model_files(), corrupt={name: 99})) as hub:
        error = failure(hub, tmp_path)
        assert isinstance(error, ModelNotFound) and error.key == "model_download_corrupt"
        assert error.values["file"] == name
        hub.corrupt.clear()
        folder, _ = fetch(hub, tmp_path)
    check_model_folder(folder)


@pytest.mark.slow
def test_cancelled_download_resumes_on_next_attempt(tmp_path: Path) -> None:
    gate, cancel = threading.Event(), threading.Event()
    with serve(Hub(MODEL, model_files(), gate=gate)) as hub:
        with pytest.raises(Cancelled):
            download(MODEL, lambda phase: cancel.set(), cancel, hub=hub.address, cache_dir=tmp_path)
        gate.set()
        folder, _ = fetch(hub, tmp_path)
    check_model_folder(folder)


@pytest.mark.slow
def test_a_model_that_the_hub_does_not_have(tmp_path: Path) -> None:
    with serve(Hub(MODEL, model_files())) as hub:
        error = failure(hub, tmp_path, "Someone/Tiny-VX")
    assert isinstance(error, ModelNotFound) and error.key == "model_not_on_hub"
    assert (error.values["model"], error.values["endpoint"]) == ("Someone/Tiny-VX", hub.url)
    assert "FRAMELENS_HUB=modelscope" in error_text(error, "en")


@pytest.mark.slow
def test_modelscope_refusals_name_the_hub_and_the_other_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(Hub(MODEL, model_files(), kind="modelscope")) as hub:
        missing = failure(hub, tmp_path, "Someone/Tiny-VX")
        hub.gated = True
        gated = failure(hub, tmp_path)
        hub.gated, hub.refuses_token = False, True
        monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms-thistokenisold")
        refused = failure(hub, tmp_path)
    found = [missing, gated, refused]
    assert [error.key for error in found] == [
        "model_not_on_modelscope", "model_gated_on_modelscope", "model_token_refused_by_modelscope"
    ]  # fmt: skip
    assert {error.values["endpoint"] for error in found} == {hub.url}
    assert "record not found" in str(missing.values["reason"])
    assert all("魔搭" in error_text(error, "zh") for error in found)
    assert "FRAMELENS_HUB=huggingface" in error_text(missing, "en")
    assert "ms-thistokenisold" not in error_text(refused, "en")


@pytest.mark.slow
def test_modelscope_gets_its_own_token_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms-secret")
    with serve(Hub(MODEL, model_files(), kind="modelscope")) as hub:
        fetch(hub, tmp_path)
    assert {sent.get("authorization", sent.get("Authorization")) for sent in hub.headers} == {"Bearer ms-secret"}
    assert "hf_secret" not in str(hub.headers)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../outside.json", "/etc/outside.json", "a/../../outside.json", "..\\outside.json"])
def test_a_file_that_would_leave_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    with serve(Hub(MODEL, {**model_files(), name: b"{}"}, kind="modelscope")) as hub:
        error = failure(hub, tmp_path / "cache")
    assert error.key == "model_download_corrupt" and error.values["file"] == name
    assert not (tmp_path / "outside.json").exists()


@pytest.mark.slow
def test_a_model_that_needs_permission(tmp_path: Path) -> None:
    with serve(Hub(MODEL, model_files(), gated=True)) as hub:
        error = failure(hub, tmp_path)
    assert isinstance(error, ModelNotFound) and error.key == "model_gated"


@pytest.mark.slow
def test_refused_token_is_not_a_missing_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_thistokenisold")
    with serve(Hub(MODEL, model_files(), refuses_token=True)) as hub:
        error = failure(hub, tmp_path)
    assert isinstance(error, ModelNotFound) and error.key == "model_token_refused"
    assert "hf_thistokenisold" not in error_text(error, "en")


@pytest.mark.slow
def test_unreachable_proxy_is_named_without_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    error = failure(Hub(MODEL, {}, url="http://hub.example"), tmp_path)
    assert error.key == "model_proxy_failed" and error.values["proxy"] == "http://***@127.0.0.1:9"
    assert "secret" not in error_text(error, "zh") and "HTTPS_PROXY" in error_text(error, "zh")


def test_a_certificate_of_somebody_else_is_named_as_such() -> None:
    words = "ConnectError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"
    hub = ModelHub("huggingface", "https://hub.example")
    error = reason_of({"error": "certificate", "detail": words}, MODEL, hub, Path("/cache"))
    assert error.key == "model_hub_untrusted" and "SSL_CERT_FILE" in error_text(error, "en")


@pytest.mark.slow
def test_only_what_is_still_to_come_needs_room_on_the_disk(tmp_path: Path) -> None:
    files = model_files(shards=1)
    with serve(Hub(MODEL, files)) as hub:
        download(MODEL, lambda phase: None, threading.Event(), hub=hub.address, folder=tmp_path)
        hub.files = {**files, "extra.safetensors": b"x" * 10}
        hub.declared_sizes = {"extra.safetensors": 10**16}
        with pytest.raises(StorageError) as caught:
            download(MODEL, lambda phase: None, threading.Event(), hub=hub.address, folder=tmp_path)
    assert caught.value.values["needed"] == "10000.0 TB" and caught.value.values["folder"] == str(tmp_path)


def test_speed_covers_last_seconds_and_resets_on_loss() -> None:
    rate = DownloadRate()
    assert rate.update(0, 0.0) is None
    assert rate.update(4_000_000, 2.0) == 2_000_000
    for second in range(3, 30):
        per_second = rate.update(4_000_000 + 10_000 * (second - 2), float(second))
    assert per_second == pytest.approx(10_000), "the fast beginning is forgotten"
    assert rate.update(1000, 30.0) is None


@pytest.mark.slow
def test_model_larger_than_disk_is_refused(tmp_path: Path) -> None:
    files = model_files(shards=1)
    sizes = {"model-00001-of-00001.safetensors": 10**16}
    with serve(Hub(MODEL, files, declared_sizes=sizes)) as hub:
        error = failure(hub, tmp_path)
    assert isinstance(error, StorageError) and error.key == "model_disk_full"
    assert error.values["needed"] == "10000.0 TB"
    assert not any("resolve" in request for request in hub.requests)


def test_disk_that_fills_meanwhile_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    count = ProgressCounter()
    count.bytes_total, count.bytes_before = 150_000_000, 5_000_000
    count.weights = 20_000_000
    send_failure(OSError(errno.ENOSPC, "No space left on device"), count)
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["error"] == "disk_full" and outcome["needed"] == 125_000_000


@pytest.mark.slow
def test_unreachable_hub_error_names_the_remedies(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        hub = Hub(MODEL, {}, url=f"http://127.0.0.1:{closed.getsockname()[1]}")
        error = failure(hub, tmp_path)
    assert isinstance(error, ModelNotFound) and error.key == "model_not_local"
    text = error_text(error, "zh")
    assert text.startswith(f"❌ vLLM 模型加载失败：{MODEL} 不是本地文件夹")
    for remedy in ("网络", "hf download", "--local-dir", "VLLM_MODEL_PATH", "HF_ENDPOINT", "./download_model.sh"):
        assert remedy in text
    assert "refused" in str(error.values["reason"])


@pytest.mark.slow
def test_offline_mode_is_named_as_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with serve(Hub(MODEL, model_files())) as hub:
        error = failure(hub, tmp_path)
    assert error.key == "model_not_local" and error.values["reason"] == "HF_HUB_OFFLINE=1"


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with serve(Hub(MODEL, model_files())) as hub:
        error = failure(hub, blocked / "cache")
    assert isinstance(error, StorageError) and error.key == "model_cache_unwritable"


def test_a_host_that_is_not_found_is_reported_in_words() -> None:
    try:
        raise ConnectionError("the request failed") from socket.gaierror(-2, "Name or service not known")
    except ConnectionError as error:
        assert innermost(error) == "Name or service not known"
    assert innermost(ValueError("[Errno -3] Temporary failure in name resolution")).startswith("Temporary failure")
    assert innermost(ValueError("odd")) == "ValueError: odd"
