"""Reasoning and markers of many families of models, apart from their answers."""

from __future__ import annotations

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
        "<seed:think>{draft}</seed:think>{answer}<seed:eos>",
        "<analysis>{draft}</analysis><think>{draft}</think><answer>{answer}</answer>",
        "<think_never_used_51bce0c785ca2f68>{draft}</think_never_used_51bce0c785ca2f68>{answer}",
        "◁think▷{draft}◁/think▷{answer}",
        "\ufffdthink\ufffd{draft}\ufffd/think\ufffd{answer}\ufffd<|im_end|>",
        "[unused16]{draft}[unused17]{answer}[unused10]",
        "【思考】{draft}【/思考】{answer}",
        "【思考过程】\n{draft}\n【回答】\n{answer}",
        "assistant\n\n{answer}",
        "ASSISTANT: {answer}",
        "{answer}<|im_end|>\n<|im_start|>user\nDRAFT<|im_end|>\n<|im_start|>assistant\nDRAFT",
        "{answer}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nDRAFT",
        "{answer}<end_of_turn>\n<start_of_turn>user\nDRAFT",
        "{answer}<|user|>\nDRAFT",
        "[THINK]{draft}[/THINK]{answer}</s>",
        "[REASONING]{draft}[/REASONING]{answer}",
        "<reasoning_content>{draft}</reasoning_content>{answer}",
        "<antThinking>{draft}</antThinking>{answer}",
        "{draft}</internal_monologue>{answer}",
        "&lt;think&gt;{draft}&lt;/think&gt;{answer}",
        "<｜think｜>{draft}<｜/think｜>{answer}",
        "<details><summary>Thinking</summary>DRAFT</details>{answer}",
        "<|START_THINKING|>{draft}<|END_THINKING|><|START_RESPONSE|>{answer}<|END_RESPONSE|>",
        "<|channel|>analysis<|message|>{draft}<|end|><|start|>assistant<|channel|>final<|message|>{answer}<|return|>",
        "analysisMaybe {draft}assistantfinal{answer}",
        "<think>One {draft}</think><think>two</think>{answer}",
        "<think>I write `</think>` {draft} in the end.</think>{answer}",
        "<think>{draft}</think><|begin_of_box|>{answer}<|end_of_box|>",
        "{draft}</thinking>{answer}",
        "{draft}◁/think▷{answer}",
        "{draft}[/THINK]{answer}",
        "[think]{draft}[/think]{answer}",
        "<think>{draft}</think >{answer}",
        "< think >{draft}</ think >{answer}",
        "<think:opensource>{draft}</think:opensource><answer:opensource>{answer}</answer:opensource>",
        "<ling_think>{draft}</ling_think>{answer}",
        "<thought_process>{draft}</thought_process>{answer}",
        "<thinking_process>{draft}</thinking_process>{answer}",
        "<reason>{draft}</reason>{answer}",
        "<rationale>{draft}</rationale>{answer}",
        "<inner_monologue>{draft}</inner_monologue>{answer}",
        "<|think|>{draft}<|end|><|begin|>assistant<|content|>{answer}",
        "Here are my reasoning steps:\n{draft}\n[BEGIN FINAL RESPONSE]\n{answer}\n[END FINAL RESPONSE]",
        "<|header_start|>assistant<|header_end|>\n\n{answer}<|eot|>",
        "<role>ASSISTANT</role>{answer}<end_of_utterance>",
        "<思考>{draft}</思考>\n{answer}",
        "<|begin_of_thought|>{draft}<|end_of_thought|>\n<|begin_of_solution|>{answer}<|end_of_solution|>",
        "<|think|>{draft}<|/think|>{answer}",
        "<|think_start|>{draft}<|think_end|>{answer}",
        "Here is my thought process:\n{draft}\nHere is my response:\n{answer}",
        "<think>{draft}</think>\n<response>\n{answer}\n</response>",
        "<output>{answer}</output>",
        "<final_answer>\n{answer}\n</final_answer>\n",
        "<think/>{answer}",
        "**Thinking:** Maybe {draft}.\n\n**Answer:** {answer}",
        "## Reasoning\n{draft}\n## Final Answer\n{answer}",
        "思考过程：{draft}\n\n回答：{answer}",
        "```thinking\nDRAFT\n```\n{answer}",
        "<SUMMARY>I look.</SUMMARY>\n<REASONING>{draft}</REASONING>\n<CONCLUSION>{answer}</CONCLUSION>",
        "<|inner_prefix|>{draft}<|inner_suffix|>{answer}",
        "]~b]ai\n<think>{draft}</think>{answer}[e~[",
        "[BOS]{answer}[EOS]",
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


@pytest.mark.parametrize(
    "text", [f"<think>never ends {JSON}", f"```thinking\n{JSON}", f"◁think▷{JSON}", "reasoning only </think>"]
)
def test_reasoning_without_an_end_has_no_answer(text: str) -> None:
    assert split_reasoning(text).answer == ""


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


def test_answer_before_reasoning_without_an_end_is_kept() -> None:
    assert split_reasoning("It is red.\n<think>or").answer == "It is red."


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
        (f"<|channel|>analysis<|message|>a<|end|><|channel|>final<|message|>{SAID}</think>", SAID),
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
        (f"{DRAFT}assistantfinal\n", ""),
        (f"Here is my thought process:\n{DRAFT}\nHere is my response:\n", ""),
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


@pytest.mark.parametrize(("text", "held"), [("a <thi", 4), ("a [", 1), ("a <|channel|>fin", 14), ("a", 0), ("x ◁", 1)])
def test_beginning_of_a_mark_is_held_back(text: str, held: int) -> None:
    assert unfinished_mark(text) == held


def test_reasoning_in_html_of_a_web_interface_is_dropped() -> None:
    text = '<details type="reasoning" done="true">\n<summary>Thought</summary>\n> DRAFT\n</details>\nA square moves.'
    assert split_reasoning(text).answer == "A square moves."


@pytest.mark.parametrize("heading", ["**Final Answer**", "### Answer", "Final answer:", "**最终答案**"])
def test_json_under_a_heading_is_the_answer(heading: str) -> None:
    assert split_reasoning(f"Step 1: maybe {DRAFT}.\n\n{heading}\n\n{JSON}").answer == JSON
