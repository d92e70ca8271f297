"""DeepSeek-VL in miniature, in transformers' own classes, through the second engine and the whole application.

In bfloat16, as its weights are stored, the 7B's class fails over its first picture where no program matches the types.
Tests marked thorough start the rest: both classes in both types, and the failure without the matching of types.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from framelens.analysis.prompts import templates
from framelens.analysis.task import Task
from framelens.config import load
from framelens.core.domain import Analysis, AnalysisRequest
from framelens.core.errors import EngineError, ModelNotFound
from framelens.core.events import Finished
from framelens.engine.base import Launcher
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.transformers import transformers_launcher
from framelens.jobs.engine_session import EngineSession, conditions
from framelens.llm.chat import connect
from framelens.llm.messages import data_url
from framelens.llm.stream import ask
from framelens.llm.text_fallback import VisionProbe, prove_sight
from framelens.reports.formats import FORMATS
from tests.app.fake_services import keyframes
from tests.cards import write_card_video
from tests.conftest import in_words, ready
from tests.llm.scripted import say
from tests.loopback import Handler, listening
from tests.updates import events_of

pytestmark = [pytest.mark.engine, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="engines of our own")]
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "make_deepseek_models.py"
SETTINGS = load({"FRAMELENS_ANSWER_TOKENS": "48"})
TOKENS_A_PICTURE = 16
PICTURES = [data_url(frame, 64) for frame in keyframes()[:2]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders `plain` and `hybrid`."""
    folder = tmp_path_factory.mktemp("deepseek")
    subprocess.run([sys.executable, str(SCRIPT), "--out", str(folder)], check=True, capture_output=True)
    return folder


@contextmanager
def running(launcher: Launcher, folder: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(launcher, log_dir=folder)
    try:
        ready(engine)
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="module")
def hybrid(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with running(transformers_launcher(str(models / "hybrid")), tmp_path_factory.mktemp("hybrid")) as engine:
        yield engine


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("drawn") / "cards.mp4", ["red", "blue", "green"])


def analyse(video: Path, engine: LocalEngine) -> Analysis:
    run = in_words(EngineSession(SETTINGS, templates.Templates(None), engine)).run
    *_, last = events_of(run(Task(AnalysisRequest(video, frames=3, language="en"), "deepseek")))
    assert isinstance(last, Finished)
    return last.analysis


def check_that_it_sees(engine: LocalEngine) -> None:
    """Pictures reach the model by the count of its tokens and by what it says, and nothing fails on the way."""
    endpoint = ready(engine)
    chat = connect(endpoint.base_url, api_key=endpoint.api_key, model=endpoint.model, max_tokens=24)
    assert prove_sight(chat) == VisionProbe(True, TOKENS_A_PICTURE)
    answers = [ask(chat, say("Which colours?", *shown)).text for shown in ((), PICTURES[:1], PICTURES[1:])]
    assert all(re.fullmatch("[a-z]{24}", answer) for answer in answers) and len(set(answers)) == 3
    assert "should be the same" not in engine.log_tail(2000)


@pytest.mark.thorough
def test_the_class_of_the_7b_sees_in_bfloat16(hybrid: LocalEngine) -> None:
    check_that_it_sees(hybrid)


def test_deepseek_analyses_video_and_report_says_how(hybrid: LocalEngine, video: Path) -> None:
    analysis = analyse(video, hybrid)
    assert analysis.mode == "messages" and analysis.chunks[0].answer
    assert analysis.engine and (analysis.engine.sees, analysis.engine.max_model_len) == (True, 16384)
    assert analysis.usage.prompt_tokens > len(analysis.keyframes) * TOKENS_A_PICTURE
    report = FORMATS["markdown"].to_bytes(analysis, "en", appendix=True).decode()
    assert "the model saw the frames (messages)" in report and "transformers" in report


def test_only_data_is_taken_for_pictures(hybrid: LocalEngine, tmp_path: Path) -> None:
    asked: list[str] = []

    class Page(Handler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    (tmp_path / "secret.jpg").write_bytes(keyframes()[0].jpeg)
    endpoint = ready(hybrid)
    known = {"Authorization": f"Bearer {endpoint.api_key}"}
    with listening(Page) as url:
        for given in (str(tmp_path / "secret.jpg"), f"{url}/picture", keyframes()[0].jpeg.hex(), PICTURES[0]):
            for part in ({"type": "image_url", "image_url": {"url": given}}, {"type": "image_url", "image_url": given}):
                body = {"model": endpoint.model, "messages": [{"role": "user", "content": [part]}], "max_tokens": 1}
                answer = httpx.post(f"{endpoint.base_url}/chat/completions", json=body, headers=known, timeout=60)
                assert answer.status_code == (200 if given == PICTURES[0] else 400), (given, answer.text)
                assert given == PICTURES[0] or "must be data" in answer.text
    assert asked == []


def test_conditions_name_the_answering_engine() -> None:
    settings = load({"FRAMELENS_ENGINE": "transformers", "VLLM_MODEL_PATH": "org/model"})
    loaded, request = templates.Templates(None), AnalysisRequest(Path("a.mp4"))
    reported = conditions(settings, loaded, request)
    assert reported["engine"] == f"transformers {version('transformers')}" and reported["vllm_config"] == ""
    reported = conditions(replace(settings, engine="vllm"), templates.Templates(None), AnalysisRequest(Path("a.mp4")))
    assert reported["engine"].startswith("vllm ") and "max_model_len" in reported["vllm_config"]


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "dtype"), [("plain", "auto"), ("plain", "float32"), ("hybrid", "float32")])
def test_either_class_sees_in_either_type(kind: str, dtype: str, models: Path, tmp_path: Path) -> None:
    with running(transformers_launcher(str(models / kind), dtype=dtype), tmp_path) as engine:
        check_that_it_sees(engine)


@pytest.mark.thorough
def test_unmatched_dtypes_fail_with_their_own_diagnosis(models: Path, video: Path, tmp_path: Path) -> None:
    """When this test fails, transformers converts pictures for SAM itself, and the program is not needed any more."""

    def command(folder: Path, port: int) -> list[str]:
        serve = [sys.executable, "-P", "-m", "transformers.cli.transformers", "serve", str(folder)]
        return [*serve, "--host", "127.0.0.1", "--port", str(port)]

    bare = replace(transformers_launcher(str(models / "hybrid")), command=command)
    with running(bare, tmp_path) as engine, pytest.raises(EngineError) as caught:
        analyse(video, engine)
    assert caught.value.key == "dtypes_mixed"
    assert (caught.value.values["left"], caught.value.values["right"]) == ("float", "BFloat16")


@pytest.mark.thorough
def test_start_without_processor_is_refused(models: Path, tmp_path: Path) -> None:
    blind = shutil.copytree(models / "plain", tmp_path / "blind")
    (blind / "processor_config.json").unlink()
    with pytest.raises(ModelNotFound) as caught, running(transformers_launcher(str(blind)), tmp_path):
        pass
    assert caught.value.key == "model_files_missing" and "image processor" in str(caught.value.values["detail"])
