"""Readers of the sets' own annotation files; the files themselves are their owners' and are not part of FrameLens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LETTERS = "ABCDEFGHIJ"
_SUFFIXES = ("", ".mp4", ".mkv", ".webm", ".avi", ".mov")
_LETTER = re.compile(r"^\s*\(?[A-J][.:)]\s*")


@dataclass(frozen=True)
class Item:
    """A question about a video.

    Attributes:
        id: Its id, unique in the set.
        video: Name of the video's file; the suffix may be missing.
        question: The question, or for a moment the thing to find.
        duration: The set's own group of durations, in words.
        task: The set's own kind of question.
        choices: The possible answers in their order; empty where a moment is to be found.
        answer: Letter of the right choice, "" if the set keeps it secret.
        span: Start and end of the moment to find in seconds.
    """

    id: str
    video: str
    question: str
    duration: str
    task: str
    choices: tuple[str, ...] = ()
    answer: str = ""
    span: tuple[float, float] | None = None


def long_video_bench(path: Path) -> Iterator[Item]:
    """Read `lvb_val.json` or `lvb_test_wo_gt.json`: a list of questions with candidates and the right index.

    The group of durations is the most seconds of its videos: 15, 60, 600 or 3600.
    """
    for one in _json(path):
        right = one.get("correct_choice", -1)
        yield Item(
            str(one["id"]),
            str(one["video_path"]),
            str(one["question"]),
            f"up to {one['duration_group']} s",
            str(one["question_category"]),
            tuple(map(str, one["candidates"])),
            LETTERS[right] if right >= 0 else "",
        )


def video_mme(path: Path) -> Iterator[Item]:
    """Read the Parquet file, or the same rows as JSON: options begin with their letter, the answer is a letter."""
    for one in _rows(path):
        yield Item(
            str(one["question_id"]),
            str(one["videoID"]),
            str(one["question"]),
            str(one["duration"]),
            str(one["task_type"]),
            tuple(_LETTER.sub("", str(option)) for option in one["options"]),
            str(one["answer"]).strip().upper(),
        )


def timelens(path: Path) -> Iterator[Item]:
    """Read `*-timelens.json`: for each video its duration, and a span [start, end] in seconds for each query."""
    for video, one in _json(path).items():
        seconds = float(one["duration"])
        group = next((f"up to {most} s" for most in (30, 60, 120, 300) if seconds <= most), "longer")
        for number, (query, span) in enumerate(zip(one["queries"], one["spans"], strict=True)):
            asked = " ".join(str(query).split()).rstrip(". ")
            yield Item(f"{video}#{number}", video, asked, group, path.stem, span=(float(span[0]), float(span[1])))


READERS: Mapping[str, Callable[[Path], Iterator[Item]]] = {
    "longvideobench": long_video_bench,
    "video-mme": video_mme,
    "timelens": timelens,
}


def video_of(item: Item, folder: Path) -> Path | None:
    """Return the file of an item's video, or None if it isn't in the folder."""
    return next((path for suffix in _SUFFIXES if (path := folder / f"{item.video}{suffix}").is_file()), None)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix != ".parquet":
        yield from _json(path)
        return
    from pyarrow import parquet

    yield from parquet.read_table(path).to_pylist()
