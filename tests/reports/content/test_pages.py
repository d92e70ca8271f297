"""Section with pages and speech, in the formats that people read."""

from dataclasses import replace

import pytest

from framelens.core.domain import Analysis, Cue
from framelens.reports.content.document import Block, Fold, Heading, Listing, plain_text
from framelens.reports.content.pages import MOST_OPEN, pages_section
from framelens.reports.json import reader, writer
from framelens.reports.subtitles import write_srt
from framelens.reports.text import html, markdown, plain
from tests.core.test_outline import PUMPS, VALVES, row, slide, video_of

pytestmark = pytest.mark.usefixtures("english")


def section(analysis: Analysis, *, is_brief: bool = False) -> list[Block]:
    return list(pages_section(analysis, is_brief=is_brief))


def headings(blocks: list[Block]) -> list[str]:
    return [plain_text(block.line) for block in blocks if isinstance(block, Heading)]


def test_pages_and_speech_are_below_each_other() -> None:
    # Pages have title times and text.
    text = markdown.write(video_of(VALVES, PUMPS), "en").decode()
    assert text.startswith("# Kinds of valves\n")
    assert "### How pumps work · 00:15 – 00:20\n" in text
    assert "- Suction side\n- Pressure side\n" in text
    # Speech is below its page.
    cues = [Cue(1.0, 3.0, "Let us look at valves."), Cue(16.0, 18.0, "Pumps come next.")]
    text = plain.write(video_of(VALVES, PUMPS, cues=cues), "en")
    assert text.index("Let us look at valves.") < text.index("How pumps work") < text.index("Pumps come next.")
    # Speech without pages has chapters at pauses.
    cues = [Cue(at, at + (7 if at % 300 else 2), f"Part {at} of it.") for at in range(0, 1500, 10)]
    shown = headings(section(video_of((), cues=cues)))
    assert shown[0] == "Speech" and 3 <= len(shown) - 1 <= 8
    assert all(one.startswith("“Part ") for one in shown[1:])


def test_page_that_returns_is_named_below_the_first() -> None:
    text = plain.write(video_of(VALVES, PUMPS, VALVES), "en")
    assert "Shown again: 00:25 – 00:30" in text
    assert text.count("Gate valves") == 1


def test_page_that_returns_with_speech_has_its_own_heading() -> None:
    shown = headings(section(video_of(VALVES, PUMPS, VALVES, cues=[Cue(26.0, 28.0, "Once more.")])))
    assert [one.partition(" · ")[0] for one in shown] == [
        "Pages",
        "Kinds of valves",
        "How pumps work",
        "Kinds of valves",
    ]


def test_doubts_markup_and_subtitles_of_pages() -> None:
    # Uncertain reading is marked.
    text = markdown.write(video_of((*VALVES, row("• Globe va1ves", 0.08, 0.6, confidence=0.86))), "en").decode()
    assert "- Globe va1ves ⚠️ *uncertain reading*" in text
    # Text of a page cannot become markup.
    page = slide("<script>alert(1)</script>", "# heading [x](http://evil)", "*bold* `code`", "plain line")
    assert "<script>" not in html.write(video_of(page), "en").decode()
    assert "\\# heading \\[x\\]" in markdown.write(video_of(page), "en").decode()
    # Subtitles come from pages.
    assert "Kinds of valves" in write_srt(video_of(*[VALVES] * 2, *[PUMPS] * 2), "en").decode()


def test_many_pages_are_folded_after_their_titles() -> None:
    pages = [
        slide(f"About {word}", f"{word} opens", f"{word} closes", f"{word} wears") for word in _words(MOST_OPEN + 5)
    ]
    for is_brief in (True, False):
        _, titles, fold = section(video_of(*pages), is_brief=is_brief)
        assert isinstance(titles, Listing) and len(titles.items) == len(pages)
        assert isinstance(fold, Fold) and len(headings(fold.blocks)) == len(pages)
    assert "<details>" in html.write(video_of(*pages), "en").decode()


def test_long_page_is_folded_in_short_reports_and_whole_in_notes() -> None:
    page = slide("Losses", *(f"{word} adds its own share of the losses in this long pipe" for word in _words(7)))
    page += tuple(
        row(f"• {word} is a further line of the very same page that goes on", 0.5, 0.02 * n, height=0.015)
        for n, word in enumerate(_words(45))
    )
    brief = section(video_of(page), is_brief=True)
    assert any(isinstance(block, Fold) for block in brief)
    assert markdown.write(video_of(page), "en").decode().count("is a further line") == 45


def test_json_has_the_outline_and_is_read_again() -> None:
    made = video_of(VALVES, PUMPS)
    again = reader.read(writer.write(made, "en"), name="r.json")
    assert section(again) == section(replace(made))


def _words(number: int) -> list[str]:
    """Return different words, none of which has digits."""
    letters = "bcdfghjklmnpqrstvwxz"
    return [f"{first}o{second}al{first}e" for first in letters for second in letters][: number * 3 : 3]
