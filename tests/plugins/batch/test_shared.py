"""What videos have in common, word for word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from framelens.core.domain import Analysis, FrameFacts, ScreenText, Stretch
from framelens.plugins.batch.shared import Occurrence, SharedItems
from tests.reports.content.test_labels import rich

pytestmark = pytest.mark.usefixtures("english")


def shows(*texts: str, number: int = 2) -> Analysis:
    read = tuple(ScreenText(text, 0.9, (0, 0, 1, 1)) for text in texts)
    return rich(facts=(FrameFacts(number, read, (), 0.5, 10.0, None),))


def found(*analyses: Analysis) -> dict[tuple[str, str, str], list[Occurrence]]:
    items = SharedItems()
    for number, one in enumerate(analyses):
        items.add(f"video{number}", one)
    return {(item.kind, item.name, item.text): list(item.places) for item in items.all()}


def test_the_same_text_in_two_videos_is_shared() -> None:
    third = replace(rich(), chunks=(), facts=())
    made = found(shows("BREAKING  News", "only here", "ab"), shows("Ｂreaking news", "ab", number=3), third)
    places = made["screen", "", "BREAKING  News"]
    assert [(one.key, one.frame) for one in places] == [("video0", 2), ("video1", 3)]
    assert places[0].time_seconds == {f.number: f.time_seconds for f in rich().keyframes}[2]
    assert [text for kind, _, text in made if kind == "screen"] == ["BREAKING  News"]


def test_findings_and_their_values_are_shared_with_their_frames() -> None:
    made = found(shows(), shows())
    assert [one.frame for one in made["finding", "", "A man walks by."]] == [1, 1]
    assert any(kind == "field" and text == "the man in the red jacket" for kind, _, text in made)


def test_segments_are_shared_by_their_type() -> None:
    black = replace(rich().decode, stretches=(Stretch(1.0, 2.0, "black"), Stretch(3.0, 4.0, "black")))
    frozen = replace(rich().decode, stretches=(Stretch(0.5, 2.0, "black"), Stretch(3.0, 4.0, "frozen")))
    bare = {"facts": (), "chunks": ()}
    made = found(rich(decode=black, **bare), rich(decode=frozen, **bare))
    assert made == {("segment", "", "black"): [Occurrence("video0", 0, 1.0), Occurrence("video1", 0, 0.5)]}


@pytest.mark.slow
def test_one_video_shares_nothing() -> None:
    assert found(shows("twice", "twice")) == {}
