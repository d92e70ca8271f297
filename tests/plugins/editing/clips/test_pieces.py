"""Pieces of a report: which there are, how they are chosen, and the names of their clips."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens.core.errors import ConfigError, InputError
from framelens.core.files import name_limit
from framelens.plugins.editing.clips.cutter import clip_name, cut_pieces
from framelens.plugins.editing.clips.pieces import Piece, PieceKind, chosen, moved, parse_numbers, pieces_of
from framelens.video import frame_times
from framelens.video.worker_pool import DecoderWorker
from tests.marked import marked
from tests.media import cards, write_video
from tests.plugins.editing.clips.test_cutter import frames_of
from tests.reports.content.test_labels import rich
from tests.reports.test_questions import asked
from tests.thorough import first_of

pytestmark = pytest.mark.usefixtures("english")


def test_findings_and_chapters_have_exact_times() -> None:
    # Findings have the times of the frames they cite.
    findings = [one for one in pieces_of(rich()) if one.kind == "finding"]
    assert [(finding.number, finding.start_seconds, finding.end_seconds) for finding in findings] == [
        (1, 0.5, 0.5),
        (2, 0.5, 1.0),
        (3, 6.5, 8.0),
    ]
    assert findings[0].label == "A man walks by." and findings[2].label.startswith("He comes back. ⚠️")
    # Chapters and intervals keep their own edges.
    chapters = [one for one in pieces_of(rich(), 5.0) if one.kind == "chapter"]
    assert [(chapter.name, chapter.start_seconds, chapter.end_seconds) for chapter in chapters] == [
        ("He comes", 0.0, 4.0),
        ("He is back", 4.0, 9.0),
    ]
    intervals, widened = ([one for one in pieces_of(asked(), by) if one.kind == "interval"] for by in (0.0, 5.0))
    assert intervals and intervals == widened


def test_pieces_keep_their_edges_and_numbers() -> None:
    # Finding without a time keeps its number from others.
    first, last = rich().chunks
    bare = replace(first, findings=(replace(first.findings[0], frames=(99,)), first.findings[1]))
    found = [one.number for one in pieces_of(replace(rich(), chunks=(bare, last))) if one.kind == "finding"]
    assert found == [2, 3]
    # Findings are widened within the video.
    findings = [one for one in pieces_of(rich(), 2.0) if one.kind == "finding"]
    assert [(finding.start_seconds, finding.end_seconds) for finding in findings] == [
        (0.0, 2.5),
        (0.0, 3.0),
        (4.5, 9.0),
    ]


@pytest.mark.parametrize(("text", "numbers"), [("3", (3,)), ("1,4-6", (1, 4, 5, 6)), ("2, 2,1-2", (2, 1))])
def test_numbers_are_parsed_in_their_order(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_numbers(text) == numbers


@pytest.mark.parametrize("text", ["", "0", "a", "3-1", "-2", "1,,2", "1.5", "1-99999999999", "1-9999,1-9999", "٣"])
def test_other_texts_are_no_numbers(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_numbers(text)
    assert error.value.key == "clip_numbers"


@pytest.mark.parametrize(("kind", "numbers", "key"), [("finding", (4,), "unknown"), ("interval", None, "kind")])
def test_what_a_report_lacks_is_named(kind: PieceKind, numbers: tuple[int, ...] | None, key: str) -> None:
    with pytest.raises(InputError) as error:
        chosen(pieces_of(rich()), kind, numbers, "clip.mp4")
    assert key in error.value.key and error.value.values["name"] == "clip.mp4"


# ---- names


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("50 km/h at the gate", "50 km_h at the gate_00-01.000_00-02.500.mp4"),
        ('../../etc: "x"', "_.._etc_ _x__00-01.000_00-02.500.mp4"),
        ("two\nlines", "two lines_00-01.000_00-02.500.mp4"),
        ("con", "con_00-01.000_00-02.500.mp4"),
        (" ", "talk_00-01.000_00-02.500.mp4"),
        ("长" * 90, "长" * 26 + "_00-01.000_00-02.500.mp4"),
    ],
)
def test_names_from_titles_are_safe(tmp_path: Path, title: str, name: str) -> None:
    made = clip_name(Path("talk.mkv"), "exact", 1.0, 2.5, tmp_path, title=title)
    assert made == name and len(made.encode()) <= min(140, name_limit(tmp_path))


@pytest.mark.slow
def test_clips_of_one_name_count_up_and_keep_files(tmp_path: Path) -> None:
    video = write_video(tmp_path / "talk.mp4", cards(["red", "green"], 10))
    taken = tmp_path / "cut" / "Gate_00-00.000_00-00.200.mp4"
    taken.parent.mkdir()
    taken.write_text("mine")
    pieces = [Piece("finding", 1, "gate", 0.0, 0.2), Piece("finding", 2, "Gate", 0.0, 0.2)]
    cuts = [*cut_pieces(video, [*pieces, Piece("finding", 3, "late", 50.0, 51.0), pieces[0]], taken.parent)]
    assert [one.clip and one.clip.path.name for one in cuts] == [
        "gate_00-00.000_00-00.200.mp4",
        "Gate_00-00.000_00-00.200-2.mp4",
        None,
        "gate_00-00.000_00-00.200-3.mp4",
    ]
    assert cuts[2].error and cuts[2].error.key == "clip_behind_end" and taken.read_text() == "mine"


# ---- many clips


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[DecoderWorker]:
    """The workers that were started, as they are."""
    found: list[DecoderWorker] = []

    class Noted(DecoderWorker):
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            found.append(self)

    monkeypatch.setattr(frame_times, "DecoderWorker", Noted)
    return found


def ranges(count: int) -> list[Piece]:
    """Ranges of two pictures, each a little later."""
    return [Piece("", 0, f"no {place}", place * 0.2, place * 0.2 + 0.08) for place in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("mode", first_of(["exact", "fast"]))
def test_one_worker_reads_the_times_of_many_clips(tmp_path: Path, started: list[DecoderWorker], mode: Any) -> None:
    video = write_video(tmp_path / "talk.mp4", marked(60), options={"g": "5", "bf": "0", "sc_threshold": "0"})
    cuts = [*cut_pieces(video, ranges(8), tmp_path / "cut", mode=mode)]
    assert [[number for _, number in frames_of(one.clip.path)] for one in cuts if one.clip] == [
        [place * 5, place * 5 + 1] for place in range(8)
    ]
    assert len(started) == 1 and len([*(tmp_path / "cut").iterdir()]) == 8


@pytest.mark.slow
def test_worker_that_dies_costs_no_clip(tmp_path: Path, started: list[DecoderWorker]) -> None:
    video = write_video(tmp_path / "talk.mp4", marked(60))
    cuts = []
    for cut in cut_pieces(video, ranges(4), tmp_path / "cut"):
        cuts.append(cut)
        if len(cuts) == 2:
            started[0]._process.kill()
            started[0]._process.wait()
    assert all(one.clip for one in cuts) and len(started) == 2
    assert len([*(tmp_path / "cut").iterdir()]) == 4


@pytest.mark.parametrize(
    ("places", "order"),
    [
        ([1, 2, 3, 4], "abcd"),
        ([1, 4, 3, 4], "acdb"),  # down, behind the piece that was there
        ([1, 2, 3, 1], "dabc"),  # up, before it
        ([4, 3, 2, 1], "dcba"),
        ([9, 2, 3, 4], "bcda"),
    ],
)
def test_pieces_move_to_their_places(places: list[int], order: str) -> None:
    assert "".join(moved(zip(range(1, 5), places, "abcd", strict=True))) == order
