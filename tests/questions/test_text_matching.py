"""Wanted words in text as it is read: width, case, blanks, line breaks and misread letters."""

import pytest

from framelens.core.domain import ScreenText
from framelens.questions.retrieval.text_matching import TextMatcher


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("protein", "The PROTEIN folds"),
        ("protein", "Proteins"),
        ("ABC", "ＡＢＣ"),
        ("ＡＢＣ", "abc"),
        ("蛋白质", "蛋 白 质的结构"),
        ("deep learning", "Deeplearning 101"),
        ("3.14", "pi = 3.14"),
        ("50%", "50 % off"),
        ("C++", "C++ code"),
        ("café", "CAFE"),
        ("don't", "Don’t stop"),
        ("E=mc²", "E = mc2"),
        ("I 帧", "每组以Ⅰ帧开头"),
        ("P 帧", "\u03a1帧：发生的变化"),
        ("Python", "使用Python编程"),
        ("Привет", "привет, мир"),
    ],
)
def test_words_are_found_letter_by_letter(words: str, text: str) -> None:
    found = TextMatcher(words).in_text(text)
    assert found and found.is_exact and found.text == text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("hello", "he11o"),
        ("O2", "02"),
        ("photosynthesis", "photosyntnesis"),
        ("二氧化碳排放", "二氧化炭排放量"),
    ],
)
def test_small_mistakes_of_recognition_are_marked(words: str, text: str) -> None:
    found = TextMatcher(words).in_text(text)
    assert found and not found.is_exact


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("valve", "value"),
        ("cat", "concatenate"),
        ("protein", "proteinase"),
        ("3.14", "314"),
        ("10", "100"),
        ("2024-11-29", "2024-11-28"),
        ("50%", "50"),
        ("蛋白质", "蛋白"),
        ("…", "anything"),
    ],
)
def test_other_words_are_not_found(words: str, text: str) -> None:
    assert TextMatcher(words).in_text(text) is None


def line(text: str, left: float, top: float, confidence: float = 0.99) -> ScreenText:
    return ScreenText(text, confidence, (left, top, left + 0.3, top + 0.05))


def test_exact_words_are_found_over_lines_and_boxes() -> None:
    # Words split over lines and boxes.
    lines = [line("About protein", 0.1, 0.1), line("Menu", 0.7, 0.1), line("folding", 0.1, 0.16, 0.9)]
    found = TextMatcher("protein folding").in_lines(lines)
    assert found and found.text == "About protein folding" and found.confidence == 0.9
    assert TextMatcher("menu folding").in_lines(lines) is None
    hyphen = [line("photo-", 0.1, 0.1), line("synthesis", 0.1, 0.16)]
    assert TextMatcher("photosynthesis").in_lines(hyphen)
    beside = [line("Total:", 0.1, 0.1), line("42 EUR", 0.41, 0.1)]
    assert TextMatcher("total 42").in_lines(beside)
    # Line with the exact words is the evidence.
    found = TextMatcher("hello").in_lines([line("he11o", 0.1, 0.1), line("hello there", 0.1, 0.5)])
    assert found and found.text == "hello there"
