from __future__ import annotations

import pytest

from app.state import Edits, PageState

EDITS = Edits("job", (0.0, 1.0, 2.5), 0.04)


def after(*operations: object) -> Edits:
    return EDITS.after(0, [*operations])


def test_frames_are_taken_out_and_added_in_time_order() -> None:
    edits = after(["remove", 1.0], ["add", 1.7], ["add", 0.3])
    assert edits.times == (0.0, 0.3, 1.7, 2.5)
    assert (edits.removed, edits.added, edits.num_changes) == ({1.0}, (0.3, 1.7), 3)


def test_every_step_can_be_undone_down_to_the_report_itself() -> None:
    edits = after(["remove", 1.0], ["add", 0.3], ["undo"])
    assert edits.times == (0.0, 2.5)
    edits = edits.after(3, [["undo"], ["undo"]])
    assert (edits.times, edits.num_changes) == (EDITS.chosen, 0)


def test_removed_frame_returns_with_its_rounded_time() -> None:
    assert after(["remove", 1.0], ["add", 1.021]).times == EDITS.chosen
    assert after(["remove", 1.0], ["add", 0.9995]).times == EDITS.chosen
    assert after(["remove", 1.0], ["add", 1.041]).times == (0.0, 1.041, 2.5)


def test_a_frame_that_is_there_is_not_added_twice() -> None:
    assert after(["add", 1.03], ["add", 0.3], ["add", 0.31]).times == (0.0, 0.3, 1.0, 2.5)


def test_what_was_added_is_gone_when_it_is_taken_out() -> None:
    edits = after(["add", 0.3], ["remove", 0.3])
    assert (edits.times, edits.num_changes) == (EDITS.chosen, 0)


def test_operations_that_are_sent_again_count_once() -> None:
    first = EDITS.after(0, [["add", 0.3]])
    second = first.after(0, [["add", 0.3], ["add", 0.6], ["undo"], ["undo"]])
    assert (second.times, second.seen) == (EDITS.chosen, 4)


@pytest.mark.parametrize(
    "operation",
    [["remove", 7.0], ["add", -1], ["add", float("nan")], ["add"], ["paint", 1.0], "undo", None, ["undo", 1]],
)
def test_what_is_no_operation_changes_nothing_and_is_counted(operation: object) -> None:
    edits = after(operation)
    assert (edits.times, edits.seen) == (EDITS.chosen, 1)


def test_the_playhead_of_one_video_is_not_that_of_another() -> None:
    state = PageState()
    assert state.position_in("long") == 0.0
    state.position_seconds = 469.0  # where the reader went
    assert state.position_in("long") == 469.0
    assert state.position_in("short") == 0.0
    state.go_to(8.0)  # a citation opens a video at its frame
    assert state.position_in("long") == 8.0 and state.position_in("short") == 0.0
