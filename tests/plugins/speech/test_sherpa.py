"""SenseVoice and Paraformer run in sherpa-onnx itself, on models of their forms that hear the same in everything."""

import threading
from pathlib import Path

import numpy as np
import pytest

from framelens import config
from framelens.analysis.inputs.transcription import Found, Transcription
from framelens.core.errors import AppError, InputError, ModelNotFound
from framelens.engine.recognisers import build_recogniser, local_recogniser
from framelens.plugins.speech.hub_model import SpeechModel
from framelens.plugins.speech.recognition.packing import SpeechPassage
from framelens.plugins.speech.recognition.sherpa import words_of
from framelens.plugins.speech.sherpa_models import find_sherpa_model
from framelens.store.extraction_cache import ExtractionStore
from framelens.video.extractor import probe
from tests.plugins.speech.miniatures import STEP_SECONDS, write_paraformer, write_segmentation, write_sense_voice

PASSAGE = SpeechPassage(10.0, np.zeros(4 * 16_000, np.float32))


@pytest.fixture
def voice_folder(tmp_path: Path) -> Path:
    write_sense_voice(tmp_path / "sv")
    return tmp_path / "sv"


def hear(path: Path, model: Path | str, tmp_path: Path, language: str = "") -> Found:
    settings = config.load({"FRAMELENS_DATA_DIR": str(tmp_path / "data"), "FRAMELENS_SPEECH": str(model)})
    made = Transcription(build_recogniser(settings), ExtractionStore(settings.data_dir / "surveys"), language=language)
    return made.hear(probe(path), (0.0, None), sha256=lambda: "ab", cancel=threading.Event())


@pytest.mark.slow
def test_sense_voice_hears_chinese_with_its_times(dialogue: Path, voice_folder: Path, tmp_path: Path) -> None:
    transcript, notices = hear(dialogue, voice_folder, tmp_path, language="zh")
    assert transcript is not None and notices == () and transcript.label == "SenseVoice sv"
    assert [cue.text for cue in transcript.cues][:3] == ["你好。", "hello you你好。", "hello you你好。"]
    first, second = transcript.cues[:2]
    assert 0.5 <= first.start_seconds <= 1.5  # the voice begins at 1 s
    assert second.start_seconds - first.start_seconds == pytest.approx(3 * STEP_SECONDS, abs=0.15)
    assert all(cue.end_seconds <= 70 for cue in transcript.cues)


@pytest.mark.slow
def test_paraformer_without_times_spreads_its_words(dialogue: Path, tmp_path: Path) -> None:
    write_paraformer(tmp_path / "pf")
    transcript, _ = hear(dialogue, tmp_path / "pf", tmp_path)
    assert transcript is not None and transcript.label == "Paraformer pf"
    assert {cue.text for cue in transcript.cues} <= {"你好 hello you", "你好", "hello you", "hello", "you", "你", "好"}


@pytest.mark.slow
def test_a_language_that_it_does_not_know_is_refused(dialogue: Path, voice_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        hear(dialogue, voice_folder, tmp_path, language="de")
    assert caught.value.key == "speech_language_unknown"


@pytest.mark.slow
def test_weights_that_break_off_are_a_sentence(dialogue: Path, voice_folder: Path, tmp_path: Path) -> None:
    whole = (voice_folder / "model.int8.onnx").read_bytes()
    (voice_folder / "model.int8.onnx").write_bytes(whole[:20] + whole[400:])
    with pytest.raises(AppError) as caught:
        hear(dialogue, voice_folder, tmp_path)
    assert caught.value.key in ("speech_model_unusable", "speech_worker_died")


def test_models_are_known_by_name_and_by_what_is_in_a_folder(
    voice_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "hub"))
    settings = config.load({"FRAMELENS_DATA_DIR": str(tmp_path), "FRAMELENS_SPEECH": "sensevoice"})
    found = local_recogniser(settings)
    assert isinstance(found, SpeechModel) and found.label == "SenseVoice" and found.download_bytes() == 239_000_000
    with pytest.raises(ModelNotFound) as caught:
        found.fetch(lambda _: None, threading.Event())
    assert caught.value.key == "speech_model_absent"
    write_segmentation(tmp_path / "model.onnx")
    assert find_sherpa_model(str(tmp_path)) is None and find_sherpa_model("small") is None
    (voice_folder / "tokens.txt").unlink()
    assert find_sherpa_model(str(voice_folder)) is None


@pytest.mark.parametrize(
    ("tokens", "is_marked", "words"),
    [
        (["你", "好", " he", "llo", "'", "s", "。"], False, ["你", "好", " hello's", "。"]),
        (["he@@", "llo", "world", "再", "见"], True, [" hello", " world", "再", "见"]),
        ([" ", " a"], False, [" a"]),
        ([], False, []),
    ],
)
def test_pieces_become_words(tokens: list[str], is_marked: bool, words: list[str]) -> None:
    found = words_of(tokens, [0.5 * place for place in range(len(tokens))], PASSAGE, is_marked=is_marked)
    assert [one.text for one in found] == words
    assert all(10 <= one.start_seconds <= one.end_seconds <= 14 for one in found)
    assert [one.ends_segment for one in found] == [False] * (len(found) - 1) + [True] * bool(found)


def test_a_word_before_a_pause_does_not_last_until_the_next() -> None:
    first, second = words_of(["好", "吗"], [0.0, 3.0], PASSAGE, is_marked=False)
    assert first.end_seconds == 10.6 and second.start_seconds == 13.0
