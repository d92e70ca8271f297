"""Two reports side by side: what belongs together, and which words differ."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from app import comparison
from framelens.core.domain import Analysis, AnalysisRequest, Finding
from tests.app import rich

REQUEST = AnalysisRequest(Path("a.mp4"))


def report(model: str = "Tiny-VL") -> Analysis:
    return rich.rich(REQUEST, "job", parts=2, findings=4, model=model)


def joined(pieces: comparison.Pieces) -> str:
    return "".join(f"[{text}]" if differs else text for text, differs in pieces)


def marked(line: dict[str, Any]) -> str:
    return joined([(span["text"], span.get("differs", False)) for span in line["spans"]])


def test_differences_are_marked_in_both_texts() -> None:
    # Words without a counterpart are marked in both texts.
    one, other = comparison.diff_words("A red car turns left.", "A blue car turns left.")
    assert (joined(one), joined(other)) == ("A [red] car turns left.", "A [blue] car turns left.")
    # Chinese is reported apart by its characters.
    one, other = comparison.diff_words("一辆红色的车左转", "一辆蓝色的车左转")
    assert (joined(one), joined(other)) == ("一辆[红]色的车左转", "一辆[蓝]色的车左转")
    # Texts with little in common are left as they stand.
    one, other = comparison.diff_words("A red car turns left.", "Nobody has come, and it rains")
    assert not any(differs for _, differs in (*one, *other))


def test_texts_of_any_length_are_reported_apart_without_delay() -> None:
    one, _ = comparison.diff_words("word " * 50_000, "other " * 50_000)
    assert len(one) == 1


def test_compared_frames_pair_by_time_not_number() -> None:
    both = (report(), report())
    fewer = replace(
        both[1], keyframes=tuple(replace(frame, number=frame.number - 2) for frame in both[1].keyframes[2:])
    )
    moments = comparison.moments((both[0], fewer))
    assert [moment.frames[1] is None for moment in moments] == [True, True, *[False] * 6]
    assert comparison.num_shared((both[0], fewer)) == 6
    assert moments[2].frames[0] and moments[2].frames[1]
    assert (moments[2].frames[0].number, moments[2].frames[1].number) == (3, 1)


def test_compared_findings_are_side_by_side() -> None:
    both = (report("One"), report("Other"))
    moments = comparison.moments(both)
    row = comparison.frame_rows(moments[:1], both, ("a", "b"))[0]
    texts = [[marked(line) for line in side] for side in row["sides"]]  # type: ignore[attr-defined]
    assert texts[0] == ["A man walks past the gate with a parcel, seen by [One], number 0.0."]
    assert texts[1] == ["A man walks past the gate with a parcel, seen by [Other], number 0.0."]
    assert not row["same"]


def test_the_whole_is_compared_as_far_as_both_have_it() -> None:
    # Where both say the same nothing differs.
    both = (report(), report())
    assert all(comparison.is_same(moment, both) for moment in comparison.moments(both))
    assert all(row["same"] for row in comparison.whole_rows(both))
    # The whole is compared as far as one has it.
    both = (report(), replace(report(), summary=None))
    titles = [str(row["title"]) for row in comparison.whole_rows(both)]
    assert titles == ["Title", "Answer", "Summary", "Chapters", "Without a frame"]
    # Title is compared once.
    described = report()
    asked = replace(described, request=replace(described.request, question="Who comes?"))
    rows = {str(row["title"]): row for row in comparison.whole_rows((asked, described))}
    assert rows["Title"]["same"] and rows["Summary"]["same"]
    assert asked.title not in str(rows["Summary"])


def test_a_field_that_differs_is_marked() -> None:
    both = (report(), report())
    chunk = both[1].chunks[0]
    other = Finding(chunk.findings[0].text, chunk.findings[0].frames, (), {"kind": "leaves", "who": "nobody"})
    changed = replace(both[1], chunks=(replace(chunk, findings=(other, *chunk.findings[1:])), both[1].chunks[1]))
    pair = (both[0], changed)
    assert not comparison.is_same(comparison.moments(pair)[0], pair)
    row = comparison.frame_rows(comparison.moments(pair)[:1], pair, ("a", "b"))[0]
    line = row["sides"][1][0]  # type: ignore[index]
    assert [(field["text"], field["differs"]) for field in line["fields"]] == [("leaves", True), ("nobody", True)]
