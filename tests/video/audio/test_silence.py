"""Silent stretches of the sound, on the axis of the pictures."""

from pathlib import Path

import numpy as np
import pytest

from framelens.core.domain import Selection, Stretch
from framelens.core.events import FactsMeasured, KeyframesChosen, SilenceMeasured
from framelens.video.audio.silence import silent_stretches
from framelens.video.extractor import extract, probe, remaining_facts
from framelens.video.keyframes.options import ExtractOptions
from tests.spoken import quiet, tone, write_spoken

NEAR = pytest.approx


def spans(path: Path, start: float = 0.0, end: float = 10.0) -> list[tuple[float, float]]:
    return [(one.start_seconds, one.end_seconds) for one in silent_stretches(probe(path), start, end)]


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "pcm_s16le"), (".mp4", "aac"), (".mkv", "libopus")])
def test_silence_is_between_what_sounds(tmp_path: Path, suffix: str, codec: str) -> None:
    sound = np.concatenate([quiet(3), tone(1), quiet(1.5), tone(1), quiet(3.5)])
    path = write_spoken(tmp_path / f"film{suffix}", seconds=10.0, sound=sound, sound_codec=codec)
    assert [time for span in spans(path) for time in span] == NEAR([0.0, 3.0, 6.5, 10.0], abs=0.08)


@pytest.mark.parametrize(("level", "is_silent"), [(0, True), (28, True), (40, False), (100, False)])
def test_sound_below_sixty_decibels_is_silent(tmp_path: Path, level: int, is_silent: bool) -> None:
    path = write_spoken(tmp_path / "film.mkv", sound=tone(4, loud=level))
    assert spans(path, end=4.0) == ([NEAR((0.0, 4.0), abs=0.01)] if is_silent else [])


def test_late_and_short_sound_leaves_silence_around_it(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mkv", seconds=10.0, sound=tone(2), sound_start=3.0)
    assert spans(path) == [NEAR((0.0, 3.0), abs=0.05), NEAR((5.0, 10.0), abs=0.05)]
    assert spans(path, start=4.5, end=9.0) == [NEAR((5.0, 9.0), abs=0.05)]
    assert spans(path, start=4.5, end=6.5) == []


def test_silence_is_measured_where_there_is_sound(tmp_path: Path, card_video: Path) -> None:
    # Extraction measures silence after the frames.
    sound = np.concatenate([tone(1), quiet(3)])
    path = write_spoken(tmp_path / "film.mkv", sound=sound)
    for selection in (Selection(), Selection("uniform")):
        *_, last = extract(path, ExtractOptions(4, selection))
        assert isinstance(last, SilenceMeasured)
        assert [(stretch.start_seconds, stretch.end_seconds) for stretch in last.stretches] == [
            NEAR((1.0, 4.0), abs=0.05)
        ]
    # Frames alone and soundless videos have none.
    path = write_spoken(tmp_path / "film.mkv", sound=quiet(4))
    alone = extract(path, ExtractOptions(4), only_frames=True)
    assert not any(isinstance(event, SilenceMeasured) for event in (*alone, *extract(card_video, ExtractOptions(4))))


def test_silence_is_measured_when_only_it_is_missing(tmp_path: Path) -> None:
    path, options = write_spoken(tmp_path / "film.mkv", sound=quiet(4)), ExtractOptions(2)
    chosen = next(one for one in extract(path, options) if isinstance(one, KeyframesChosen))
    facts = [one.facts for one in extract(path, options) if isinstance(one, FactsMeasured)]
    assert list(remaining_facts(path, chosen.keyframes, facts, options)) == []
    (silence,) = remaining_facts(path, chosen.keyframes, facts, options, sound_until=4.0)
    assert silence == SilenceMeasured((Stretch(0.0, 4.0, "silent"),))
