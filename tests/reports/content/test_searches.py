"""The short form of a search's answer: times in tenths that lead to the video, a line on its care, and the rest."""

from dataclasses import replace

import pytest

from framelens.core.domain import Language, ReportedAnswer, ReportedSearch
from framelens.core.evidence import Interval, Moments, Point, VoteSample
from framelens.i18n import in_language
from framelens.reports.content.document import plain_text
from framelens.reports.content.searches import found_by_search

SAID = "“a red card” was seen 2 times:\n1. 00:02.000–00:02.960 …\n2. …\n11 frames were looked at …"


def search(video: str = "", **changes: object) -> ReportedSearch:
    def interval(start: int, end: int, **issues: object) -> Interval:
        return Interval(
            *(Point(at, at / 25) for at in (start, end)),
            None,
            None,
            Point(start, start / 25),
            9,
            1,
            0.9,
            gone_seconds=(end + 1) / 25,
            **issues,
        )  # type: ignore[arg-type]

    samples = tuple(VoteSample(at, at / 25, (at + 1) / 25, 0.9, 1) for at in range(0, 220, 20))
    found = (interval(50, 74), interval(150, 150, issues=("borders",)))
    made = Moments("job", "a red card", 0.0, 9.0, samples, intervals=found, widest_gap_seconds=0.84, ended="complete")
    return ReportedSearch(replace(made, **changes), video)  # type: ignore[arg-type]


def answered(text: str, *searches: ReportedSearch) -> ReportedAnswer:
    return ReportedAnswer("When?", "", text, "complete", searches=searches)


@pytest.mark.parametrize(
    ("language", "looked"),
    [
        ("en", "looked at 11 frames; widest gap 0.8 s; 1 of 2 uncertain"),
        ("zh", "看了 11 帧；最大间隔 0.8 秒；2 处中有 1 处不确定"),
    ],
)
def test_found_times_are_brief_and_lead_to_the_video(language: Language, looked: str) -> None:
    with in_language(language):
        (one,), rest = found_by_search(answered(f"{SAID}\n\nIt is round.", search()))
    assert rest == "It is round." and plain_text(one.looked) == looked
    bold = [(span.text, span.at_seconds) for span in one.summary if span.at_seconds is not None]
    assert bold == [("00:02.000–00:03.000", 2.0), ("00:06.000–00:06.040", 6.0)]
    assert one.starts == [2.0, 6.0] and one.edges == {2.0, 2.96, 6.0}


def test_each_video_is_named_and_another_one_is_no_link() -> None:
    with in_language("en"):
        text = f"a.mp4:\n{SAID}\n\nb.mp4:\n{SAID}"
        (own, other), rest = found_by_search(answered(text, search(), search("b.mp4")))
    assert rest == "" and plain_text(own.summary).startswith(
        "a.mp4: “a red card” was seen 2 times: 00:02.000–00:03.000 (1.00 s)"
    )
    assert plain_text(other.summary).startswith("b.mp4: ") and not any(span.at_seconds for span in other.summary)


def test_found_videos_have_chinese_punctuation() -> None:
    # Punctuation of a found video is chinese.
    with in_language("zh"):
        (other,), _ = found_by_search(answered(f"b.mp4:\n{SAID}", search("b.mp4")))
    assert plain_text(other.summary).startswith(
        "b.mp4：“a red card” was seen 2 times:00:02.000–00:03.000（1.00 秒）、00:06.000–00:06.040（0.04 秒）"
    )
    # Text that is no search stays whole.
    assert found_by_search(answered("A man [1].\n\nHe leaves.", search())) == ([], "A man [1].\n\nHe leaves.")


def test_open_and_doubted_searches_say_so() -> None:
    with in_language("en"):
        found = search(intervals=(), doubted=search().moments.intervals, ended="seconds")
        (one,), _ = found_by_search(answered("“a red card” was not seen.\nmore", found))
        assert plain_text(one.summary) == "“a red card” was not seen."
        assert plain_text(one.looked).endswith("; 2 moments not counted; search not finished")
        (proves,), _ = found_by_search(answered("says yes to a red card", search(intervals=(), ended="says_yes")))
    assert plain_text(proves.looked) == ""
