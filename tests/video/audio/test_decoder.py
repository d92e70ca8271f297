"""Sound in pieces, each on the axis of the pictures."""

import io
import threading
import wave
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from framelens.core.domain import SoundPiece
from framelens.core.errors import Cancelled
from framelens.video.audio.decoder import MOST_SECONDS, RATE, AudioSegmenter
from framelens.video.extractor import sound_pieces
from tests.spoken import Sound, quiet, tone, write_programmes, write_spoken, write_surround
from tests.video.conftest import decoding_children

NEAR = pytest.approx


def samples(piece: SoundPiece) -> Sound:
    with wave.open(io.BytesIO(piece.wav)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def onset(piece: SoundPiece) -> float:
    """When the first loud sample of the piece sounds."""
    return piece.start_seconds + int(np.argmax(np.abs(samples(piece)) > 2000)) / RATE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "codec", "within"), [(".mkv", "pcm_s16le", 0.001), (".mp4", "aac", 0.03), (".mkv", "libopus", 0.03)]
)
@pytest.mark.parametrize("picture_start", [0.0, 0.5])
@pytest.mark.parametrize("sound_start", [0.0, 0.7])
def test_a_tone_is_where_it_sounds_whichever_begins_first(
    tmp_path: Path, suffix: str, codec: str, within: float, picture_start: float, sound_start: float
) -> None:
    path = write_spoken(
        tmp_path / f"film{suffix}",
        picture_start=picture_start,
        sound=np.concatenate([quiet(1), tone(0.5), quiet(2), tone(1)]),
        sound_start=sound_start,
        sound_codec=codec,
    )
    pieces = list(sound_pieces(path))
    expected = [1.0 + sound_start - picture_start, 3.5 + sound_start - picture_start]
    assert [onset(piece) for piece in pieces] == NEAR(expected, abs=within)


@pytest.mark.slow
def test_silence_is_dropped_and_short_sound_padded(tmp_path: Path) -> None:
    sound = np.concatenate([quiet(5), tone(0.2), quiet(5), tone(2), quiet(3)])
    first, second = sound_pieces(write_spoken(tmp_path / "film.mkv", seconds=1, sound=sound))
    assert (first.start_seconds, first.end_seconds) == NEAR((4.8, 5.4), abs=0.021)
    assert (second.start_seconds, second.end_seconds) == NEAR((10.0, 12.4), abs=0.021)
    assert len(samples(first)) == RATE


@pytest.mark.slow
def test_a_silent_track_and_no_track_give_no_piece(tmp_path: Path, card_video: Path) -> None:
    assert list(sound_pieces(write_spoken(tmp_path / "film.mkv", seconds=1, sound=quiet(3)))) == []
    assert list(sound_pieces(card_video)) == []


@pytest.mark.slow
def test_long_sound_is_cut_at_quiet_places_without_loss(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).normal(0, 3000, RATE * 70).astype(np.int16)
    for pause in (24.0, 47.5):
        noise[round(pause * RATE) : round((pause + 0.4) * RATE)] //= 40
    pieces = list(sound_pieces(write_spoken(tmp_path / "film.mkv", seconds=1, sound=noise)))
    assert [piece.end_seconds for piece in pieces] == NEAR([24.2, 47.7, 70.0], abs=0.15)
    assert all(first.end_seconds == second.start_seconds for first, second in pairwise(pieces))
    assert np.array_equal(np.concatenate([samples(piece) for piece in pieces]), noise)


@pytest.mark.slow
def test_no_piece_is_longer_than_a_model_takes() -> None:
    cutter, pieces = AudioSegmenter(), []
    for second in range(100):
        pieces += cutter.push(float(second), tone(1))
    pieces += cutter.finish()
    assert max(piece.end_seconds - piece.start_seconds for piece in pieces) <= MOST_SECONDS
    assert sum(piece.end_seconds - piece.start_seconds for piece in pieces) == NEAR(100)


def test_a_gap_in_the_timestamps_is_a_gap_in_the_pieces() -> None:
    cutter = AudioSegmenter()
    pieces = [*cutter.push(0.0, tone(1)), *cutter.push(5.0, tone(1)), *cutter.finish()]
    assert [(piece.start_seconds, piece.end_seconds) for piece in pieces] == [(0.0, 1.0), (5.0, 6.0)]


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "pcm_s16le"), (".mp4", "aac")])
def test_a_range_gives_its_own_sound_alone(tmp_path: Path, suffix: str, codec: str) -> None:
    sound = np.concatenate([tone(10), quiet(2), tone(10, hertz=300)])
    path = write_spoken(tmp_path / f"film{suffix}", seconds=22, sound=sound, sound_codec=codec)
    pieces = list(sound_pieces(path, start_seconds=8.5, end_seconds=14.25))
    spans = [(piece.start_seconds, piece.end_seconds) for piece in pieces]
    assert spans == [NEAR((8.5, 10.2), abs=0.06), NEAR((11.8, 14.25), abs=0.06)]
    assert list(sound_pieces(path, start_seconds=30.0)) == []


@pytest.mark.slow
def test_cancel_ends_the_child_while_much_is_still_to_come(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "long.mkv", seconds=1, sound=np.tile(tone(10), 90))
    cancel = threading.Event()
    pieces = sound_pieces(path, cancel=cancel)
    next(pieces)
    (child,) = decoding_children()
    cancel.set()
    with pytest.raises(Cancelled):
        list(pieces)
    assert not psutil.pid_exists(child.pid)
    assert decoding_children() == []


@pytest.mark.slow
@pytest.mark.parametrize(("language", "start"), [("", 1.0), ("en", 1.0), ("zh", 2.0), ("de", 1.0)])
def test_of_several_tracks_the_wanted_language_is_heard(tmp_path: Path, language: str, start: float) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=1)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        speakers = [container.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in "ab"]
        for speaker, tag in zip(speakers, ("eng", "chi"), strict=True):
            speaker.metadata["language"] = tag
        for second in range(4):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
            for number, speaker in enumerate(speakers, 1):
                sound = tone(1) if second == number else quiet(1)
                block = av.AudioFrame.from_ndarray(sound.reshape(1, -1), "s16", "mono")
                block.sample_rate, block.pts = RATE, second * RATE
                container.mux(speaker.encode(block))
        container.mux(picture.encode(None))
    (piece,) = sound_pieces(path, language=language)
    assert onset(piece) == NEAR(start, abs=0.01)


@pytest.mark.slow
def test_channels_in_an_order_of_their_own_are_heard(tmp_path: Path) -> None:
    (piece,) = sound_pieces(write_surround(tmp_path / "film.mov", 2))
    assert (piece.start_seconds, piece.end_seconds) == NEAR((0.0, 2.0), abs=0.03)


@pytest.mark.slow
def test_sound_of_another_programme_is_not_heard(tmp_path: Path) -> None:
    late, early = np.concatenate([quiet(2), tone(1)]), tone(1)
    (piece,) = sound_pieces(write_programmes(tmp_path / "two.ts", late, early))
    assert onset(piece) == NEAR(2.0, abs=0.05)
    assert list(sound_pieces(write_programmes(tmp_path / "one.ts", None, early))) == []
