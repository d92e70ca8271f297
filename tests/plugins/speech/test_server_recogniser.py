"""A server as a recogniser: its engine is started when there is something to hear, and stopped after the last user."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from framelens.analysis.inputs.transcription import Transcription
from framelens.core.domain import AnalysisRequest, Cue, Notice, Transcript
from framelens.core.errors import Cancelled, EngineError
from framelens.engine.base import Endpoint, Engine
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.vllm import speech_launcher
from framelens.engine.remote_engine import RemoteEngine
from framelens.plugins.speech.recogniser import EngineRecogniser
from framelens.store.extraction_cache import ExtractionStore
from framelens.video.extractor import probe
from tests.plugins.speech.speaking import Asked, SpeechServer, heard, serve
from tests.spoken import quiet, tone, write_spoken

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "make_speech_model.py"


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
    path: Path,
    engine: Engine,
    tmp_path: Path,
    *,
    cancel: threading.Event | None = None,
    after: Callable[[], object] | None = None,
) -> tuple[Transcript | None, tuple[Notice, ...]]:
    hearing = Transcription(EngineRecogniser(engine), ExtractionStore(tmp_path / "surveys"))
    request = AnalysisRequest(path)
    return hearing.transcribe(
        probe(path), request, sha256=lambda: "ab", cancel=cancel or threading.Event(), after=after
    )


@pytest.mark.slow
def test_engine_transcribes_and_stops_afterwards(spoken_video: Path, tmp_path: Path, server: SpeechServer) -> None:
    engine = CountingEngine(server)
    transcript, notices = listen(spoken_video, engine, tmp_path)
    assert transcript == Transcript("speech", "whisper", (Cue(1.0, 1.6, "hello"), Cue(4.0, 4.5, "hello")))
    assert notices == () and (engine.started, engine.stopped) == (1, 1)


@pytest.mark.slow
def test_unreachable_server_is_a_notice(spoken_video: Path, tmp_path: Path) -> None:
    transcript, notices = listen(spoken_video, RemoteEngine("http://127.0.0.1:9", "", "whisper"), tmp_path)
    assert transcript is None and [notice.key for notice in notices] == ["speech_failed"]


@pytest.mark.slow
def test_speech_waits_for_engine_and_ignores_its_failure(
    spoken_video: Path, tmp_path: Path, server: SpeechServer
) -> None:
    engine, order = CountingEngine(server), list[int]()

    def after() -> None:
        order.append(engine.started)
        raise EngineError("engine_failed", model="x", cause="y")

    transcript, _ = listen(spoken_video, engine, tmp_path, after=after)
    assert transcript is not None and order == [0]


@pytest.mark.slow
def test_cancelled_engine_is_stopped(spoken_video: Path, tmp_path: Path, server: SpeechServer) -> None:
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
