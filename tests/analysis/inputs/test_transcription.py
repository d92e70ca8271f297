"""What is said in a video: from its subtitles, or from a recogniser, and the notice where there is neither."""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from framelens.analysis.inputs import transcription
from framelens.analysis.inputs.transcription import Transcription, cues_between
from framelens.core.domain import AnalysisRequest, Cue, Notice, Selection, SoundPiece, Spoken, Transcript
from framelens.core.errors import Cancelled, EngineError
from framelens.engine.recognisers import Pieces, Recogniser, SpeechListener, SpeechModelName
from framelens.i18n import LANGUAGES, notice_text
from framelens.store.extraction_cache import ExtractionStore
from framelens.video.extractor import probe, sound_pieces
from tests.spoken import Track, quiet, tone, write_spoken

Found = tuple[Transcript | None, tuple[Notice, ...]]


def hello(piece: SoundPiece) -> Spoken:
    start = round(piece.start_seconds + 0.2, 3)
    return Spoken(piece.end_seconds, (Cue(start, min(round(start + 0.6, 3), piece.end_seconds), "hello"),))


@dataclass
class ScriptedRecogniser:
    """A recogniser that hears what `behave` returns, and counts."""

    behave: Callable[[SoundPiece], Spoken] = hello
    error: EngineError | None = None
    pieces: list[SoundPiece] = field(default_factory=list)
    users: int = 0
    started: int = 0

    def model(self, cancel: threading.Event) -> SpeechModelName:
        if self.error:
            raise self.error
        return SpeechModelName("whisper", "whisper")

    @contextmanager
    def ready(
        self, language: str, cancel: threading.Event, after: Callable[[], object] | None
    ) -> Generator[SpeechListener, None, None]:
        self.started += 1
        self.users += 1
        try:
            yield SpeechListener("whisper", self._listen)
        finally:
            self.users -= 1

    def _listen(self, pieces: Pieces, speech: object, cancel: threading.Event) -> Iterator[Spoken]:
        for piece in pieces:
            self.pieces.append(piece)
            if cancel.is_set():
                raise Cancelled
            yield self.behave(piece)

    def pace(self) -> float | None:
        return None


@pytest.fixture
def spoken_video(tmp_path: Path) -> Path:
    """Half a second of tone at 1 s and at 4 s."""
    sound = np.concatenate([quiet(1), tone(0.5), quiet(2.5), tone(0.5)])
    return write_spoken(tmp_path / "spoken.mkv", seconds=5, sound=sound)


def listen(
    path: Path, recogniser: Recogniser | None, tmp_path: Path, sha256: Callable[[], str] = lambda: "ab", **more: Any
) -> Found:
    request = AnalysisRequest(path, selection=more.pop("selection", Selection()), use_model=more.pop("use_model", True))
    hearing = Transcription(recogniser, ExtractionStore(tmp_path / "surveys"))
    return hearing.transcribe(probe(path), request, sha256=sha256, cancel=more.pop("cancel", threading.Event()), **more)


