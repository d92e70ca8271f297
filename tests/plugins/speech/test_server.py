"""From pieces of sound to cues, against a scripted server on loopback."""

import io
import threading
import time
import wave
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from framelens.core.domain import Cue, SoundPiece, Spoken
from framelens.core.errors import AppError, Cancelled, EngineBrokeOff, EngineError, EngineTimeout
from framelens.plugins.speech.server import SpeechModel, transcribe
from tests.llm import floods, scripted
from tests.plugins.speech.speaking import Asked, Behave, SpeechServer, heard, serve
from tests.spoken import RATE, Sound, quiet, tone


def piece(start: float, sound: Sound, end: float | None = None) -> SoundPiece:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound.tobytes())
    return SoundPiece(start, start + len(sound) / RATE if end is None else end, buffer.getvalue())


def loud(start: float, seconds: float = 10.0) -> SoundPiece:
    return piece(start, tone(seconds))


def model(server: SpeechServer, **more: Any) -> SpeechModel:
    return SpeechModel(server.base_url, "secret", "whisper", **more)


def spoken(behave: Behave, *pieces: SoundPiece, **more: Any) -> list[Spoken]:
    with serve(behave) as server:
        return list(transcribe(pieces, model(server, **more)))


def always(answer: Any, status: int = 200) -> Behave:
    return lambda asked: (status, answer)


def test_speech_segments_return_on_video_time_axis() -> None:
    with serve(always(heard((0.5, 2.0, " Good <|2.00|> morning "), (2.0, 12.0, "all")))) as server:
        (found,) = transcribe([loud(100.0)], model(server, language="en"))
    assert found.cues == (Cue(100.5, 102.0, "Good morning"), Cue(102.0, 110.0, "all"))
    (asked,) = server.requests
    assert asked.path == "/v1/audio/transcriptions" and asked.authorization == "Bearer secret"
    assert asked.fields == {"model": "whisper", "language": "en", "response_format": "verbose_json"}
    assert asked.wav == loud(100.0).wav


def test_without_a_language_the_model_is_left_to_find_out() -> None:
    with serve(always(heard((0.0, 1.0, "x")))) as server:
        list(transcribe([loud(0.0)], model(server)))
    assert "language" not in server.requests[0].fields


@pytest.mark.slow
def test_parallel_speech_pieces_return_in_order() -> None:
    def behave(asked: Asked) -> tuple[int, Any]:
        length = len(asked.wav)
        time.sleep(0.3 if length > len(loud(0.0, 5.0).wav) else 0.05)
        return 200, heard((0.0, 1.0, f"{length}"))

    pieces = [loud(0.0, 9.0), loud(20.0, 2.0), loud(40.0, 3.0), loud(60.0, 4.0), loud(80.0, 2.0)]
    with serve(behave) as server:
        found = list(transcribe(pieces, model(server), at_once=3))
    assert [one.cues[0].start_seconds for one in found] == [0.0, 20.0, 40.0, 60.0, 80.0]
    assert [one.cues[0].text for one in found] == [str(len(one.wav)) for one in pieces]
    assert 1 < server.most_at_once <= 3


@pytest.mark.slow
def test_no_more_pieces_are_taken_than_are_asked_about() -> None:
    taken = []

    def pieces() -> Iterator[SoundPiece]:
        for number in range(20):
            taken.append(number)
            yield loud(float(number), 1.0)

    with serve(always(heard((0.0, 1.0, "x")))) as server:
        for number, _ in enumerate(transcribe(pieces(), model(server), at_once=4)):
            assert len(taken) <= number + 4


@pytest.mark.parametrize("status", [400, 422])
def test_server_without_segments_is_asked_for_text(status: int) -> None:
    def behave(asked: Asked) -> tuple[int, Any]:
        if asked.fields["response_format"] == "verbose_json":
            return status, {"error": {"message": "response_format 'verbose_json' is not compatible with this model"}}
        return 200, {"text": "only text"}

    with serve(behave) as server:
        found = list(transcribe([loud(0.0), loud(30.0), loud(60.0, 5.0)], model(server), at_once=1))
    assert [one.cues for one in found] == [
        (Cue(0.0, 10.0, "only text"),),
        (Cue(30.0, 40.0, "only text"),),
        (Cue(60.0, 65.0, "only text"),),
    ]
    assert [asked.fields["response_format"] for asked in server.requests] == ["verbose_json", "json", "json", "json"]


def test_a_model_that_was_not_taught_times_still_gives_its_text() -> None:
    def behave(asked: Asked) -> tuple[int, Any]:
        is_verbose = asked.fields["response_format"] == "verbose_json"
        return 200, {"text": "", "segments": []} if is_verbose else {"text": "words"}

    assert spoken(behave, loud(5.0))[0].cues == (Cue(5.0, 15.0, "words"),)


@pytest.mark.parametrize(
    "more",
    [{"no_speech_prob": 0.9, "avg_logprob": -1.4}, {"compression_ratio": 3.1}],
)
def test_what_the_model_itself_doubts_is_left_out_and_counted(more: dict[str, float]) -> None:
    (found,) = spoken(always(heard((0.0, 5.0, "thank you thank you"), **more)), loud(0.0))
    assert found == Spoken(10.0, (), 1)


