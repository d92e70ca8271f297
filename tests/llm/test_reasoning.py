"""Reasoning and markers of many families of models, apart from their answers."""

import pytest
from langchain_core.messages import AIMessageChunk

from framelens.llm.reasoning import split_reasoning, unfinished_mark
from framelens.llm.stream import _PartialReply

JSON = '{"findings": [{"frames": [1], "text": "A square."}]}'
DRAFT = '{"findings": [{"frames": [1], "text": "DRAFT a cat"}]}'


@pytest.mark.parametrize("answer", [JSON, f"```json\n{JSON}\n```", "Frame 1: a square.\nFrame 2: a circle.", "yes"])
@pytest.mark.parametrize(
    "form",
    [
        "Got it. Maybe {draft} but no.\n</think>\n\n{answer}",
        "{draft}</think>{answer}",
        "<think>\nMaybe {draft}.\n</think>\n\n{answer}",
        "<thinking>{draft}</thinking>{answer}",
        "<thought>{draft}</thought>\n{answer}",
        "<reasoning>{draft}</reasoning>\n<answer>{answer}</answer>",
        "<analysis>{draft}</analysis><think>{draft}</think><answer>{answer}</answer>",
        "assistant\n\n{answer}",
        "ASSISTANT: {answer}",
        "{answer}<|im_end|>\n<|im_start|>user\nDRAFT<|im_end|>\n<|im_start|>assistant\nDRAFT",
        "{answer}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nDRAFT",
        "{answer}<end_of_turn>\n<start_of_turn>user\nDRAFT",
        "{answer}<|user|>\nDRAFT",
        "<think>One {draft}</think><think>two</think>{answer}",
        "<think>I write `</think>` {draft} in the end.</think>{answer}",
        "<think>{draft}</think><|begin_of_box|>{answer}<|end_of_box|>",
        "{draft}</thinking>{answer}",
        "<reason>{draft}</reason>{answer}",
        "<|header_start|>assistant<|header_end|>\n\n{answer}<|eot|>",
        "<think/>{answer}",
        "<|start_header_id|>assistant<|end_header_id|>\n\n{answer}<|eot_id|>",
        "<|im_start|>assistant\n{answer}<|im_end|>",
        "{answer}<|im_end|>\n",
        "{answer}<|endoftext|>",
        "<|im_start|>{answer}<｜end▁of▁sentence｜>",
    ],
)
def test_reasoning_and_markers_are_apart(form: str, answer: str) -> None:
    split = split_reasoning(form.format(draft=DRAFT, answer=answer))
    assert split.answer == answer
    assert ("DRAFT" in split.reasoning) == ("{draft}" in form)


def test_answer_beside_reasoning_without_an_end() -> None:
    assert (
        split_reasoning(f"<think>never ends {JSON}").answer == split_reasoning("reasoning only </think>").answer == ""
    )
    assert split_reasoning("It is red.\n<think>or").answer == "It is red."


@pytest.mark.parametrize(
    "text",
    [
        '{"findings": [{"frames": [1], "text": "The screen shows <think> and </think> and <|im_end|>."}]}',
        '```json\n{"text": "prints </think>"}\n```',
        'Frame 1: the screen shows "<think>".\nFrame 2: a square.',
        "Frame 1: a log with `</think>` in it.\nFrame 2: a square.",
        "Frame 1: a terminal shows <think> and </think> tags.",
        "画面中显示“<think>”字样。",
        "Frame 1: the slide uses `<think>draft</think>` as an example.",
        "Frame 1: the log <think>no</think>, then a prompt.",
        "a < b <t> c [1]",
        "Frame 1: a page with <output> and </output> in its source.",
        "Frame 1: an <answer> tag is in the middle of a line.",
        "[Frame 1] A menu [Think] is open.",
        "The assistant is red.",
        "**Reasoning:** the car stops because the light is red.",
        "Reasoning is hard.\nAnswer: 3",
        "A slide shows a quiz.\n**Answer:** 3",
    ],
)
def test_marks_on_the_screen_stay_in_the_answer(text: str) -> None:
    assert split_reasoning(text).answer == text


FENCED = f"```json\n{JSON}\n```"
SAID = "Yes, a red square in frame 1."


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"{JSON}\n</think>", JSON),
        (f"{JSON}</think></think>\n", JSON),
        (f"{FENCED}\n</think>", FENCED),
        (f"<answer>{JSON}</answer>\n</think><|im_end|>", JSON),
        (f"<think>a</think>\n{JSON}\n</think>", JSON),
        (f"<think>a</think>\n{SAID}\n</think>\n", SAID),
        (f"a</think>\n{SAID}\n</think>", SAID),
        (f"a</think>\n{SAID}\n<think>b</think></think>", SAID),
        (f"{JSON}<think>\n\n</think>", JSON),
        (f"{JSON} <think>It is done.</think>", JSON),
        (f"{FENCED}<think>It is", FENCED),
        (f"{JSON}<|im_end|><think>It is", JSON),
        (f"{SAID}<think>\n\n</think>", SAID),
        (f"{SAID}\n<think>\n\n</think>", SAID),
        (f"<think>a</think>\n{SAID} <think></think><|im_end|>", SAID),
        # an answer follows, so that all before it was reasoning
        (f"{DRAFT}</think>\n{JSON}</think>", JSON),
        (f"{DRAFT}\n</think>\n{SAID}", SAID),
        (f"<think>a</think>b</think>{SAID}", SAID),
        # reasoning that was cut off before its answer
        (f"{SAID}\n</think>", ""),
        (f"Maybe {DRAFT}\n</think>", ""),
        (f"{DRAFT[:-1]}\n</think>", ""),
        (f"{SAID}\n<think>b</think>\nOr not.</think>", ""),
        (f"<think>{DRAFT}</think>\n</think>", ""),
        ("</think>", ""),
        # marks that the answer shows
        ("[1] <think> is on the page.\n[2] It is red.", "[1] <think> is on the page.\n[2] It is red."),
        ("A page shows <think></think> tags.", "A page shows <think></think> tags."),
        ("A page shows `<think></think>`", "A page shows `<think></think>`"),
        (f'{JSON[:-2]}, "<think></think>"]}}', f'{JSON[:-2]}, "<think></think>"]}}'),
    ],
)
def test_mark_too_many_at_the_end_leaves_the_answer(text: str, answer: str, size: int) -> None:
    assert streamed(text, size) == answer


def streamed(text: str, size: int) -> str:
    """Return the answer as it is shown in the end, from pieces of `size` characters."""
    partial, shown = _PartialReply(), ""
    chunks = [AIMessageChunk(content=text[at : at + size]) for at in range(0, len(text), size)]
    for piece in [*(partial.add([chunk]) for chunk in chunks), partial.end()]:
        shown = piece.text if piece.restart else shown + piece.text
    assert shown == partial.cut().text == split_reasoning(text).answer
    return shown


@pytest.mark.parametrize(("text", "held"), [("a <thi", 4), ("a [", 1), ("a <|channel|>fin", 14), ("a", 0)])
def test_beginning_of_a_mark_is_held_back(text: str, held: int) -> None:
    assert unfinished_mark(text) == held
