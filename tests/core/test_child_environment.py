"""What child processes find in their environment: what they need, and no key of anybody."""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from framelens.core.child_environment import engine_environment, hub_environment, reader_environment
from framelens.core.events import EngineProgress
from framelens.engine.hardware import installed_vllm
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.vllm import vllm_launcher
from framelens.video import worker_pool
from tests.engine.fakes import fake_launcher

pytestmark = pytest.mark.own_start

SECRETS = {
    "FRAMELENS_API_KEY": "sk-engine-1234567890",
    "FRAMELENS_SERVE_API_KEY": "sk-serve-1234567890",
    "VLLM_API_KEY": "sk-vllm-1234567890",
    "OPENAI_API_KEY": "sk-openai-1234567890",
    "LANGSMITH_API_KEY": "lsv2-1234567890",
    "HF_TOKEN": "hf_1234567890",
    "HUGGING_FACE_HUB_TOKEN": "hf_0987654321",
    "AWS_SECRET_ACCESS_KEY": "aws-1234567890",
    "GITHUB_PAT": "ghp_1234567890",
    "HTTPS_PROXY": "http://me:pw1234567890@proxy:1",
    "DATABASE_URL": "postgres://me:db1234567890@host/db",
}
NEEDED = {
    "PATH": os.environ["PATH"],
    "HOME": "/home/me",
    "LD_LIBRARY_PATH": "/opt/lib",
    "OMP_NUM_THREADS": "2",
    "CUDA_VISIBLE_DEVICES": "1",
    "ASCEND_OPP_PATH": "/usr/local/Ascend/opp",
    "NCCL_DEBUG": "INFO",
    "VLLM_LOGGING_LEVEL": "DEBUG",
    "HF_HOME": "/models",
    "CC": "gcc-13",
}
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SECRETS | NEEDED).items():
        monkeypatch.setenv(name, value)


def environment_of(pid: int) -> str:
    """Read it once it is there: the kernel shows it a moment after the new program has begun."""
    until = time.monotonic() + 10
    while not (found := Path(f"/proc/{pid}/environ").read_text(encoding="utf-8", errors="replace")):
        assert time.monotonic() < until
    return found


def test_each_child_gets_its_part_of_the_environment() -> None:
    # A reader gets paths and threads and the package.
    given = reader_environment(SECRETS | NEEDED | {"PYTHONPATH": "/more"})
    root = str(Path(__file__).resolve().parents[2])
    assert given.keys() == {"PATH", "HOME", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "PYTHONPATH"}
    assert given["PYTHONPATH"] == os.pathsep.join((root, "/more"))
    assert engine_environment(SECRETS | NEEDED) == NEEDED  # an engine gets what configures it and no key
    # What downloads gets the hubs token and proxies alone.
    given = hub_environment(SECRETS | NEEDED)
    assert given.keys() & SECRETS.keys() == {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTPS_PROXY"}
    assert given["HF_HOME"] == "/models"


@pytest.mark.skipif(installed_vllm() is None, reason="vLLM is not installed")
def test_the_hubs_token_reaches_an_engine_that_must_ask_the_hub(surroundings: None) -> None:
    assert "HF_TOKEN" not in vllm_launcher("org/model", {}).environment("key")
    assert vllm_launcher("org/model", {"tokenizer": "org/other"}).environment("key")["HF_TOKEN"] == SECRETS["HF_TOKEN"]
    assert "HF_TOKEN" not in vllm_launcher("org/model", {"trust_remote_code": True}).environment("key")


@on_linux
def test_no_key_is_in_the_environment_of_a_real_decoder(surroundings: None) -> None:
    child = worker_pool._start_worker("--ready")
    try:
        found = environment_of(child.pid)
    finally:
        worker_pool._end(child)
    assert "OMP_NUM_THREADS=2" in found
    assert not [name for name, value in SECRETS.items() if value in found or f"\0{name}=" in found]


@on_linux
def test_engine_environment_holds_only_its_own_key(surroundings: None, tmp_path: Path) -> None:
    code = "import os; print('environment:', sorted(os.environ))"
    launcher = fake_launcher({}, command=lambda folder, port: [sys.executable, "-c", code])
    engine = LocalEngine(launcher, log_dir=tmp_path)
    phases: list[EngineProgress] = []
    with pytest.raises(Exception, match="engine"):
        engine.ensure_ready(phases.append, __import__("threading").Event())
    said = "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("*.log"))
    assert "'CUDA_VISIBLE_DEVICES'" in said and "'FAKE_API_KEY'" in said
    assert not [name for name in SECRETS if f"'{name}'" in said]


def test_a_reader_finds_this_package_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import framelens; print(framelens.__file__)"],
        cwd=tmp_path,
        env=reader_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).parent.name == "framelens"


def test_a_reader_knows_nothing_of_the_user_but_home() -> None:
    user = {"USER": "me", "LOGNAME": "me", "SHELL": "/bin/zsh", "XDG_RUNTIME_DIR": "/run/user/1", "SSL_CERT_FILE": "/c"}
    assert set(reader_environment({**user, "HOME": "/home/me"})) == {"HOME", "PYTHONPATH"}
    assert set(engine_environment(user)) == set(user)


def test_children_are_in_process_groups_of_their_own() -> None:
    """The terminal sends Ctrl-C to the whole group of a command, which would end its children as if they had crashed.

    What is started from a child, or for an instant, is left out.
    """
    left_out = {"sandbox_check.py", "text_recognition.py", "node_probe.py", "ytdlp.py"}
    for path in (Path(__file__).parents[2] / "framelens").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("subprocess.Popen", "subprocess.run"):
                named = {one.arg for one in node.keywords}
                assert named & {"process_group", "start_new_session"} or path.name in left_out, path
