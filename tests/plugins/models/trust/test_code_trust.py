"""Trust in a model's code: nothing of it runs unless it is exactly what was confirmed, with the real engines."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.config import Settings, load
from framelens.core.child_environment import engine_environment
from framelens.core.errors import AppError, ConfigError, InputError
from framelens.core.roles import User, as_user
from framelens.engine.hardware import installed_vllm
from framelens.engine.local.vllm import vllm_launcher
from framelens.plugins.models.preflight.run import preflight
from framelens.plugins.models.trust.code_trust import CodeCheck, find_code, trust_code, trusted_code, untrust_code
from framelens.services.engines.engine_builder import build_engine
from framelens.store.audit import AuditLog
from framelens.store.database import Store, open_store
from tests.engine.test_local_engine import ready
from tests.remote_checkpoint import make_checkpoint, write_code

needs_vllm = pytest.mark.skipif(installed_vllm() is None, reason="vLLM is not installed")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TRUSTING = {"trust_remote_code": True, "max_model_len": 256, "max_num_seqs": 1, "kv_cache_memory_bytes": 64 << 20}
_LOAD = """
import sys
from transformers import AutoConfig
print(type(AutoConfig.from_pretrained(sys.argv[1], trust_remote_code=True)).__name__)
"""


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[AuditLog]:
    store = Store(tmp_path / "data" / "framelens.sqlite")
    yield AuditLog(store)
    store.close()


def settings_of(tmp_path: Path, folder: Path, **arguments: object) -> Settings:
    settings = load({"FRAMELENS_DATA_DIR": str(tmp_path / "data")}, tmp_path / "no.env")
    return replace(settings, model_path=str(folder), model_chosen=True, vllm_config={**TRUSTING, **arguments})


def confirm(data: Path, folder: Path, audit: AuditLog) -> None:
    found = find_code(data, str(folder))
    trust_code(data, found, found.code.digest[:8], audit)


def key_of(data: Path, folder: Path) -> str:
    try:
        CodeCheck(data, str(folder)).prepare(folder)
    except AppError as error:
        return error.key
    return ""


def test_only_what_was_trusted_is_prepared(tmp_path: Path, audit: AuditLog) -> None:
    data, folder = tmp_path / "data", tmp_path / "m"
    marker = make_checkpoint(folder)
    assert key_of(data, folder) == "remote_code_untrusted"
    confirm(data, folder, audit)
    assert key_of(data, folder) == ""
    write_code(folder, marker, "other")
    (folder / "added.py").write_text("")
    with pytest.raises(AppError) as caught:
        CodeCheck(data, str(folder)).prepare(folder)
    assert caught.value.key == "remote_code_changed"
    assert caught.value.values["files"] == "configuration_tiny.py, +added.py"
    (folder / "added.py").unlink()
    write_code(folder, marker)
    assert key_of(data, folder) == ""
    untrust_code(data, str(folder), audit)
    assert key_of(data, folder) == "remote_code_untrusted"
    assert [one.action for one in audit.entries(limit=9)] == ["code_untrusted", "code_trusted"]


def test_model_without_code_needs_no_trust(tmp_path: Path, tiny_text: Path) -> None:
    assert CodeCheck(tmp_path / "data", str(tiny_text)).prepare(tiny_text)["HF_HUB_OFFLINE"] == "1"


def test_hash_must_be_typed_and_by_an_administrator(tmp_path: Path, audit: AuditLog) -> None:
    make_checkpoint(tmp_path / "m")
    found = find_code(tmp_path / "data", str(tmp_path / "m"))
    for typed in ("", "yes", found.code.digest[:7], "0" * 8, f"{found.code.digest}0"):
        with pytest.raises(ConfigError, match="remote_code_hash"):
            trust_code(tmp_path / "data", found, typed, audit)
    with as_user(User("7", "ann", "analyst")), pytest.raises(InputError, match="role_administrator"):
        trust_code(tmp_path / "data", found, found.code.digest, audit)
    with as_user(User("1", "root", "administrator")):
        trust_code(tmp_path / "data", found, f" {found.code.digest.upper()} ", audit)
    (record,) = trusted_code(tmp_path / "data").all().values()
    assert (record.user_name, record.files) == ("root", found.code.hashes)


@pytest.mark.parametrize("text", ["", "[]", '{"digest": "x"}', "{"])
def test_damaged_records_trust_nothing(tmp_path: Path, audit: AuditLog, text: str) -> None:
    make_checkpoint(tmp_path / "m")
    confirm(tmp_path / "data", tmp_path / "m", audit)
    with closing(open_store(tmp_path / "data")) as store, store.changing() as connection:
        connection.execute("UPDATE model_records SET document = ? WHERE kind = 'trusted_code'", (text,))
    assert key_of(tmp_path / "data", tmp_path / "m") == "remote_code_untrusted"


def test_new_revision_in_the_cache_is_compared(
    tmp_path: Path, audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--some--model"
    (repository / "refs").mkdir(parents=True)
    for commit, word in ((COMMIT, "first"), (COMMIT[::-1], "second")):
        make_checkpoint(repository / "snapshots" / commit, word=word)
        (repository / "refs" / "main").write_text(commit)
        found = find_code(tmp_path / "data", "some/model")
        assert (found.model, found.code.revision) == ("some/model", commit)
        if word == "first":
            trust_code(tmp_path / "data", found, found.code.digest, audit)
    assert found.state == "changed" and "configuration_tiny.py" in found.changes


def test_modules_have_a_folder_of_their_own(tmp_path: Path, audit: AuditLog) -> None:
    make_checkpoint(folder := tmp_path / "m")
    confirm(data := tmp_path / "data", folder, audit)
    check = CodeCheck(data, str(folder))
    first, second = (Path(check.prepare(folder)["HF_MODULES_CACHE"]) for _ in range(2))
    assert first != second and first.stat().st_mode & 0o077 == 0
    del check
    assert not first.exists() and not second.exists()


@pytest.mark.slow
def test_settings_that_lead_to_other_code_are_refused(tmp_path: Path, audit: AuditLog) -> None:
    make_checkpoint(folder := tmp_path / "m")
    confirm(tmp_path / "data", folder, audit)
    for arguments in (
        {"tokenizer": "other/model"},
        {"hf_overrides": {"auto_map": {"AutoConfig": "other/model--a.B"}}},
        {"speculative_config": {"model": "other/model"}},
    ):
        settings = settings_of(tmp_path, folder, **arguments)
        error = build_engine(settings)[0].status().error
        assert error is not None and error.key == "remote_code_settings"
        assert preflight(settings)[0].key == "remote_code_settings"


@needs_vllm
@pytest.mark.parametrize("arguments", [{"trust_remote_code": True}, {"trust-remote-code": True}])
def test_launcher_alone_never_runs_code(tmp_path: Path, arguments: dict[str, object]) -> None:
    with pytest.raises(AppError, match="remote_code_untrusted"):
        vllm_launcher(str(tmp_path), arguments).prepare(tmp_path)


@pytest.mark.slow
@needs_vllm
def test_preflight_offers_the_setting_only_for_trusted_code(tmp_path: Path, audit: AuditLog) -> None:
    make_checkpoint(folder := tmp_path / "m")
    denied, allowed = settings_of(tmp_path, folder, trust_remote_code=False), settings_of(tmp_path, folder)
    assert (first := preflight(denied)[0]).key == "remote_code_needed" and first.fix is None
    assert (first := preflight(allowed)[0]).key == "remote_code_untrusted" and first.fix is None
    confirm(tmp_path / "data", folder, audit)
    first = preflight(denied)[0]
    assert first.fix is not None and first.fix.change == {"trust_remote_code": True}
    assert "preflight_code_trusted" in [finding.key for finding in preflight(allowed)]


@pytest.mark.slow
def test_preflight_names_code_that_stays_unused(tmp_path: Path, tiny_text: Path) -> None:
    shutil.copytree(tiny_text, tmp_path / "m")
    (tmp_path / "m" / "libtool.so").write_bytes(b"\0")
    found = {
        finding.key: finding for finding in preflight(settings_of(tmp_path, tmp_path / "m", trust_remote_code=False))
    }
    assert found["preflight_code_present"].values["files"] == "libtool.so"


def loaded(folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", _LOAD, str(folder)],
        env={**engine_environment(), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.thorough
@needs_vllm
@pytest.mark.slow
def test_transformers_runs_trusted_code_of_two_repositories(
    tmp_path: Path, audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--other--repo.v1"
    snapshot = repository / "snapshots" / COMMIT
    folder, data = tmp_path / "m", tmp_path / "data"
    marker = make_checkpoint(folder, repository="other/repo.v1--")
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    write_code(snapshot, marker, "theirs")
    confirm(data, folder, audit)
    check = CodeCheck(data, str(folder))
    variables = {**check.prepare(folder), "HF_HUB_CACHE": str(tmp_path / "hub")}
    done = loaded(folder, variables)
    assert done.stdout.strip() == "TinyConfig", done.stderr
    assert set(marker.read_text().split("\n")) == {"theirs", ""}
    write_code(snapshot, marker, "changed")
    assert key_of(data, folder) == "remote_code_changed"


@pytest.mark.engine
@pytest.mark.thorough
def test_vllm_runs_trusted_code_until_a_byte_changes(tmp_path: Path, audit: AuditLog) -> None:
    folder = tmp_path / "m"
    marker = make_checkpoint(folder)
    settings = settings_of(tmp_path, folder)
    engine = build_engine(settings)[0]
    with pytest.raises(AppError, match="remote_code_untrusted"):
        ready(engine)
    assert not marker.exists()
    confirm(settings.data_dir, folder, audit)
    try:
        assert ready(engine).is_vllm
    finally:
        engine.stop()
    assert set(marker.read_text().split("\n")) == {"ran", ""}
    marker.unlink()
    with (folder / "marker.py").open("a") as file:
        file.write(" ")
    with pytest.raises(AppError, match="remote_code_changed"):
        ready(engine)
    assert not marker.exists()
    assert trusted_code(settings.data_dir).all().keys() == {str(folder)}