@pytest.mark.slow
def test_subtitles_are_used_and_no_model_listens(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mkv", sound=tone(4), tracks=[Track([(0.5, 1.0, "read")], "subrip", "eng")])
    recogniser = ScriptedRecogniser()
    transcript, notices = listen(path, recogniser, tmp_path)
    assert transcript == Transcript("subtitles", "eng", (Cue(0.5, 1.0, "read"),)) and notices == ()
    assert recogniser.started == 0


@pytest.mark.slow
def test_recogniser_transcribes_and_is_released(spoken_video: Path, tmp_path: Path) -> None:
    recogniser, reported = ScriptedRecogniser(), []
    transcript, notices = listen(spoken_video, recogniser, tmp_path, on_progress=lambda *news: reported.append(news))
    assert transcript is not None and (transcript.source, transcript.label) == ("speech", "whisper")
    assert [(cue.start_seconds, cue.text) for cue in transcript.cues] == [(1.0, "hello"), (4.0, "hello")]
    assert notices == () and (recogniser.started, recogniser.users) == (1, 0)
    assert [reached for reached, _ in reported] == pytest.approx([1.7, 4.5], abs=0.03)
    assert sum((cues for _, cues in reported), ()) == transcript.cues


@pytest.mark.slow
def test_nothing_is_transcribed_twice(spoken_video: Path, tmp_path: Path) -> None:
    recogniser = ScriptedRecogniser()
    first = listen(spoken_video, recogniser, tmp_path)
    assert listen(spoken_video, recogniser, tmp_path) == first
    part = Selection(start_seconds=3.0, end_seconds=5.0)
    assert listen(spoken_video, recogniser, tmp_path, selection=part) == first
    assert recogniser.started == 1
    listen(spoken_video, recogniser, tmp_path, sha256=lambda: "cd")
    assert recogniser.started == 2


@pytest.mark.slow
def test_of_a_range_only_its_own_sound_is_heard(spoken_video: Path, tmp_path: Path) -> None:
    transcript, _ = listen(spoken_video, ScriptedRecogniser(), tmp_path, selection=Selection(start_seconds=3.0))
    assert transcript is not None and [cue.start_seconds for cue in transcript.cues] == [4.0]


@pytest.mark.slow
def test_without_a_speech_model_the_report_is_reported_so(
    spoken_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "has_recogniser", lambda: True)
    transcript, notices = listen(spoken_video, None, tmp_path)
    assert transcript is None and [notice.key for notice in notices] == ["sound_not_analysed"]
    for language in LANGUAGES:
        assert "FRAMELENS_SPEECH" in notice_text(notices[0], language)


@pytest.mark.slow
def test_without_a_plugin_the_report_names_it(
    spoken_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "has_recogniser", lambda: False)
    _, notices = listen(spoken_video, None, tmp_path)
    for language in LANGUAGES:
        assert "FRAMELENS_PLUGINS" in notice_text(notices[0], language)


@pytest.mark.slow
def test_without_any_model_wanted_none_listens(spoken_video: Path, tmp_path: Path) -> None:
    recogniser = ScriptedRecogniser()
    transcript, notices = listen(spoken_video, recogniser, tmp_path, use_model=False)
    assert transcript is None and [notice.key for notice in notices] == ["sound_not_wanted"]
    assert recogniser.started == 0


@pytest.mark.slow
def test_of_a_video_without_sound_nothing_is_said(tmp_path: Path) -> None:
    assert listen(write_spoken(tmp_path / "film.mp4"), None, tmp_path) == (None, ())


@pytest.mark.slow
def test_a_silent_track_starts_no_engine(tmp_path: Path) -> None:
    recogniser = ScriptedRecogniser()
    path = write_spoken(tmp_path / "film.mkv", sound=quiet(4))
    assert listen(path, recogniser, tmp_path) == (Transcript("speech", "whisper", ()), ())
    assert recogniser.started == 0


@pytest.mark.slow
def test_whatever_fails_is_a_sentence_in_both_languages(spoken_video: Path, tmp_path: Path) -> None:
    recogniser = ScriptedRecogniser(error=EngineError("vllm_not_installed", model="whisper"))
    transcript, notices = listen(spoken_video, recogniser, tmp_path)
    assert transcript is None and [notice.key for notice in notices] == ["speech_failed"]
    assert all(notice_text(notices[0], language) for language in LANGUAGES)


@pytest.mark.slow
def test_a_bug_or_a_missing_digest_fails_no_analysis(spoken_video: Path, tmp_path: Path) -> None:
    def no_digest() -> str:
        raise OSError("the file went away")

    transcript, notices = listen(spoken_video, ScriptedRecogniser(), tmp_path, sha256=no_digest)
    assert transcript is None
    assert notices == (Notice("speech_failed", {"reason": "OSError: the file went away"}),)


@pytest.mark.slow
def test_partial_transcript_is_used_and_continued_later(tmp_path: Path) -> None:
    sound = np.concatenate([quiet(1), tone(0.5), quiet(2.5), tone(0.8)])
    spoken_video = write_spoken(tmp_path / "two.mkv", seconds=5, sound=sound)
    first = next(sound_pieces(spoken_video)).wav

    def break_off(piece: SoundPiece) -> Spoken:
        if piece.wav != first:
            raise EngineError("engine_refused", status=500, reason="out of order")
        return hello(piece)

    transcript, notices = listen(spoken_video, ScriptedRecogniser(break_off), tmp_path)
    assert transcript is not None and len(transcript.cues) == 1
    assert [notice.key for notice in notices] == ["speech_incomplete"]
    assert "00:01.7" in notice_text(notices[0], "en") and "out of order" in notice_text(notices[0], "en")
    recogniser, reported = ScriptedRecogniser(), []
    again, notices = listen(spoken_video, recogniser, tmp_path, on_progress=lambda *news: reported.append(news))
    assert again is not None and len(again.cues) == 2 and notices == ()
    assert len(recogniser.pieces) == 1 and reported[0] == (pytest.approx(1.7, abs=0.03), transcript.cues)
    assert listen(spoken_video, recogniser, tmp_path)[0] == again and recogniser.started == 1


@pytest.mark.slow
def test_what_was_not_believed_is_counted_in_a_notice(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mkv", sound=tone(2))
    recogniser = ScriptedRecogniser(lambda piece: Spoken(piece.end_seconds, (), 1))
    assert listen(path, recogniser, tmp_path)[1] == (Notice("speech_not_believed", {"count": 1}, "info"),)


@pytest.mark.slow
def test_a_cancel_is_no_notice(spoken_video: Path, tmp_path: Path) -> None:
    cancel = threading.Event()

    def behave(piece: SoundPiece) -> Spoken:
        cancel.set()
        return hello(piece)

    recogniser = ScriptedRecogniser(behave)
    with pytest.raises(Cancelled):
        listen(spoken_video, recogniser, tmp_path, cancel=cancel)
    assert (recogniser.started, recogniser.users) == (1, 0)


def test_cues_of_a_range_are_those_on_at_some_moment_of_it() -> None:
    cues = (Cue(0.0, 9.0, "long"), Cue(1.0, 2.0, "one"), Cue(2.0, 3.0, "two"), Cue(4.0, 5.0, "four"))
    transcript = Transcript("subtitles", "eng", cues)
    assert [cue.text for cue in cues_between(transcript, 2.0, 4.0)] == ["long", "two"]
    assert cues_between(None, 0.0, 9.0) == ()
