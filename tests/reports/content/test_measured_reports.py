"""Reports that no model has seen: what leads, and what isn't for readers."""

from dataclasses import replace
from typing import get_args

import pytest

from framelens.core.domain import Analysis, Boundary, BoundaryType, DecodeSummary, Measures, Notice, Shot
from framelens.i18n import in_language, t
from framelens.reports.content.builder import document, sections
from framelens.reports.content.document import Block, Chapters, Heading, Listing, Paragraph, Timeline, plain_text
from framelens.reports.content.labels import one_line
from framelens.reports.formats import FORMATS
from tests.reports.test_reports import analysis

pytestmark = pytest.mark.usefixtures("english")
WHY = Notice("model_unconfirmed", {"model": "some/model"}, "error", "error")


def measured(decode: DecodeSummary | None = None, *, question: str = "") -> Analysis:
    made = analysis()
    request = replace(made.request, question=question)
    notices = (Notice("no_model_because", {"reason": WHY}, "error"),)
    bare = replace(made, request=request, chunks=(), summary=None, joins=(), engine=None, notices=notices, facts=())
    return replace(bare, decode=decode or made.decode, transcript=None, answer=None)


def film(shots: int, length: float) -> DecodeSummary:
    starts = [place * length for place in range(shots)]
    cuts = tuple(Boundary(start, start, "cut") for start in starts[1:])
    made = tuple(Shot(number, start, start + length) for number, start in enumerate(starts, start=1))
    return DecodeSummary(1000, shots * length, False, "pyav", made, cuts)


def camera(motion: tuple[float, ...], light: tuple[float, ...] = ()) -> DecodeSummary:
    values = light or (0.5,) * len(motion)
    measures = Measures(1.0, motion, motion, values, values, values)
    seconds = float(len(motion))
    return DecodeSummary(1000, seconds, False, "pyav", (Shot(1, 0.0, seconds),), measures=measures)


def blocks(made: Analysis) -> tuple[Block, ...]:
    return document(made).blocks


def text(made: Analysis) -> list[str]:
    shown = (block for block in blocks(made) if isinstance(block, Paragraph | Heading))
    listed = (item for block in blocks(made) if isinstance(block, Listing) for item in block.items)
    return [*(plain_text(block.line) for block in shown), *map(plain_text, listed)]


def test_documents_lead_with_what_was_measured() -> None:
    # Title is the file and the question needs a model.
    made = measured(question="When does the car come?")
    assert document(made).title == one_line(made.video.name)
    said = text(made)
    place = said.index("Question When does the car come?")
    assert said[place + 1] == t("report.needs_model")
    assert t("report.needs_model") not in text(measured())
    # A film leads with its shots.
    shown = blocks(measured(film(30, 4.0)))
    cards = next(block for block in shown if isinstance(block, Chapters)).cards
    assert len(cards) <= 12 and all(card.title.startswith("Shot ") for card in cards)
    assert "30 shots · 14.5 cuts a minute · 4.0 s a shot on average" in text(measured(film(30, 4.0)))
    (chart,) = (block for block in shown if isinstance(block, Timeline))
    assert max(value for _, value in chart.chart.curve) == 1.0
    # A single picture is called so.
    decode = replace(camera((0.0,)), frames_decoded=1)
    assert t("report.single_picture") in text(measured(decode))
    # A report of a model has no measured lead.
    anchors = {block.anchor for block in blocks(analysis()) if isinstance(block, Heading)}
    assert not anchors & {"film", "moves"}


def test_first_lines_are_facts_and_that_all_was_measured() -> None:
    facts, note, *_ = text(measured())
    assert "×" in facts and "fps" in facts and measured().video.name not in facts
    assert note == t("notice.no_model")
    assert t("notice.no_model") not in text(analysis())


@pytest.mark.parametrize("name", ["markdown", "html"])
@pytest.mark.parametrize("appendix", [False, True])
def test_documents_have_no_words_for_the_operator(name: str, appendix: bool) -> None:
    made = FORMATS[name].write(measured(question="When?"), "en", appendix=appendix).decode()
    assert "--yes" not in made and "some/model" not in made and "Cause" not in made


def test_documents_name_what_is_missing_without_settings() -> None:
    made = replace(measured(), notices=(Notice("sound_not_analysed", {"install_speech": "pip install x"}),))
    for language in ("en", "zh"):
        with in_language(language):
            assert t("reader.sound_not_analysed") in text(made)
            (on_page,) = sections(made, is_shared=False)["notices"]()
            assert isinstance(on_page, Paragraph) and "FRAMELENS_SPEECH" in plain_text(on_page.line)


def test_a_short_film_lists_every_shot_without_a_chart() -> None:
    shown = blocks(measured(film(3, 4.0)))
    cards = next(block for block in shown if isinstance(block, Chapters)).cards
    assert [card.text for card in cards] == ["4.00 s", "4.00 s, cut", "4.00 s, cut"]
    assert not any(isinstance(block, Timeline) for block in shown)


def test_a_camera_leads_with_what_moves() -> None:
    motion, light = (0.0,) * 20 + (0.1,) * 5 + (0.0,) * 15, (0.2,) * 30 + (0.6,) * 10
    said = text(measured(camera(motion, light)))
    assert "Something moves in 1 stretch, 5.0 s of 40.0 s in all." in said
    assert said[-3:] == [
        "00:00.000 – 00:20.000 Nothing moves.",
        "00:25.000 – 00:40.000 Nothing moves.",
        f"00:30.000 {t('report.light_on')}",
    ]


@pytest.mark.parametrize(("motion", "key"), [((0.0,) * 20, "moves_never"), ((0.1,) * 20, "moves_always")])
def test_all_and_nothing_are_said_in_a_sentence(motion: tuple[float, ...], key: str) -> None:
    for language in ("en", "zh"):
        with in_language(language):
            assert t(f"report.{key}") in text(measured(camera(motion)))


@pytest.mark.parametrize("kind", get_args(BoundaryType))
def test_each_transition_has_its_word(kind: BoundaryType) -> None:
    decode = film(2, 4.0)
    first, second = next(
        block.cards
        for block in blocks(measured(replace(decode, boundaries=(Boundary(4.0, 4.0, kind),))))
        if isinstance(block, Chapters)
    )
    assert first.text == "4.00 s" and second.text == f"4.00 s, {t(f'report.transition_{kind}')}"
