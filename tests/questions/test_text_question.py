"""What questions ask of text and speech, in English and Chinese."""

import pytest

from framelens.questions.retrieval.text_question import TextQuestion, text_question


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("when does *protein* stand on the screen?", "protein"),
        ("When does “protein” appear?", "protein"),
        ("When does protein stand on the screen?", "protein"),
        ("When does the word protein appear?", "protein"),
        ("where does it say STOP", "STOP"),
        ("When does the sign say STOP?", "STOP"),
        ('when is "Total: 42" visible on the slide?', "Total: 42"),
        ("Does 'entropy' appear on screen?", "entropy"),
        ("Is the word entropy ever shown?", "entropy"),
        ("How long is “protein” on the screen?", "protein"),
        ("At what time does def main() appear in the editor?", "def main()"),
        ("in which moment is photosynthesis written on the board?", "photosynthesis"),
        ("什么时候出现“蛋白质”？", "蛋白质"),
        ("蛋白质什么时候出现在屏幕上？", "蛋白质"),
        ("什么时候屏幕上出现蛋白质？", "蛋白质"),
        ("“蛋白质”这个词出现了几次？", "蛋白质"),
        ("屏幕上什么时候写着ABC？", "ABC"),
        ("什么时候出现单词protein?", "protein"),
        ("在哪里写着禁止吸烟？", "禁止吸烟"),
        ("When does the title change to “Chapter 2”?", "Chapter 2"),
        ("where is the word protein", "protein"),
        ("show me when protein is on the slide", "protein"),
        ("牌子上什么时候说“开放”？", "开放"),
    ],
)
def test_times_of_words_on_the_screen(question: str, words: str) -> None:
    assert text_question(question) == TextQuestion("screen", words, is_certain=True)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("When does she say *valve*?", "valve"),
        ("when does she say valve?", "valve"),
        ("When is valve mentioned?", "valve"),
        ("How often does he mention the second law?", "second law"),
        ("when can we hear the word valve", "valve"),
        ("When do the subtitles say valve?", "valve"),
        ("When does the speaker talk about photosynthesis?", "photosynthesis"),
        ("她什么时候说到“阀门”？", "阀门"),
        ("她什么时候说到阀门？", "阀门"),
        ("阀门什么时候第一次被提到？", "阀门"),
        ("她说过阀门吗？", "阀门"),
        ("字幕里什么时候出现阀门？", "阀门"),
        ("他什么时候说了阀门", "阀门"),
        ("几点几分说“开始”？", "开始"),
    ],
)
def test_times_of_words_that_are_said(question: str, words: str) -> None:
    assert text_question(question) == TextQuestion("speech", words, is_certain=True)


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("What does the sign say?", "screen"),
        ("what is written at 1:20?", "screen"),
        ("What is the title of the slide at 1:20?", "screen"),
        ("Which words are on the slide?", "screen"),
        ("Read the text at 0:10", "screen"),
        ("画面上写了什么？", "screen"),
        ("牌子上写的是什么字？", "screen"),
        ("第80秒屏幕上有什么文字？", "screen"),
        ("What does the sign behind the man say?", "screen"),
        ("Is there any text in the video?", "screen"),
        ("what does it say at 0:15", "screen"),
        ("What does she say at 0:20?", "speech"),
        ("她在0:20说了什么？", "speech"),
    ],
)
def test_what_is_written_or_said(question: str, source: str) -> None:
    asked = text_question(question)
    assert asked and (asked.source, asked.words, asked.is_certain) == (source, "", False)


@pytest.mark.parametrize(
    "question",
    [
        "when does protein appear?",
        "When does a dog appear on the screen?",
        'When is the sign "STOP" visible?',
        "What does she say about valves?",
        "When does the presenter open “Settings”?",
        "红色的汽车什么时候出现？",
    ],
)
def test_words_that_may_be_seen_or_explained(question: str) -> None:
    asked = text_question(question)
    assert asked and asked.words and not asked.is_certain


@pytest.mark.parametrize(
    "question",
    [
        "what colour is the car?",
        "what colour is the sign that says STOP?",
        "Summarise the video",
        "when does she leave?",
        "why does it say STOP",
        "who says valve?",
        "What does “CPU” mean?",
        "What does the narrator say when the chart appears?",
        "视频里讲了什么？",
        "“CPU”是什么意思？",
    ],
)
def test_other_questions_are_about_what_is_seen(question: str) -> None:
    assert text_question(question) is None
