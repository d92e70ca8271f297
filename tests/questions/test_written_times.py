import pytest

from framelens.questions.retrieval.written_times import moment_in_text, range_in_text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Is it red from 0:10 to 1:02:03.5?", (10.0, 3723.5, "Is it red ?")),
        ("between 10 and 20 seconds", (10.0, 20.0, "")),
        ("Between 1 and 2 minutes, when?", (60.0, 120.0, "when?")),
        ("0:10–0:20: what happens?", (10.0, 20.0, ": what happens?")),
        ("1分20秒到2分钟之间有狗吗？", (80.0, 120.0, "有狗吗？")),
        ("第10秒到第20秒有没有狗？", (10.0, 20.0, "有没有狗？")),
        ("Is it red in the first 10 seconds?", (0.0, 10.0, "Is it red ?")),
        ("When does it stop after 1:30?", (90.0, None, "When does it stop ?")),
        ("0:05之前有狗吗？", (0.0, 5.0, "有狗吗？")),
        ("从 0:10 到 0:20 有狗吗？", (10.0, 20.0, "有狗吗？")),
        ("0:10和0:20之间有狗吗？", (10.0, 20.0, "有狗吗？")),
        ("前 10 秒有狗吗？", (0.0, 10.0, "有狗吗？")),
        ("What happens after “the dog” (0:15)?", (15.0, None, "What happens ?")),
        ("“狗跑了”（00:15）之后发生了什么？", (15.0, None, "发生了什么？")),
        ("第3秒之后呢？", (3.0, None, "呢？")),
        ("第 1分3秒之前有狗吗？", (0.0, 63.0, "有狗吗？")),
        ("从0:15开始有狗吗？", (15.0, None, "有狗吗？")),
        ("从0:15到结尾有狗吗？", (15.0, None, "有狗吗？")),
        ("Who is there from 0:15 on?", (15.0, None, "Who is there ?")),
        ("What happened from 0:10 until the end of the video?", (10.0, None, "What happened ?")),
        ("What is shown until 0:15?", (0.0, 15.0, "What is shown ?")),
        ("In the last 10 seconds, what happens?", (-10.0, None, "what happens?")),
        ("最后的 3 秒里有狗吗？", (-3.0, None, "有狗吗？")),
        ("What happens in the second half?", None),
        ("When is the sign “9:00-17:00” shown?", None),
        ("红卡出现10秒之后发生了什么？", None),
        ("What happens 5 seconds after the dog?", None),
        ("Is the score 2-1 or 3 to 1?", None),
        ("from 0:20 to 0:10", None),
    ],
)
def test_range_in_a_text_is_read(text: str, found: tuple[float, float | None, str] | None) -> None:
    assert range_in_text(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What happens at 0:15?", (13.0, 17.0, "What happens ?")),
        ("What is on the table around 1:02.5?", (60.5, 64.5, "What is on the table ?")),
        ("Who is there at second 1?", (0.0, 3.0, "Who is there ?")),
        ("Is it red at about 1 min 30 s?", (88.0, 92.0, "Is it red ?")),
        ("红卡在哪里？0:15的时候。", (13.0, 17.0, "红卡在哪里？。")),
        ("0:15发生了什么？", (13.0, 17.0, "发生了什么？")),
        ("在0:15的时候是什么颜色？", (13.0, 17.0, "是什么颜色？")),
        ("视频在0:15的时候是什么颜色？", (13.0, 17.0, "视频是什么颜色？")),
        ("第15秒画面里有什么？", (13.0, 17.0, "画面里有什么？")),
        ("第1分30秒是谁？", (88.0, 92.0, "是谁？")),
        ("Is it the same dog at 0:10 and at 0:40?", None),
        ("0:10和0:40是同一只狗吗？", None),
        ("What happens at “0:15”?", None),
        ("Is it dark at 10:30 pm?", None),
        ("狗（0:15）之后怎么样了？", None),
        ("它比0:15的那只大吗？", None),
        ("Why does the score say 3:1?", None),
        ("What is thrown 5 seconds after the dog?", None),
        ("What happens at the end?", None),
    ],
)
def test_moment_in_a_text_is_read(text: str, found: tuple[float, float, str] | None) -> None:
    assert moment_in_text(text) == found
