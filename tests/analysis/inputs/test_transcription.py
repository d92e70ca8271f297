"""What is said in a video: from its subtitles, or from a speech model, and the notice where there is neither."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from framelens.analysis.inputs.transcription import Transcription, cues_between
from framelens.core.domain import AnalysisRequest, Cue, Notice, Selection, Transcript
from framelens.core.errors import Cancelled, EngineError
from framelens.engine.base import Endpoint, Engine, NullEngine
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.vllm import speech_launcher
from framelens.engine.recognisers import EngineRecogniser
from framelens.engine.remote_engine import RemoteEngine
from framelens.i18n import LANGUAGES, notice_text
from framelens.store.extraction_cache import ExtractionStore
from framelens.video.extractor import probe, sound_pieces
from tests.llm.speaking import Asked, SpeechServer, heard, serve
from tests.spoken import Track, quiet, tone, write_spoken

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "make_speech_model.py"
Found = tuple[Transcript | None, tuple[Notice, ...]]


class CountingEngine(RemoteEngine):
    """A remote engine that remembers how often it was started and stopped."""

    def __init__(self, server: SpeechServer) -> None:
        super().__init__(server.base_url, "key", "whisper")
        self.started = self.stopped = 0

    def ensure_ready(self, on_progress: Any, cancel: threading.Event) -> Endpoint:
        self.started += 1
        return super().ensure_ready(on_progress, cancel)

    def stop(self) -> None:
        self.stopped += 1
        super().stop()


@pytest.fixture
def server() -> Iterator[SpeechServer]:
    with serve(lambda asked: (200, heard((0.2, 0.8, "hello")))) as running:
        yield running


@pytest.fixture
def spoken_video(tmp_path: Path) -> Path:
    """Half a second of tone at 1 s and at 4 s."""
    sound = np.concatenate([quiet(1), tone(0.5), quiet(2.5), tone(0.5)])
    return write_spoken(tmp_path / "spoken.mkv", seconds=5, sound=sound)


def listen(
    path: Path, engine: Engine | None, tmp_path: Path, sha256: Callable[[], str] = lambda: "ab", **more: Any
) -> Found:
    request = AnalysisRequest(path, selection=more.pop("selection", Selection()), use_model=more.pop("use_model", True))
    recogniser = EngineRecogniser(engine) if engine else None
    hearing = Transcription(recogniser, ExtractionStore(tmp_path / "surveys"))
    return hearing.transcribe(probe(path), request, sha256=sha256, cancel=more.pop("cancel", threading.Event()), **more)


@pytest.mark.slow
def test_subtitles_are_used_and_no_model_listens(tmp_path: Path, server: SpeechServer) -> None:
    path = write_spoken(tmp_path / "film.mkv", sound=tone(4), tracks=[Track([(0.5, 1.0, "read")], "subrip", "eng")])
    engine = CountingEngine(server)
    transcript, notices = listen(path, engine, tmp_path)
    assert transcript == Transcript("subtitles", "eng", (Cue(0.5, 1.0, "read"),)) and notices == ()
    assert engine.started == 0 and server.requests == []


@pytest.mark.slow
def test_speech_engine_transcribes_and_stops_afterwards(
    spoken_video: Path, tmp_path: Path, server: SpeechServer
) -> None:
    engine, reported = CountingEngine(server), []
    transcript, notices = listen(spoken_video, engine, tmp_path, on_progress=lambda *news: reported.append(news))
    assert transcript == Transcript("speech", "whisper", (Cue(1.0, 1.6, "hello"), Cue(4.0, 4.5, "hello")))
    assert notices == () and (engine.started, engine.stopped) == (1, 1)
    assert [reached for reached, _ in reported] == pytest.approx([1.7, 4.5], abs=0.03)
    assert transcript is not None and sum((cues for _, cues in reported), ()) == transcript.cues


@pytest.mark.slow
def test_nothing_is_transcribed_twice(spoken_video: Path, tmp_path: Path, server: SpeechServer) -> None:
    first = listen(spoken_video, CountingEngine(server), tmp_path)
    asked, engine = len(server.requests), CountingEngine(server)
    assert listen(spoken_video, engine, tmp_path) == first
    part = Selection(start_seconds=3.0, end_seconds=5.0)
    assert listen(spoken_video, engine, tmp_path, selection=part) == first
    assert len(server.requests) == asked and engine.started == 0
    listen(spoken_video, engine, tmp_path, sha256=lambda: "cd")
    assert len(server.requests) > asked


@pytest.mark.slow
def test_of_a_range_only_its_own_sound_is_heard(spoken_video: Path, tmp_path: Path, server: SpeechServer) -> None:
    transcript, _ = listen(spoken_video, CountingEngine(server), tmp_path, selection=Selection(start_seconds=3.0))
    assert transcript is not None and [cue.start_seconds for cue in transcript.cues] == [4.0]


@pytest.mark.slow
def test_without_a_speech_model_the_report_is_reported_so(spoken_video: Path, tmp_path: Path) -> None:
    transcript, notices = listen(spoken_video, None, tmp_path)
    assert transcript is None and [one.key for one in notices] == ["sound_not_analysed"]
    for language in LANGUAGES:
        assert "FRAMELENS_SPEECH" in notice_text(notices[0], language)


@pytest.mark.slow
def test_without_any_model_wanted_none_listens(spoken_video: Path, tmp_path: Path, server: SpeechServer) -> None:
    transcript, notices = listen(spoken_video, CountingEngine(server), tmp_path, use_model=False)
    assert transcript is None and [one.key for one in notices] == ["sound_not_wanted"]
    assert server.requests == []


@pytest.mark.slow
def test_of_a_video_without_sound_nothing_is_said(tmp_path: Path) -> None:
    assert listen(write_spoken(tmp_path / "film.mp4"), None, tmp_path) == (None, ())


@pytest.mark.slow
def test_a_silent_track_starts_no_engine(tmp_path: Path, server: SpeechServer) -> None:
    engine = CountingEngine(server)
    path = write_spoken(tmp_path / "film.mkv", sound=quiet(4))
    assert listen(path, engine, tmp_path) == (Transcript("speech", "whisper", ()), ())
    assert engine.started == 0


@pytest.mark.slow
def test_whatever_fails_is_a_sentence_in_both_languages(spoken_video: Path, tmp_path: Path) -> None:
    absent = NullEngine("whisper", EngineError("vllm_not_installed", model="whisper"))
    unreachable = RemoteEngine("http://127.0.0.1:9", "", "whisper")
    for engine in (absent, unreachable):
        transcript, notices = listen(spoken_video, engine, tmp_path)
        assert transcript is None and [one.key for one in notices] == ["speech_failed"]
        assert all(notice_text(notices[0], language) for language in LANGUAGES)


@pytest.mark.slow
def test_a_bug_or_a_missing_digest_fails_no_analysis(spoken_video: Path, tmp_path: Path, server: SpeechServer) -> None:
    def no_digest() -> str:
        raise OSError("the file went away")

    transcript, notices = listen(spoken_video, CountingEngine(server), tmp_path, sha256=no_digest)
    assert transcript is None
    assert notices == (Notice("speech_failed", {"reason": "OSError: the file went away"}),)


@pytest.mark.slow
def test_partial_transcript_is_used_and_continued_later(tmp_path: Path, server: SpeechServer) -> None:
    sound = np.concatenate([quiet(1), tone(0.5), quiet(2.5), tone(0.8)])
    spoken_video = write_spoken(tmp_path / "two.mkv", seconds=5, sound=sound)
    first = next(sound_pieces(spoken_video)).wav  # several are asked about at the same time, in any order

    def behave(asked: Asked) -> tuple[int, Any]:
        return (200, heard((0.2, 0.8, "hello"))) if asked.wav == first else (500, {"error": "out of order"})

    whole, server.behave = server.behave, behave
    transcript, notices = listen(spoken_video, CountingEngine(server), tmp_path)
    assert transcript is not None and len(transcript.cues) == 1
    assert [one.key for one in notices] == ["speech_incomplete"]
    assert "00:01.7" in notice_text(notices[0], "en") and "out of order" in notice_text(notices[0], "en")
    server.behave = whole
    asked, reported = len(server.requests), []
    again, notices = listen(
        spoken_video, CountingEngine(server), tmp_path, on_progress=lambda *news: reported.append(news)
    )
    assert again is not None and len(again.cues) == 2 and notices == ()
    assert len(server.requests) == asked + 1 and reported[0] == (pytest.approx(1.7, abs=0.03), transcript.cues)
    assert listen(spoken_video, CountingEngine(server), tmp_path)[0] == again and len(server.requests) == asked + 1


@pytest.mark.slow
def test_what_was_not_believed_is_counted_in_a_notice(tmp_path: Path, server: SpeechServer) -> None:
    server.behave = lambda asked: (200, heard((0.0, 0.5, "x"), compression_ratio=9.0))
    path = write_spoken(tmp_path / "film.mkv", sound=tone(2))
    assert listen(path, CountingEngine(server), tmp_path)[1] == (Notice("speech_not_believed", {"count": 1}, "info"),)


@pytest.mark.slow
def test_speech_waits_for_engine_and_ignores_its_failure(
    spoken_video: Path, tmp_path: Path, server: SpeechServer
) -> None:
    engine, order = CountingEngine(server), []

    def after() -> None:
        order.append(engine.started)
        raise EngineError("engine_failed", model="x", cause="y")

    transcript, _ = listen(spoken_video, engine, tmp_path, after=after)
    assert transcript is not None and order == [0]


@pytest.mark.slow
def test_a_cancel_is_no_notice(spoken_video: Path, tmp_path: Path, server: SpeechServer) -> None:
    cancel = threading.Event()

    def behave(asked: Asked) -> tuple[int, Any]:
        cancel.set()
        threading.Event().wait(0.5)
        return 200, heard()

    server.behave = behave
    engine = CountingEngine(server)
    with pytest.raises(Cancelled):
        listen(spoken_video, engine, tmp_path, cancel=cancel)
    assert engine.stopped == 1


def test_cues_of_a_range_are_those_on_at_some_moment_of_it() -> None:
    cues = (Cue(0.0, 9.0, "long"), Cue(1.0, 2.0, "one"), Cue(2.0, 3.0, "two"), Cue(4.0, 5.0, "four"))
    transcript = Transcript("subtitles", "eng", cues)
    assert [cue.text for cue in cues_between(transcript, 2.0, 4.0)] == ["long", "two"]
    assert cues_between(None, 0.0, 9.0) == ()


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.engine
def test_a_real_whisper_is_started_heard_in_time_and_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "whisper"
    subprocess.run([sys.executable, str(SCRIPT), "--out", str(folder)], check=True, capture_output=True)
    sound = np.concatenate([quiet(1), tone(7), quiet(2), tone(7)])
    path = write_spoken(tmp_path / "film.mkv", seconds=1, picture_start=0.5, sound=sound)
    engine = LocalEngine(speech_launcher(str(folder), {}), log_dir=tmp_path / "log")
    try:
        transcript, notices = listen(path, engine, tmp_path)
        assert engine.status().state == "stopped"
    finally:
        engine.stop()
    assert notices == () and transcript is not None and transcript.label == "whisper"
    # Whatever it hears, this model says the same three words in each piece; the pieces begin at 0.3 s and 9.3 s.
    said = [(0.0, 1.2, "one"), (1.2, 2.5, "two"), (4.0, 6.0, "three")]
    expected = [(start + at, end + at, text) for at in (0.3, 9.3) for start, end, text in said]
    assert [cue.text for cue in transcript.cues] == [text for _, _, text in expected]
    found = [time for cue in transcript.cues for time in (cue.start_seconds, cue.end_seconds)]
    assert found == pytest.approx([time for start, end, _ in expected for time in (start, end)], abs=0.021)
