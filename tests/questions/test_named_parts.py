from __future__ import annotations

import pytest

from framelens.questions.retrieval.named_parts import part_in_text, without_times

TWO_MINUTES = (0.0, 120.0)


@pytest.mark.parametrize(
    ("text", "start", "end", "rest"),
    [
        ("In the last 10 seconds, what happens?", 110.0, 120.0, "what happens?"),
        ("What happens within the final thirty seconds?", 90.0, 120.0, "What happens ?"),
        ("Is there a dog in the last half a minute?", 90.0, 120.0, "Is there a dog ?"),
        ("Is there a dog in the last minute?", 60.0, 120.0, "Is there a dog ?"),
        ("最后十二秒有狗吗？", 108.0, 120.0, "有狗吗？"),
        ("最后半分钟有狗吗？", 90.0, 120.0, "有狗吗？"),
        ("Who comes in the second minute?", 60.0, 120.0, "Who comes ?"),
        ("What happens in the 3rd minute of the video?", 120.0, 180.0, "What happens ?"),
        ("第二分钟有狗吗？", 60.0, 120.0, "有狗吗？"),
        ("第 1 分钟里有狗吗？", 0.0, 60.0, "有狗吗？"),
        ("in the first half, who appears?", 0.0, 60.0, "who appears?"),
        ("Summarize the second half of the video.", 60.0, 120.0, "Summarize ."),
        ("前半段有狗吗？", 0.0, 60.0, "有狗吗？"),
        ("视频后半部分有狗吗？", 60.0, 120.0, "有狗吗？"),
    ],
)
def test_part_with_a_length_is_read(text: str, start: float, end: float, rest: str) -> None:
    part = part_in_text(text)
    assert part and part.place(*TWO_MINUTES) == (start, end)
    assert part.rest == rest == without_times(text) and not part.is_edge


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("What happens at the end?", "end"),
        ("What does she say at the very end of the video?", "end"),
        ("Describe the end of this clip.", "end"),
        ("How does the video end?", "end"),
        ("What is in the last frame?", "end"),
        ("结尾发生了什么？", "end"),
        ("视频最后是什么画面？", "end"),
        ("最后谁赢了？", "end"),
        ("视频快结束的时候谁在画面里？", "end"),
        ("最后几秒有什么？", "end"),
        ("What is at the beginning of the video?", "beginning"),
        ("Who is in the opening scene?", "beginning"),
        ("How does this film begin?", "beginning"),
        ("视频一开始有谁？", "beginning"),
        ("开头是什么？", "beginning"),
        ("开始的时候他穿什么？", "beginning"),
        ("前几秒有什么？", "beginning"),
        ("What happens in the middle of the video?", "middle"),
        ("中间部分有什么？", "middle"),
    ],
)
def test_edge_is_a_tenth_of_the_video(text: str, place: str) -> None:
    part = part_in_text(text)
    assert part and part.is_edge
    assert part.place(*TWO_MINUTES) == {"beginning": (0.0, 12.0), "middle": (54.0, 66.0), "end": (108.0, 120.0)}[place]


def test_edge_has_least_and_most_seconds() -> None:
    part = part_in_text("What happens at the end?")
    assert part and part.place(0.0, 3.0) == (0.0, 3.0)
    assert part.place(0.0, 20.0) == (15.0, 20.0) and part.place(0.0, 3600.0) == (3540.0, 3600.0)


@pytest.mark.parametrize(
    "text",
    [
        "Who is at the end of the table?",
        "When does he stop at the end of the street?",
        "What is in the middle of the road?",
        "Is the man in the middle wearing a hat?",
        "What happened from 0:10 until the end of the video?",
        "Who is on the first page?",
        "What is on “the end of the video”?",
        "最后一次出现红卡是什么时候？",
        "最后出现的人是谁？",
        "谁最后离开房间？",
        "比赛结束的时候比分是多少？",
        "第2分钟30秒有什么？",
        "第2分钟之后有什么？",
        "从一开始就有狗吗？",
        "十分漂亮的狗在哪里？",
    ],
)
def test_another_end_or_place_is_no_part(text: str) -> None:
    assert part_in_text(text) is None
