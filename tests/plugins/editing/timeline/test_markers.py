"""Chapters for YouTube and for FFmpeg, and what becomes of them where they break the rules of either."""

import re
import shutil
import subprocess
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest

from framelens.core.domain import Analysis, Chapter, Shot
from framelens.i18n import in_language
from framelens.plugins.editing.timeline import markers
from framelens.plugins.editing.timeline.markers import chapters_of
from tests.core.test_outline import PUMPS, SEALS, VALVES, video_of
from tests.media import cards, write_video
from tests.reports.content.test_labels import rich
from tests.reports.test_reports import NASTY, analysis
from tests.reports.text.test_html import HOSTILE

pytestmark = pytest.mark.usefixtures("english")


def with_chapters(*starts: float, end: float = 3700.0, titles: tuple[str, ...] = ()) -> Analysis:
    """With a chapter at each of `starts`, called A, B, …"""
    names = titles or tuple("ABCDEFGH"[: len(starts)])
    spans = zip(names, starts, [*starts, end][1:], strict=True)
    reported = tuple(Chapter(name, "", 1, start, after) for name, start, after in spans)
    made = rich()
    assert made.summary
    decode = replace(made.decode, readable_seconds=end, shots=(Shot(1, 0.0, end),))
    return replace(made, summary=replace(made.summary, chapters=reported), decode=decode)


def lines(made: Analysis) -> list[str]:
    return markers.write_youtube(made, "en").decode().split("\n\n")[0].splitlines()


def read(data: bytes) -> list[dict[str, Any]]:
    with av.open(BytesIO(data), format="ffmetadata") as container:
        return list(container.chapters())


# ---- YouTube


def test_chapters_are_lines_at_the_times_of_a_player() -> None:
    # Chapters are lines from zero on.
    made = with_chapters(0.0, 65.9, 3661.0)
    assert markers.fits_youtube(made)
    assert lines(made) == ["0:00 A", "1:05 B", "1:01:01 C"]
    assert "some/model" in markers.write_youtube(made, "en").decode().splitlines()[-1]
    # Chapters are at the times of a player.
    made = with_chapters(0.0, 12.0, 30.0, end=60.0)
    late = replace(made, video=replace(made.video, start_seconds=3.4, player_start_seconds=2.0))
    assert lines(late) == ["0:00 A", "0:14 B", "0:32 C"]
    found = read(markers.write_ffmetadata(late, "en"))
    assert [one["start"] * one["time_base"] for one in found] == [2, 14, 32]
    assert found[-1]["end"] * found[-1]["time_base"] == 62


@pytest.mark.parametrize(
    ("starts", "end", "wanted"),
    [
        ((0.0, 9.5, 20.0, 40.0), 60.0, ["0:00 A · B", "0:20 C", "0:40 D"]),
        ((0.0, 3.0, 6.0, 20.0, 40.0), 60.0, ["0:00 A … C", "0:20 D", "0:40 E"]),
        ((0.0, 20.0, 40.0, 55.0), 60.0, ["0:00 A", "0:20 B", "0:40 C · D"]),
        ((4.0, 10.0, 20.0), 60.0, ["0:00 A", "0:10 B", "0:20 C"]),
        ((30.0, 50.0), 70.0, ["0:00 A man at the gate", "0:30 A", "0:50 B"]),
    ],
)
def test_short_chapters_merge_and_the_first_begins_at_zero(
    starts: tuple[float, ...], end: float, wanted: list[str]
) -> None:
    assert lines(with_chapters(*starts, end=end)) == wanted


@pytest.mark.parametrize("starts", [(0.0, 100.0), (0.0, 2.0, 4.0), ()])
def test_too_few_chapters_are_not_offered(starts: tuple[float, ...]) -> None:
    assert not markers.fits_youtube(with_chapters(*starts, end=110.0))


