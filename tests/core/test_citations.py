import pytest

from framelens.core.citations import cited_in, read
from framelens.core.domain import Finding

TIMES = {1: 0.0, 2: 1.5, 3: 3.0, 4: 4.5}


@pytest.mark.parametrize(
    "answer",
    [
        "1: red; 2: blue",
        "1. red\n2. blue",
        "1) red\n2) blue",
        "Frame 1: red\nFrame 2: blue",
        "**Frame 1:** red\n**Frame 2:** blue",
        "- Frame 1 (00:00.000): red\n- Frame 2 (00:01.500): blue",
        "[frame 1 · 00:00.000] red\n[frame 2 · 00:01.500] blue",
        "第 1 帧：red\n第2帧：blue",
        "【第 1 帧 · 00:00.000】red\n【第 2 帧 · 00:01.500】blue",
        "- **第 1 帧**：red\n- **第 2 帧**：blue",
        "第一帧：red\n第二帧：blue",
        "［１］red\n［２］blue",
        "帧 1：red\n帧 2：blue",
        "Frame #1: red\nFrame #2: blue",
    ],
)
def test_numbered_items_in_usual_forms_cite_frames(answer: str) -> None:
    findings, overview = read(answer, TIMES)
    assert findings == (Finding("red", (1,)), Finding("blue", (2,)))
    assert overview == ()


def test_summaries_are_about_the_whole() -> None:
    # What follows the summary mark is about the whole.
    findings, overview = read("1: a man\n2: he waves\n\n**Summary:** A man waves [frame 1-2].\nHe is alone [3].", TIMES)
    assert [finding.frames for finding in findings] == [(1,), (2,)]
    assert overview == (Finding("A man waves [frame 1-2].", (1, 2)), Finding("He is alone [3].", (3,)))
    # A chinese summary is found with its citations.
    _, overview = read("1：一个人\n总结：有人挥手（第1帧至第3帧）。", TIMES)
    assert overview == (Finding("有人挥手（第1帧至第3帧）。", (1, 2, 3)),)


def test_frames_that_are_missing_or_unknown_are_flagged() -> None:
    # A frame that was not sent is flagged.
    findings, _ = read("12: a cat", TIMES)
    assert findings == (Finding("a cat", (), ("frame_not_sent",)),)
    # A sentence without a frame is flagged.
    findings, _ = read("A cat sleeps.", TIMES)
    assert findings == (Finding("A cat sleeps.", (), ("no_frame",)),)


OWN_TIMES = (
    *("he waves at 0:45", "he waves at 17 s", "在第 17 秒挥手", "he waves at 01:02:03", "waves at 2m23s"),
    *("waves at 1h0m2s", "在1小时0分2秒挥手", "he waves at 2'23\"", "he waves at 2′23″", "t = 143s: waves"),
    *("一个人12:30离开", "一个人12：30离开", "一个人0：12：30离开", "一个人在 12：30离开"),
    *('A sign says {"text": "He leaves at 9:59."', 'says "text": "at 9:59"', "says “open” until 9:59, “shut” after"),
)
NO_OWN_TIMES = (
    *("at 00:01 he waves", "at 1.5 s he waves", "he waves for 20 seconds", "2.5 m away", "about 5'10\" tall"),
    *("A sign says “Open 9:00 – 18:00”", 'A sign says "Open 9:00 – 18:00"', "A sign says 「営業 9:00–18:00」"),
    *("A sign says “周一至周五 9:00–18:00”", "A sign says «9:00»."),
)
"""Times of frames, durations, measures and quotations."""


@pytest.mark.parametrize("text", [*OWN_TIMES, *NO_OWN_TIMES])
def test_a_time_of_the_models_own_is_flagged(text: str) -> None:
    findings, _ = read(f"2: {text}", TIMES)
    assert findings[0].issues == (("own_time",) if text in OWN_TIMES else ())


def test_decimals_and_empty_answers_are_no_items() -> None:
    assert read("1.5 m long", TIMES)[0][0].text == "1.5 m long"
    assert read("", TIMES) == ((), ())
    assert read("  \n ; \n", TIMES)[1] == ()


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("movement since the previous frame 5.9 %", []),
        ("movement since the previous frame 5,9 %", []),
        ("movement since the previous frame 12 percent; frames 25/s", []),
        ("frame 5 % brighter, as in frame 3.", [3]),
        ("saved as frame 5.jpg", []),
        ("frame 15.5 and frames 3, 4", [3, 4]),
        ("the sign reads “frame 7” in frame 2", [2]),
        ("字幕写着「第 5 帧」，见第 2 帧", [2]),
        ("frame 5. Then frame 6: a door", [5, 6]),
        ('{"text": "as in frame 4"}', [4]),
        ("[Frame #3]", [3]),
        ("(frame no. 3)", [3]),
        ("`frame_3`", [3]),
        ("Image #3", [3]),
        ("［3］", [3]),
        ("（帧３）", [3]),
        ("帧 3、4", [3, 4]),
        ("帧1到帧3", [1, 2, 3]),
        ("共选取关键帧 8 张", []),
        ("十帧 5 秒", []),
        ("每秒 25 帧 3 秒", []),
        ("帧率 25", []),
        ("第三帧到第五帧", [3, 4, 5]),
        ("第十二帧", [12]),
        ("“第三帧”的字样见第 2 帧", [2]),
        ("第3张图片", [3]),
        ("第两幅画面", [2]),
        ("[3]–[5]", [3, 4, 5]),
        ("[frame 3] to [frame 5]", [3, 4, 5]),
        ("Frames #3-#5", [3, 4, 5]),
        ("frames 3 through 5", [3, 4, 5]),
        ("frames 3 & 4", [3, 4]),
        ("[3; 4]", [3, 4]),
        ("frame 3 of 12", [3]),
        ("frame_3.jpg", []),
    ],
)
def test_frames_are_cited_in_many_forms(text: str, numbers: list[int]) -> None:
    assert cited_in(text) == numbers
