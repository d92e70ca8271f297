import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from framelens.analysis.prompts import prompts
from framelens.analysis.prompts.templates import Templates
from framelens.config import load
from framelens.core.domain import AnalysisRequest, Language
from framelens.core.errors import ConfigError
from framelens.i18n import LANGUAGES, catalogue
from framelens.jobs import engine_session
from framelens.jobs.engine_session import EngineSession
from framelens.jobs.model_switch import ModelSwitch


@pytest.mark.parametrize("language", LANGUAGES)
def test_conditions_change_with_prompt_texts(
    language: Language, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = load({"FRAMELENS_BASE_URL": "http://127.0.0.1:1/v1"}, tmp_path / ".env")
    request = AnalysisRequest(Path("a.mp4"), language=language)

    def conditions() -> dict[str, str]:
        return engine_session.conditions(settings, Templates(), request)

    before = conditions()
    assert conditions() == before
    texts = catalogue(language)
    monkeypatch.setitem(texts, "ui.start", "Go")
    assert conditions() == before  # not sent to a model
    monkeypatch.setitem(texts, "prompt.system", "Look.")
    changed = conditions()
    assert {key for key in before if before[key] != changed[key]} == {"prompt"}
    assert changed["prompt"] == prompts.digest(language)[:8]


@pytest.mark.parametrize(
    "speech",
    [
        "http://127.0.0.1:1/v1 whisper-2",
        "http://127.0.0.1:2/v1 whisper-1",
        '{"model": "http://127.0.0.1:1/v1 whisper-1", "language": "de"}',
    ],
)
def test_conditions_change_with_the_settings_of_speech(
    speech: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_session, "has_recogniser", lambda: True)
    given = {
        "FRAMELENS_BASE_URL": "http://127.0.0.1:1/v1",
        "FRAMELENS_SPEECH": "http://127.0.0.1:1/v1 whisper-1",
    }

    def conditions(values: dict[str, str]) -> dict[str, str]:
        settings = load(values, tmp_path / ".env")
        return engine_session.conditions(settings, Templates(), AnalysisRequest(Path("a.mp4")))

    before, after = conditions(given), conditions({**given, "FRAMELENS_SPEECH": speech})
    assert {key for key in before if before[key] != after[key]} == {"speech"}


def test_parts_of_a_session_are_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Barrier(2)

    def slow(_: object) -> object:
        threading.Event().wait(0.2)
        return object()

    def use(_: int) -> object:
        begun.wait(20)
        return session.transcription

    monkeypatch.setattr("framelens.jobs.engine_session.build_transcription", slow)
    settings = load({"FRAMELENS_DATA_DIR": str(tmp_path)}, dotenv=tmp_path / "no.env")
    session = EngineSession(settings, Templates())
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(use, range(2))
    assert first is second


def test_a_choice_on_the_page_loads_no_code(tmp_path: Path) -> None:
    settings = load({"FRAMELENS_DATA_DIR": str(tmp_path)}, tmp_path / ".env")
    chosen = ModelSwitch.with_local_model(settings, model="org/m", vllm_config='{"max_num_seqs": 4}', engine="vllm")
    assert chosen.vllm_config["max_num_seqs"] == 4
    for code in ('{"worker_cls": "evil.Worker"}', '{"trust_remote_code": true}'):
        with pytest.raises(ConfigError, match="vllm_argument_loads_code"):
            ModelSwitch.with_local_model(settings, model="org/m", vllm_config=code, engine="vllm")
