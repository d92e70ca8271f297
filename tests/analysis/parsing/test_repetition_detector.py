import json

import pytest

from framelens.analysis.parsing.repetition_detector import RepetitionDetector

LOOPS = {
    "a sentence": "A fine start. " + "He walks to the door. " * 20,
    "a word": "There is " + "no no " * 60,
    "a Chinese sentence": "开头很正常。" + "一个人走过。" * 25,
    "a character": "hmm" + "m" * 300,
    "spaces": '{"findings":' + " " * 300,
    "line ends": '{"findings": [\n' + "\n" * 300,
    "digits": "about 3." + "3" * 300,
    "a finding": '{"findings": [' + '{"frames": [3], "text": "A man walks."}, ' * 15,
    "two findings in turn": '{"frames": [1], "text": "A man."}, {"frames": [2], "text": "一条狗。"}, ' * 10,
    "a paragraph": "The man in the red jacket opens the door, leaves the room and comes back with a box. " * 5,
    "counting": "Frames " + ", ".join(map(str, range(1, 300))),
    "noughts": "[" + "0, " * 300,
}


def findings(text: str, count: int = 64, **fields: str) -> str:
    entries = [{"frames": [n], **fields, "text": text} for n in range(1, count + 1)]
    return json.dumps({"findings": entries, "overview": [{"frames": [1, count], "text": text}]}, ensure_ascii=False)


HONEST = {
    "a log in which nothing happens": findings("Nothing happens.", kind="nothing happens", who="", where=""),
    "a Chinese log in which nothing happens": findings("没有事情发生。", kind="无事发生", who="", where=""),
    "lines in which nothing happens": "\n".join(f"{n}: nothing happens" for n in range(1, 257)),
    "Chinese lines in which nothing happens": "\n".join(f"{n}：没有变化" for n in range(1, 257)),
    "a table": "| frame | who |\n|-------|-----|\n" + "\n".join(f"| {n} | - |" for n in range(1, 100)),
    "rules": "-" * 100 + "\n" + "=" * 100,
    "indented JSON": json.dumps(json.loads(findings("red", 30)), indent=4),
    "long lists of frames": json.dumps(
        {"findings": [{"frames": list(range(1, 33)), "text": str(n)} for n in range(9)]}
    ),
    "a song": "Row, row, row your boat, row, row, row your boat, gently down the stream. " * 2,
    "laughter": "哈哈哈哈哈哈哈哈，他笑得停不下来。" * 2,
    "nothing": "",
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_answer_is_left_in_peace(name: str) -> None:
    assert not RepetitionDetector().push(HONEST[name])


@pytest.mark.parametrize("name", LOOPS)
def test_where_it_is_noticed_does_not_depend_on_the_pieces(name: str) -> None:
    places = set()
    for size in (1, 5, 33, 1000):
        loop = RepetitionDetector()
        for start in range(0, len(LOOPS[name]), size):
            if loop.push(LOOPS[name][start : start + size]):
                break
        places.add(loop.length)
    assert len(places) == 1


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("name", LOOPS)
def test_loop_is_noticed_for_pieces_of_any_size(name: str, size: int) -> None:
    loop, text = RepetitionDetector(), LOOPS[name] + " And that was all of it."
    said = [loop.push(text[start : start + size]) for start in range(0, len(text), size)]
    assert said[-1]
    assert said == sorted(said)


def test_loop_after_long_answer_is_noticed_soon() -> None:
    loop, honest = RepetitionDetector(), HONEST["a log in which nothing happens"]
    assert not loop.push(honest)
    pushed = 0
    while not loop.push("He walks. "):
        pushed += 10
    assert pushed < 400
