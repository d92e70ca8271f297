"""Speech without a server: faster-whisper in its own process, on a model of its real architecture."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from framelens import config
from framelens.analysis.inputs.transcription import Found, Transcription
from framelens.core.domain import SoundPiece, SpeechSpans, seconds_of, speech_between
from framelens.core.errors import AppError, Cancelled, DecodeError, EngineError, InputError, ModelNotFound
from framelens.engine.recognisers import build_recogniser, local_recogniser
from framelens.i18n import error_text
from framelens.plugins.speech import hub_model
from framelens.plugins.speech import recogniser as recogniser_module
from framelens.plugins.speech.recogniser import EngineRecogniser, WorkerRecogniser, recogniser
from framelens.store.extraction_cache import ExtractionStore
from framelens.video.extractor import probe
from tests.plugins.speech.conftest import voice
from tests.spoken import RATE, quiet, write_spoken

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(tmp_path: Path, whisper_folder: Path) -> config.Settings:
    return config.load({"FRAMELENS_DATA_DIR": str(tmp_path), "FRAMELENS_SPEECH": str(whisper_folder)})


def hear(path: Path, settings: config.Settings, **more: Any) -> Found:
    made = Transcription(build_recogniser(settings), ExtractionStore(settings.data_dir / "surveys"))
    cancel = more.pop("cancel", threading.Event())
    return made.hear(probe(path), (0.0, None), sha256=lambda: "ab", cancel=cancel, **more)


def workers() -> list[psutil.Process]:
    running = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    return [one for one in running if any("plugins.speech" in part for part in one.cmdline())]


def test_words_have_the_times_of_the_recording(spoken_film: Path, settings: config.Settings) -> None:
    transcript, notices = hear(spoken_film, settings)
    assert transcript is not None and notices == () and transcript.label == "Whisper whisper"
    assert [cue.text for cue in transcript.cues] == ["one", "two", "three"] * 9
    for number, cue in enumerate(transcript.cues):
        start = 1 + 73 * (number // 9)
        assert start - 0.5 <= cue.start_seconds < cue.end_seconds <= start + 62.5
    assert workers() == []


def test_noise_and_silence_have_no_words(tmp_path: Path, settings: config.Settings) -> None:
    noise = (300 * np.random.default_rng(1).standard_normal(60 * RATE)).astype(np.int16)
    transcript, _ = hear(write_spoken(tmp_path / "noise.mkv", seconds=1, sound=noise), settings)
    assert transcript is not None and transcript.cues == ()


def test_of_digital_silence_no_process_is_started(tmp_path: Path, settings: config.Settings) -> None:
    started: list[float] = []
    path = write_spoken(tmp_path / "silent.mkv", seconds=1, sound=quiet(60))
    transcript, _ = hear(path, settings, on_start=lambda start, pace, speech: started.append(start))
    assert transcript is not None and transcript.cues == () and started == []


def test_cancelled_work_continues_where_it_ended(spoken_film: Path, settings: config.Settings) -> None:
    cancel, first = threading.Event(), list[float]()

    def stop(reached: float, cues: tuple[object, ...]) -> None:
        first.append(reached)
        if cues:
            cancel.set()

    with pytest.raises(Cancelled):
        hear(spoken_film, settings, cancel=cancel, on_progress=stop)
    assert workers() == []
    started = list[float]()
    transcript, _ = hear(spoken_film, settings, on_start=lambda start, pace, speech: started.append(start))
    assert started == [first[-1]] * 2 and started[0] > 60
    assert transcript is not None and [cue.text for cue in transcript.cues] == ["one", "two", "three"] * 9
    again = hear(spoken_film, settings, on_start=lambda start, pace, speech: started.append(start))
    assert again[0] == transcript and len(started) == 2


def test_speech_is_looked_for_once_in_a_recording(
    spoken_film: Path, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel, known = threading.Event(), list[SpeechSpans | None]()

    def begin(start: float, pace: float | None, speech: SpeechSpans | None) -> None:
        known.append(speech)
        if speech is not None:
            cancel.set()

    with pytest.raises(Cancelled):
        hear(spoken_film, settings, cancel=cancel, on_start=begin)
    before, speech = known
    assert before is None and speech is not None and seconds_of(speech) == pytest.approx(3 * 62, abs=6)
    assert all(seconds_of(speech_between(speech, at, at + 9)) == 0 for at in (64, 137, 210))
    monkeypatch.setattr(recogniser_module, "_find", lambda *_: pytest.fail("speech was looked for again"))
    whole, _ = hear(spoken_film, settings, on_start=begin)
    assert known[2:] == [None, speech] and whole is not None and len(whole.cues) == 27


@pytest.mark.own_start
def test_a_killed_worker_costs_only_what_it_was_about(spoken_film: Path, settings: config.Settings) -> None:
    def kill(_: float, cues: tuple[object, ...]) -> None:
        for one in workers() if cues else ():
            os.kill(one.pid, signal.SIGKILL)

    transcript, notices = hear(spoken_film, settings, on_progress=kill)
    assert transcript is not None and len(transcript.cues) < 27
    assert [notice.key for notice in notices] == ["speech_incomplete"]
    whole, notices = hear(spoken_film, settings)
    assert whole is not None and len(whole.cues) == 27 and notices == ()


@pytest.mark.own_start
def test_the_worker_has_neither_network_nor_priority(spoken_film: Path, settings: config.Settings) -> None:
    seen = list[tuple[int, str]]()

    def look(*_: object) -> None:
        for one in workers():
            status = Path(f"/proc/{one.pid}/status").read_text()
            seen.append((one.nice(), next(line for line in status.splitlines() if line.startswith("Seccomp:"))))

    hear(spoken_film, settings, on_progress=look)
    assert seen and all(nice >= psutil.Process().nice() + 10 or nice == 19 for nice, _ in seen)
    assert all(seccomp.split()[1] == "2" for _, seccomp in seen)


@contextmanager
def refused(key: str, kind: type[AppError]) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert caught.value.key == key and "\n" not in error_text(caught.value, "zh")


def test_a_model_of_another_language_is_refused(spoken_film: Path, settings: config.Settings) -> None:
    made = Transcription(build_recogniser(settings), ExtractionStore(settings.data_dir), language="zh")
    with refused("speech_language_unknown", InputError):
        made.hear(probe(spoken_film), (0.0, None), sha256=lambda: "ab", cancel=threading.Event())


def test_a_fault_is_of_the_model_by_its_name_or_of_the_video(
    settings: config.Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whisper_folder: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    snapshot = tmp_path / "hub" / "models--Systran--faster-whisper-small" / "snapshots" / ("0a" * 20)
    shutil.copytree(whisper_folder, snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0a" * 20)
    found = recogniser(replace(settings, speech_model_path="small"))
    assert isinstance(found, WorkerRecogniser)
    with pytest.raises(InputError) as unknown, found.ready("xx", threading.Event(), None):
        pass
    assert unknown.value.values == {"model": "small", "language": "xx"}

    def broken() -> Iterator[SoundPiece]:
        raise DecodeError("sound_undecodable", name="film", codec="aac")
        yield

    with (
        pytest.raises(DecodeError) as damaged,
        found.ready("en", threading.Event(), None) as listener,
    ):
        list(listener.listen(broken(), (), threading.Event()))
    assert damaged.value.key == "sound_undecodable"


def test_a_damaged_model_says_so(spoken_film: Path, settings: config.Settings, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    for one in Path(settings.speech_model_path).iterdir():
        (folder / one.name).write_bytes(one.read_bytes()[:90_000] if one.name == "model.bin" else one.read_bytes())
    with refused("speech_model_unusable", InputError):
        hear(spoken_film, replace(settings, speech_model_path=str(folder)))
    (folder / "tokenizer.json").unlink()
    with refused("speech_model_incomplete", ModelNotFound):
        hear(spoken_film, replace(settings, speech_model_path=str(folder)))


def test_without_faster_whisper_a_line_says_what_to_install(
    spoken_film: Path, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_model, "find_spec", lambda package: None)
    with refused("speech_not_installed", EngineError):
        hear(spoken_film, settings)
    assert recogniser(replace(settings, speech_model_path="")) is None


def test_a_download_needs_consent(settings: config.Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "hub"))
    found = recogniser(replace(settings, speech_model_path=""))
    assert isinstance(found, WorkerRecogniser) and found.download_bytes() and not found.is_available()
    with refused("speech_model_absent", ModelNotFound):
        found.model(threading.Event())
    found.confirm_download()
    assert found.is_available() and found.model(threading.Event()).label.startswith("Whisper ")


@pytest.mark.parametrize("name", ["openai/whisper-large-v3-turbo", "no/such", "/nowhere", "Qwen/Qwen3-VL-8B-Instruct"])
def test_other_models_are_left_to_an_engine(name: str, settings: config.Settings) -> None:
    assert isinstance(recogniser(replace(settings, speech_model_path=name)), EngineRecogniser)


def test_a_server_comes_before_this_machine(settings: config.Settings) -> None:
    at_server = replace(settings, speech_base_url="http://127.0.0.1:9/v1")
    assert local_recogniser(settings) is not None and local_recogniser(at_server) is None
    assert isinstance(build_recogniser(at_server), EngineRecogniser)


def test_voice_of_these_tests_is_speech_to_the_detector() -> None:
    from faster_whisper.vad import get_speech_timestamps

    sound = np.concatenate([quiet(2), voice(5), quiet(4)]).astype(np.float32) / 32768
    (found,) = get_speech_timestamps(sound)
    assert found["start"] / RATE == pytest.approx(2, abs=0.6) and found["end"] / RATE == pytest.approx(7, abs=0.6)