def test_shots_are_chapters_of_ffmpeg_and_not_of_youtube() -> None:
    made = with_chapters(end=90.0)
    shots = tuple(Shot(n, 30.0 * (n - 1), 30.0 * n) for n in (1, 2, 3))
    made = replace(made, decode=replace(made.decode, shots=shots))
    assert not markers.fits_youtube(made) and not markers.write_youtube(made, "zh")
    assert [one["metadata"]["title"] for one in read(markers.write_ffmetadata(made, "en"))] == [
        "Shot 1",
        "Shot 2",
        "Shot 3",
    ]
    assert not chapters_of(with_chapters(end=90.0))  # a single shot


@pytest.mark.parametrize("title", [*HOSTILE, NASTY, "0:10 x\n9:99 y", "a\\"])
def test_a_title_of_anybody_is_one_line_of_the_description(title: str) -> None:
    reported = lines(with_chapters(0.0, 20.0, 40.0, end=60.0, titles=("A", title, "C")))
    assert [re.match(r"\d+:\d\d ", line)[0] for line in reported] == ["0:00 ", "0:20 ", "0:40 "]  # type: ignore[index]
    assert all(len(line) <= 110 and not set(line) & set("<>") for line in reported)
    assert reported[1] != "0:20 "


# ---- FFmpeg


@pytest.mark.parametrize("title", [*HOSTILE[:-1], NASTY, "a = b; c # d \\ e", "ends with \\", "[CHAPTER]", ";x", "#x"])
def test_ffmpeg_reads_every_title_unchanged(title: str) -> None:
    made = with_chapters(0.0, 20.04, titles=(title, "After"))
    reported = read(markers.write_ffmetadata(made, "en"))
    assert [one["metadata"]["title"].rstrip() for one in reported] == [one.title for one in chapters_of(made)]
    assert [one["start"] * one["time_base"] for one in reported] == pytest.approx([0.0, 20.04])
    assert [one["end"] * one["time_base"] for one in reported] == pytest.approx([20.04, 3700.0])


def test_untitled_chapter_is_named_by_text_or_number() -> None:
    made = rich()
    assert made.summary
    reported = (Chapter("", "He walks\nby.", 1, 0.0, 4.0), Chapter(" ", "", 4, 4.0, 9.0))
    made = replace(made, summary=replace(made.summary, chapters=reported))
    assert [one.title for one in chapters_of(made)] == ["He walks by.", "Chapter 2"]


def test_chapter_files_come_from_chapters_or_pages() -> None:
    # Chapter file says that a model made it.
    data = markers.write_ffmetadata(rich(), "en")
    assert b"; The descriptions were generated" in data and b'; {"AIGC"' in data
    with av.open(BytesIO(data), format="ffmetadata") as container:
        assert dict(container.metadata) == {}
    assert b"AIGC" not in markers.write_ffmetadata(analysis(chunks=(), engine=None), "en")
    # There is no file without chapters.
    assert markers.fits_ffmetadata(rich()) and markers.fits_ffmetadata(analysis())
    assert not markers.fits_ffmetadata(with_chapters(end=90.0))
    # Chapters come from pages without a model.
    made = video_of(*[VALVES] * 2, *[PUMPS] * 2, *[SEALS] * 2)
    assert lines(made) == ["0:00 Kinds of valves", "0:25 How pumps work", "0:45 Seals"]
    with in_language("en"):
        assert [one.title for one in chapters_of(made)] == ["Kinds of valves", "How pumps work", "Seals"]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_ffmpeg_puts_the_chapters_into_a_video(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mp4", cards(["red", "blue"], 100))
    made = with_chapters(0.0, 4.0, end=8.0, titles=("One = 1; #1", "二"))
    (tmp_path / "clip.ffmetadata").write_bytes(markers.write_ffmetadata(made, "en"))
    wanted = ["-map", "0", "-map_metadata", "0", "-map_chapters", "1", "-codec", "copy", "out.mp4"]
    command = ["ffmpeg", "-v", "error", "-i", str(video), "-i", "clip.ffmetadata", *wanted]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    with av.open(str(tmp_path / "out.mp4")) as container:
        reported = [
            (chapter["metadata"]["title"], float(chapter["start"] * chapter["time_base"]))
            for chapter in container.chapters()
        ]
    assert reported == [("One = 1; #1", 0.0), ("二", 4.0)]
