"""A clean environment for every test, and the real engines, each started at most once for the whole run."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from functools import partialmethod
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import pytest_timeout
from argon2 import PasswordHasher

from framelens import config, i18n, registry
from framelens.core.domain import Language
from framelens.engine import running_engines
from framelens.engine.base import Endpoint, Launcher
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.transformers import transformers_launcher
from framelens.engine.local.vllm import vllm_launcher
from framelens.jobs.engine_session import EngineSession
from framelens.llm import retries
from tests.forked_workers import ForkedPopen, waitpid

FIXTURES = Path(__file__).parent / "fixtures"
# Small and quick: no compilation, a cache of 1 GiB, the length that the test models were made for.
ENGINE_ARGUMENTS = {
    "enforce_eager": True,
    "max_model_len": 4096,
    "dtype": "float32",
    "max_num_seqs": 8,
    "limit_mm_per_prompt": {"image": 8},
}

MARKED_FIXTURES = {
    "vl_engine": "engine",
    "text_engine": "engine",
    "transformers_engine": "engine",
    "browser": "browser",
}
"""Each fixture that starts an engine or a browser, with the marker of the tests that use it."""
_PLUGINS = Path(registry.__file__).parent / "plugins"
DELETED_PLUGINS = [name for name in registry.BUILT_IN if not (_PLUGINS / name / "__init__.py").is_file()]
ENGINE_PROGRAMS = ("vllm.entrypoints", "transformers_dtype_patch")
_running: list[pytest.Item] = []
# Otherwise each of the many commands that the tests start would compile all that it imports, and each worker the tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Tests without a data folder of their own must not find the data and settings of this machine's user.
_user_data = tempfile.TemporaryDirectory(prefix="framelens-tests-", ignore_cleanup_errors=True)
os.environ["XDG_DATA_HOME"] = os.environ["XDG_CONFIG_HOME"] = _user_data.name
# Commands with another home find what the engines of this machine know; to ask them takes 15 s of the processor.
os.environ.setdefault("XDG_CACHE_HOME", str(Path("~/.cache").expanduser()))
# A small model gains nothing from a second core, and its threads would wait for each other when both are busy, twenty
# times as long as they compute. Set for all: what a module shares begins before the environment of its first test.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"


# What starts the tests in the background, a shell or nohup, has them ignore these, and what they start would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform != "win32":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def use_plugins(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Use these plugins alone: the argument's name is the plugin's, its value what each hook returns."""

    def use(**plugins: dict[str, Any]) -> None:
        manager = registry.new_manager()
        for name, returned in plugins.items():
            made = ModuleType(name)
            for hook, value in returned.items():
                setattr(made, hook, registry.hook(lambda value=value: value))
            manager.register(made, name)
        monkeypatch.setattr(registry, "manager", lambda: manager)
        monkeypatch.setattr(registry, "_left_out", {})

    return use


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run a worker more than there are cores: some tests mostly wait for a time-out or another process."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """With `--dist=loadgroup`, run all that starts engines on one worker."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from tests.scheduling import EnginesOnOneWorker

    return EnginesOnOneWorker(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use an engine or a browser, before any are deselected by their marks.

    Skip tests of what all plugins add together if the folder of any plugin was deleted.

    Files with tests that take long come first: such a file begun last would keep a single core busy at the end. What
    leaves a shared engine dead comes last, so that it need not start once more.
    """
    for item in items:
        for name in MARKED_FIXTURES.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKED_FIXTURES[name])
        if DELETED_PLUGINS and item.get_closest_marker("every_plugin"):
            item.add_marker(pytest.mark.skip(f"deleted: {', '.join(DELETED_PLUGINS)}"))
    long = {item.path for item in items if any(map(item.get_closest_marker, ("slow", "browser")))}
    items.sort(key=lambda item: (item.get_closest_marker("kills_engine") is not None, item.path not in long))


def pytest_collection_finish() -> None:
    """Leave what is loaded and collected by now, a million objects, out of each search for garbage."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remember which test runs, for `refuse_unmarked_engine`."""
    _running.append(item)
    try:
        return (yield)
    finally:
        _running.pop()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Limit a second try, too: pytest-timeout sets its timer once for all tries of a test."""
    limit_time(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Limit what fixtures do after a test: pytest-timeout stops its timer when the test fails."""
    limit_time(item)


def limit_time(item: pytest.Item) -> None:
    """Start the timer of pytest-timeout, which rings again if a fixture hangs after it rang."""
    settings = pytest_timeout._get_item_settings(item)
    if settings.timeout:
        item.config.hook.pytest_timeout_set_timer(item=item, settings=settings)
        signal.setitimer(signal.ITIMER_REAL, settings.timeout, settings.timeout)


def refuse_unmarked_engine(event: str, arguments: tuple[object, ...]) -> None:
    """Fail a test that starts an engine itself without the marker `engine`: `make check` would run it."""
    if event != "subprocess.Popen" or not _running or _running[-1].get_closest_marker("engine"):
        return
    command = arguments[1]
    words = [command] if isinstance(command, str) else list(command)  # type: ignore[call-overload]
    if any(name in str(word) for word in words for name in ENGINE_PROGRAMS):
        pytest.fail(f"{_running[-1].nodeid} starts an engine without pytest.mark.engine", pytrace=False)


sys.addaudithook(refuse_unmarked_engine)


@pytest.fixture
def going() -> Iterator[threading.Event]:
    """Lets a scripted engine or server send the rest of its answer, until a test clears it."""
    event = threading.Event()
    event.set()
    yield event
    event.set()


@pytest.fixture(autouse=True)
def clean_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the developer's machine reaches a test, and no test writes outside its own folder."""
    for name in list(os.environ):
        if name.startswith(("FRAMELENS_", "VLLM_", "HF_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "framelens-data"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    if request.node.get_closest_marker("engine"):
        monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    monkeypatch.setattr(config, "REPOSITORY", tmp_path)


@pytest.fixture(autouse=True)
def no_running_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines of the developer's machine are not looked for."""
    monkeypatch.setattr(running_engines, "local_servers", tuple)


@pytest.fixture(autouse=True)
def no_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text made without a language fails; outside of tests it would be in the system's, by accident."""

    def missing() -> Language:
        raise LookupError("a text is made outside of in_language")

    monkeypatch.setattr(i18n, "_page_language", missing)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy engine is asked again soon; how long is waited is tested apart."""
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(retries, "_FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """A hash of a password takes a fifth of a second of the processor, on purpose; no test is about that."""
    cheap = partialmethod(PasswordHasher.__init__, time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PasswordHasher, "__init__", cheap)
        yield


@pytest.fixture(autouse=True)
def forked_workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the programs of FrameLens that the tests' own process starts, but where the start is what is tested."""
    if sys.platform.startswith("linux") and not request.node.get_closest_marker("own_start"):
        monkeypatch.setattr(subprocess, "Popen", ForkedPopen)
        monkeypatch.setattr(os, "waitpid", waitpid)


@pytest.fixture
def english() -> Iterator[None]:
    with i18n.in_language("en"):
        yield


@pytest.fixture
def no_text_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes that a test starts find no text; reading it takes half of an analysis of a short video."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "no_text"), prepend=os.pathsep)


@pytest.fixture
def commands_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands that a test starts ask for words, which the test models write."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "in_words"), prepend=os.pathsep)


def in_words(session: EngineSession) -> EngineSession:
    """Let a session ask for words, which the test models write: they were never shown a JSON."""
    session.connector.takes_schema = False
    return session


@pytest.fixture(scope="session")
def tiny_vl() -> Path:
    """A Qwen2.5-VL of 1.4 million parameters that names the colours of up to eight frames."""
    return FIXTURES / "tiny-vl"


@pytest.fixture(scope="session")
def tiny_text() -> Path:
    """The same without eyes: a Qwen2 that vLLM refuses pictures for."""
    return FIXTURES / "tiny-text"


@pytest.fixture(scope="session")
def vl_engine(tiny_vl: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    yield from _engine(lambda: vllm_launcher(str(tiny_vl), ENGINE_ARGUMENTS), tmp_path_factory.mktemp("vl-engine"))


@pytest.fixture(scope="session")
def text_engine(tiny_text: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    arguments = {name: value for name, value in ENGINE_ARGUMENTS.items() if name != "limit_mm_per_prompt"}
    yield from _engine(lambda: vllm_launcher(str(tiny_text), arguments), tmp_path_factory.mktemp("text-engine"))


@pytest.fixture(scope="session")
def transformers_engine(tiny_text: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """`transformers serve` with the model without eyes: it takes pictures in and drops them without a word."""
    yield from _engine(lambda: transformers_launcher(str(tiny_text)), tmp_path_factory.mktemp("transformers-engine"))


@pytest.fixture
def vl_endpoint(vl_engine: LocalEngine) -> Endpoint:
    return ready(vl_engine)


@pytest.fixture
def text_endpoint(text_engine: LocalEngine) -> Endpoint:
    return ready(text_engine)


@pytest.fixture
def transformers_endpoint(transformers_engine: LocalEngine) -> Endpoint:
    return ready(transformers_engine)


def ready(engine: LocalEngine) -> Endpoint:
    """The endpoint of an engine, started where it is not yet running."""
    return engine.ensure_ready(lambda progress: None, threading.Event())


def _engine(make: Callable[[], Launcher], log_dir: Path) -> Iterator[LocalEngine]:
    if not sys.platform.startswith("linux"):
        pytest.skip("engines of our own run on Linux alone")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    engine = LocalEngine(make(), log_dir=log_dir)
    yield engine
    engine.stop()
