"""The codec of messages, the store and reports: what was sent arrives, and what doesn't fit its class is refused."""

import io
import subprocess
import sys
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest

from framelens.core.analysis_state import AnalysisState
from framelens.core.codec import (
    Failure,
    build,
    from_builtins,
    from_json,
    receive,
    send,
    to_builtins,
    to_document,
    to_json,
)
from framelens.core.domain import DecodeSummary, EngineInfo, Keyframe, Notice, Shot, VideoInfo
from framelens.core.errors import AppError, DecodeError, EngineBusy
from framelens.core.events import EngineProgress, KeyframesChosen, ModeChosen, Noticed, Probed, VideoEvent
from framelens.reports.json.schema import EngineForm, NoticeForm

CUT_OFF = Notice("truncated", {"readable": "0:00.1", "declared": "0:09.0"})
SUMMARY = DecodeSummary(3, 0.12, False, "pyav", (Shot(1, 0.0, 0.12),), notices=(CUT_OFF,))
NESTED = Notice("outer", {"count": 3, "share": 0.5, "reason": Notice("inner", level="info")})
PATHS = ["/videos/clip.mp4", "/videos/\udcff\udce9.mp4", "视频.mp4", "a\nb"]


def through_a_pipe(value: object) -> object:
    pipe = io.BytesIO()
    send(pipe, value)
    pipe.seek(0)
    received = receive(pipe, type(value))
    assert receive(pipe, type(value)) is None
    return received


def video(path: str) -> VideoInfo:
    return VideoInfo(Path(path), "clip", 1, "mp4", "h264", "yuv420p", 4, 4, 0, None, 25.0, None, 0.0, False)


def test_an_event_arrives_as_it_was_sent_with_its_pictures() -> None:
    frames = tuple(Keyframe(n, n, n / 25, "even", 1, 4, 4, bytes([n]) * (1000 + n)) for n in (1, 2))
    assert through_a_pipe(KeyframesChosen(frames, SUMMARY)) == KeyframesChosen(frames, SUMMARY)


def test_each_message_is_of_one_of_the_classes() -> None:
    pipe = io.BytesIO()
    sent = [Probed(video("a.mp4")), Noticed(NESTED), Failure.of(DecodeError("video_no_frames", name="a"))]
    for one in sent:
        send(pipe, one)
    pipe.seek(0)
    assert [receive(pipe, Failure, *get_args(VideoEvent)) for _ in sent] == sent


@pytest.mark.parametrize("path", PATHS)
def test_every_path_survives_messages_and_the_store(path: str) -> None:
    assert through_a_pipe(Probed(video(path))) == Probed(video(path))
    assert from_json(to_json(video(path)), VideoInfo) == video(path)
    assert from_builtins(to_builtins(video(path)), VideoInfo) == video(path)


@pytest.mark.parametrize("path", PATHS)
def test_an_error_survives_and_its_values_can_be_read(path: str) -> None:
    failure = through_a_pipe(Failure.of(EngineBusy("busy", wait_seconds=2.5, path=Path(path), name=path, most=4)))
    assert isinstance(failure, Failure)
    error = failure.as_error()
    assert type(error) is EngineBusy
    assert (error.key, error.values["most"]) == ("busy", 4)
    assert error.values["name"] == error.values["path"] and str(error.values["name"]).encode()


@pytest.mark.parametrize("kind", ["Gone", "annotations", "Failure"])
def test_an_error_of_an_unknown_class_is_one_of_ours(kind: str) -> None:
    assert type(Failure(kind, "internal", {}).as_error()) is AppError


def test_a_state_is_stored_whole() -> None:
    state = AnalysisState(
        video=video("a.mp4"),
        decode=SUMMARY,
        engine_phase=EngineProgress("loading", {"share": 0.5, "names": ["a"], "left": None}),
        modes={7: ModeChosen(7, "text", NESTED)},
        answers={0: "a", 7: "b"},
        counted_since=(1.0, 2.0),
    )
    assert from_json(to_json(state), AnalysisState) == state


