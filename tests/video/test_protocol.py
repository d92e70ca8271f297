"""Messages between the decoding child and its parent."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from app.core.domain import DecodeSummary, Keyframe, KeyframesChosen, Notice, Shot
from app.core.errors import DecodeError
from app.video.protocol import receive, send

SUMMARY = DecodeSummary(
    3, 0.12, False, "pyav", (Shot(1, 0.0, 0.12),), (Notice("truncated", {"readable": "0:00.1", "declared": "0:09.0"}),)
)


def through_a_pipe(value: object) -> object:
    pipe = io.BytesIO()
    send(pipe, value)
    pipe.seek(0)
    received = receive(pipe)
    assert receive(pipe) is None
    return received


def test_an_event_arrives_as_it_was_sent_with_its_pictures() -> None:
    frames = tuple(Keyframe(n, n, n / 25, "even", 1, 4, 4, bytes([n]) * (1000 + n)) for n in (1, 2))
    assert through_a_pipe(KeyframesChosen(frames, SUMMARY)) == KeyframesChosen(frames, SUMMARY)


@pytest.mark.parametrize("name", ['"quotes"', "line\nbreak", "视频", "\udcff not UTF-8"])
def test_an_error_and_any_file_name_survive(name: str) -> None:
    received = through_a_pipe(DecodeError("video_no_frames", name=name, path=Path(name)))
    assert isinstance(received, DecodeError)
    assert received.values == {"name": name, "path": Path(name)}


def test_half_a_message_is_reported_apart_from_the_end() -> None:
    pipe = io.BytesIO()
    send(pipe, SUMMARY)
    for length in (2, 10, len(pipe.getvalue()) - 1):
        with pytest.raises(EOFError):
            receive(io.BytesIO(pipe.getvalue()[:length]))


def test_only_our_own_classes_can_be_sent() -> None:
    header = b'{"value": {"$": "Popen", "fields": {}}, "blobs": []}'
    with pytest.raises(KeyError):
        receive(io.BytesIO(len(header).to_bytes(4, "big") + header))


def test_a_message_cannot_ask_for_all_memory() -> None:
    with pytest.raises(ValueError, match="at most"):
        receive(io.BytesIO(b"\xff\xff\xff\xff"))
