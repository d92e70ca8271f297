"""Speakers separated by sherpa-onnx itself, on models that hear nothing but low and bright voices."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from framelens import config
from framelens.analysis.inputs.speakers import with_speakers
from framelens.analysis.inputs.transcription import Transcription
from framelens.core.domain import Cue, Notice, SpeakerTurn, Transcript
from framelens.core.errors import Cancelled
from framelens.core.installation import install_line
from framelens.engine.recognisers import local_diariser
from framelens.i18n import notice_text
from framelens.plugins.speech import hub_model
from framelens.plugins.speech.diarisation.worker import joined
from framelens.plugins.speech.recognition.messages import SoundSent
from framelens.store.extraction_cache import ExtractionStore
from framelens.video.extractor import probe
from tests.plugins.speech.conftest import voice
from tests.spoken import quiet, write_spoken

SAID = Transcript("speech", "x", tuple(Cue(start, start + 4, f"at {start}") for start in (2, 10, 24, 30, 50, 60)))


@pytest.fixture
def settings(tmp_path: Path, speaker_folder: Path) -> config.Settings:
    return config.load(
        {
            "FRAMELENS_DATA_DIR": str(tmp_path),
            "FRAMELENS_SPEECH": json.dumps({"speaker_models": str(speaker_folder)}),
        }
    )


def separated(
    path: Path,
    settings: config.Settings,
    number: int,
    shares: list[float] | None = None,
    cancel: threading.Event | None = None,
) -> tuple[Transcript, tuple[Notice, ...]]:
    store = ExtractionStore(settings.data_dir / "surveys")
    made = Transcription(None, store, diariser=lambda: local_diariser(settings))

    def note(share: float) -> None:
        if shares is not None:
            shares.append(share)
            if cancel and share:
                cancel.set()

    return made.separate_speakers(
        probe(path), SAID, (0.0, None), number, sha256=lambda: "ab", cancel=cancel or threading.Event(), on_share=note
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 0])
def test_two_voices_are_two_speakers(number: int, dialogue: Path, settings: config.Settings) -> None:
    shares: list[float] = []
    transcript, notices = separated(dialogue, settings, number, shares)
    assert [cue.speaker for cue in transcript.cues] == [1, 1, 2, 2, 1, 1] and notices == ()
    assert transcript.speakers == ("", "") and transcript.speakers_guessed == (number == 0)
    assert shares[0] == 0 and shares[-1] == 1 and shares == sorted(shares)
    again: list[float] = []
    assert separated(dialogue, settings, number, again)[0] == transcript and again == []
    assert not [one for one in psutil.Process().children() if "diarisation" in " ".join(one.cmdline())]


@pytest.mark.slow
def test_a_cancelled_diarisation_ends_and_is_not_kept(dialogue: Path, settings: config.Settings) -> None:
    with pytest.raises(Cancelled):
        separated(dialogue, settings, 2, [], threading.Event())
    shares: list[float] = []
    separated(dialogue, settings, 2, shares)
    assert shares[0] == 0


@pytest.mark.slow
def test_a_sound_without_voices_has_no_speakers(tmp_path: Path, settings: config.Settings) -> None:
    path = write_spoken(
        tmp_path / "quiet.mkv", seconds=1, sound=np.concatenate([quiet(3), voice(0.2) // 300, quiet(9)])
    )
    transcript, notices = separated(path, settings, 2)
    assert [cue.speaker for cue in transcript.cues] == [0] * 6 and transcript.speakers == () and notices == ()


def refusal(path: Path, settings: config.Settings) -> str:
    transcript, (notice,) = separated(path, settings, 2)
    assert transcript == SAID and "\n" not in notice_text(notice)
    return notice_text(notice)


@pytest.mark.slow
def test_what_is_missing_is_said_in_a_line(
    dialogue: Path, settings: config.Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "segmentation" in refusal(dialogue, replace(settings, speaker_model_path=str(tmp_path)))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "hub"))
    assert "framelens download --speakers" in refusal(dialogue, replace(settings, speaker_model_path=""))
    monkeypatch.setattr(hub_model, "find_spec", lambda package: None)
    said = refusal(dialogue, settings)
    assert "sherpa-onnx" in said and install_line("speech") in said


@pytest.mark.parametrize(
    ("turns", "found"),
    [
        ([(0, 9, 7), (9, 20, 3)], [1, 2]),
        ([(0, 2.5, 1), (2.5, 6, 2), (10, 20, 2)], [1, 1]),  # who speaks most
        ([(6.3, 7, 1), (14.3, 15, 2)], [1, 2]),  # near enough
        ([(7, 8, 1)], [0, 0]),
        ([(0, 60, 1), (10.5, 11, 2)], [1, 1]),  # a long turn that began earlier
    ],
)
def test_who_speaks_most_says_a_cue(turns: list[tuple[float, float, int]], found: list[int]) -> None:
    short = replace(SAID, cues=SAID.cues[:2])
    result = with_speakers(short, [SpeakerTurn(*turn) for turn in turns], is_guess=False)
    assert [cue.speaker for cue in result.cues] == found and len(result.speakers) == max(found)


def test_silence_that_was_not_sent_keeps_its_length() -> None:
    loud = np.full(16_000, 16384, "<i2").tobytes()
    start, samples = joined([SoundSent(3, 4, loud), SoundSent(6, 7, loud)])
    assert start == 3 and len(samples) >= 4 * 16_000
    assert samples[8000] == samples[3 * 16_000 + 8000] == 0.5 and samples[2 * 16_000] == 0