def test_values_of_other_programs_become_plain() -> None:
    # Numbers of numpy become plain ones.
    value = {"half": np.float32(0.5), "one": np.float64(1.0), "two": np.int64(2)}
    assert to_json(value) == '{"half":0.5,"one":1.0,"two":2}'
    with pytest.raises(TypeError):
        to_json({"of another class": object()})
    # Numbers may have passed through other programs.
    assert from_json('{"number": 1.0, "start_seconds": 0, "end_seconds": "1"}', Shot) == Shot(1, 0.0, 1.0)
    # What a later version adds is passed over.
    assert from_json('{"number": 1, "start_seconds": 0, "end_seconds": 1, "new": {}}', Shot) == Shot(1, 0.0, 1.0)


UNFIT = {
    '{"number": 1, "start_seconds": 5, "end_seconds": 1}': "before it starts",
    '{"number": "x", "start_seconds": 0, "end_seconds": 1}': "number",
    '{"number": true, "start_seconds": 0, "end_seconds": 1}': "number",
    '{"number": 1}': "start_seconds",
    "[]": "array",
    "{": "truncated",
    "": "truncated",
}


@pytest.mark.parametrize("text", UNFIT)
def test_what_does_not_fit_its_class_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=UNFIT[text]):
        from_json(text, Shot)


def test_an_object_is_built_from_others_with_its_parts() -> None:
    form = NoticeForm("outer", "info", "Text", values={"reason": NoticeForm("inner", "error", "Text"), "count": 1})
    assert build(Notice, form) == Notice("outer", {"reason": Notice("inner", {}, "error"), "count": 1}, "info")
    engine = EngineInfo("vllm", "model", "http://127.0.0.1", "1", 8192, True)
    assert build(EngineForm, engine, model="m") == EngineForm("vllm", "m", "1", 8192, True)
    with pytest.raises(ValueError, match="base_url"):
        build(EngineInfo, build(EngineForm, engine))


# ---- what an intact process doesn't send


def message(name: str, body: object) -> io.BytesIO:
    data = msgspec.msgpack.encode((name, body))
    return io.BytesIO(len(data).to_bytes(8, "big") + data)


def test_half_and_unexpected_messages_are_told_apart() -> None:
    # Half a message is reported apart from the end.
    pipe = io.BytesIO()
    send(pipe, SUMMARY)
    for length in (2, 10, len(pipe.getvalue()) - 1):
        with pytest.raises(EOFError):
            receive(io.BytesIO(pipe.getvalue()[:length]), DecodeSummary)
    # Only the expected classes can be received.
    for name, body in (("Popen", {}), ("Shot", {"number": 1, "start_seconds": 0.0, "end_seconds": 1.0})):
        with pytest.raises(ValueError, match=name):
            receive(message(name, body), Noticed)


@pytest.mark.parametrize("key", [1, None, ["truncated"], {"key": "truncated"}, True])
def test_a_field_of_another_type_is_refused(key: object) -> None:
    with pytest.raises(ValueError, match="key"):
        receive(message("Noticed", {"notice": {"key": key}}), Noticed)


def test_a_message_cannot_exhaust_memory_or_stack() -> None:
    with pytest.raises(ValueError, match="at most"):
        receive(io.BytesIO(b"\xff" * 8), Noticed)
    level = b"".join((b"\x82", *map(msgspec.msgpack.encode, ("key", "x", "values")), b"\x81\xa6reason"))
    notice = msgspec.Raw(level * 100_000 + msgspec.msgpack.encode({"key": "x"}))
    with pytest.raises(ValueError, match="deep"):
        receive(message("Noticed", {"notice": notice}), Noticed)


@pytest.mark.slow
def test_first_use_by_several_threads_does_not_crash() -> None:
    code = """
import sys, threading
from framelens.core.codec import from_json
from framelens.core.domain import Analysis
sys.setswitchinterval(1e-6)
begin = threading.Barrier(8)
def read():
    begin.wait()
    try:
        from_json('{"video": {}}', Analysis)
    except ValueError:
        pass
for thread in [threading.Thread(target=read) for _ in range(8)]:
    thread.start()
"""
    for _ in range(4):
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_times_of_documents_are_whole_microseconds() -> None:
    noisy = 0.48000000000000004
    given = {"time_seconds": noisy, "every_seconds": [noisy, 1001 / 30000], "end": noisy, "frame_rate": 30000 / 1001}
    exact = {"time_seconds": 0.48, "every_seconds": [0.48, 0.033367], "end": 0.48, "frame_rate": 30000 / 1001}

    assert to_document({"shots": [given], "time": {"score": noisy}}) == {"shots": [exact], "time": {"score": noisy}}
    assert to_builtins(given) == given