def test_silence_and_doubts_are_left_out() -> None:
    # Repeats over silence are dropped.
    whispering = np.concatenate([tone(4), tone(4, loud=200), tone(2)])
    answer = heard(
        (0.0, 4.0, "Thanks for watching"), (4.0, 7.9, "Thanks for watching"), (8.1, 10.0, "Thanks for watching")
    )
    (found,) = spoken(always(answer), piece(0.0, whispering))
    assert [cue.start_seconds for cue in found.cues] == [0.0, 8.1] and found.num_dropped == 1
    # A sentence where there is no sound at all was not said.
    sound = np.concatenate([tone(2), quiet(3), tone(1)])
    (found,) = spoken(always(heard((0.0, 2.0, "yes"), (2.5, 4.5, "Subtitles by nobody"))), piece(0.0, sound))
    assert [cue.text for cue in found.cues] == ["yes"] and found.num_dropped == 1
    # Confident sentence is kept despite low speech.
    (found,) = spoken(always(heard((0.0, 5.0, "hush"), no_speech_prob=0.9, avg_logprob=-0.2)), loud(0.0))
    assert [cue.text for cue in found.cues] == ["hush"]
    # Speech times are clipped to the piece.
    short = piece(10.0, np.concatenate([tone(0.4), quiet(0.6)]), end=10.4)
    (found,) = spoken(always(heard((0.0, 30.0, "hey"), (0.5, 1.0, "made up"))), short)
    assert found.cues == (Cue(10.0, 10.4, "hey"),) and found.num_dropped == 1


@pytest.mark.parametrize(
    "segments",
    ["nonsense", [None, 3], [{"start": "a", "end": None, "text": "word"}], [{"text": 5}, {"text": "word"}]],
)
def test_segments_of_any_shape_do_no_harm(segments: Any) -> None:
    (found,) = spoken(always({"text": "word", "segments": segments}), loud(0.0))
    assert found.cues == (Cue(0.0, 10.0, "word"),)


@pytest.mark.parametrize("body", [b"<html>502</html>", b"", b'"text"', b'{"detail": 1}', b'{"text": null}'])
def test_an_answer_that_is_no_transcription_is_said(body: bytes) -> None:
    with pytest.raises(EngineError) as caught:
        spoken(always(body), loud(0.0))
    assert caught.value.key == "speech_answer_unreadable"


@pytest.mark.parametrize(
    ("status", "key"), [(401, "engine_key_rejected"), (404, "engine_path_unknown"), (500, "engine_refused")]
)
def test_a_refusal_carries_the_server_s_own_words(status: int, key: str) -> None:
    with pytest.raises(AppError) as caught:
        spoken(always({"error": {"message": "because of this"}}, status), loud(0.0))
    assert caught.value.key == key
    assert caught.value.values["reason"] == "because of this"


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    answers = iter([(429, {"detail": "later"}), (503, b"busy"), (200, heard((0.0, 1.0, "at last")))])
    with serve(lambda asked: next(answers)) as server:
        server.headers["Retry-After"] = "0.05"
        (found,) = transcribe([loud(0.0)], model(server))
    assert [cue.text for cue in found.cues] == ["at last"] and len(server.requests) == 3


@pytest.mark.slow
@pytest.mark.parametrize("now", ["0", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_server_that_stays_busy_is_abandoned(now: str) -> None:
    with serve(always({"error": "overloaded"}, 503)) as server, pytest.raises(AppError) as caught:
        server.headers["Retry-After"] = now
        list(transcribe([loud(0.0)], model(server)))
    assert caught.value.values["reason"] == "overloaded"


def test_no_server_and_a_slow_one_are_reported_apart() -> None:
    with pytest.raises(EngineBrokeOff):
        list(transcribe([loud(0.0)], SpeechModel("http://127.0.0.1:9/v1", "", "whisper")))
    waiter = threading.Event()

    def behave(asked: Asked) -> tuple[int, Any]:
        waiter.wait(5)
        return 200, heard()

    with pytest.raises(EngineTimeout):
        spoken(behave, loud(0.0), timeout_seconds=0.2)
    waiter.set()


def test_local_server_bypasses_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    (found,) = spoken(always(heard((0.0, 1.0, "direct"))), loud(0.0))
    assert [cue.text for cue in found.cues] == ["direct"]


def test_cancel_ends_the_wait_at_once() -> None:
    asked_once, waiter, cancel = threading.Event(), threading.Event(), threading.Event()

    def behave(asked: Asked) -> tuple[int, Any]:
        asked_once.set()
        waiter.wait(20)
        return 200, heard()

    with serve(behave) as server:
        threading.Thread(target=lambda: asked_once.wait(10) and cancel.set(), daemon=True).start()
        with pytest.raises(Cancelled):
            list(transcribe([loud(0.0), loud(20.0)], model(server), cancel=cancel))
        waiter.set()


def test_endless_json_ends_at_its_limit() -> None:
    with scripted.serve(scripted.saying("fine")) as server:
        server.flood = floods.ENDLESS_JSON
        with pytest.raises(EngineError) as caught:
            list(transcribe([loud(0.0)], SpeechModel(server.base_url, "", "whisper")))
    assert caught.value.key == "engine_answer_long"
