"""Marks of families of models around reasoning and answers."""

import pytest

from framelens.llm.reasoning import split_reasoning, unfinished_mark

JSON = '{"findings": [{"frames": [1], "text": "A square."}]}'
DRAFT = '{"findings": [{"frames": [1], "text": "DRAFT a cat"}]}'


@pytest.mark.parametrize("answer", [JSON, f"```json\n{JSON}\n```", "Frame 1: a square.\nFrame 2: a circle.", "yes"])
@pytest.mark.parametrize(
    "form",
    [
        "<think>{draft}</think>{answer}",
        "<seed:think>{draft}</seed:think>{answer}<seed:eos>",
        "<think_never_used_51bce0c785ca2f68>{draft}</think_never_used_51bce0c785ca2f68>{answer}",
        "◁think▷{draft}◁/think▷{answer}",
        "\ufffdthink\ufffd{draft}\ufffd/think\ufffd{answer}\ufffd<|im_end|>",
        "[unused16]{draft}[unused17]{answer}[unused10]",
        "【思考】{draft}【/思考】{answer}",
        "【思考过程】\n{draft}\n【回答】\n{answer}",
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
        "{draft}◁/think▷{answer}",
        "{draft}[/THINK]{answer}",
        "[think]{draft}[/think]{answer}",
        "<think>{draft}</think >{answer}",
        "< think >{draft}</ think >{answer}",
        "<think:opensource>{draft}</think:opensource><answer:opensource>{answer}</answer:opensource>",
        "<ling_think>{draft}</ling_think>{answer}",
        "<thought_process>{draft}</thought_process>{answer}",
        "<thinking_process>{draft}</thinking_process>{answer}",
        "<rationale>{draft}</rationale>{answer}",
        "<inner_monologue>{draft}</inner_monologue>{answer}",
        "<|think|>{draft}<|end|><|begin|>assistant<|content|>{answer}",
        "Here are my reasoning steps:\n{draft}\n[BEGIN FINAL RESPONSE]\n{answer}\n[END FINAL RESPONSE]",
        "<role>ASSISTANT</role>{answer}<end_of_utterance>",
        "<思考>{draft}</思考>\n{answer}",
        "<|begin_of_thought|>{draft}<|end_of_thought|>\n<|begin_of_solution|>{answer}<|end_of_solution|>",
        "<|think|>{draft}<|/think|>{answer}",
        "<|think_start|>{draft}<|think_end|>{answer}",
        "Here is my thought process:\n{draft}\nHere is my response:\n{answer}",
        "<think>{draft}</think>\n<response>\n{answer}\n</response>",
        "<output>{answer}</output>",
        "<final_answer>\n{answer}\n</final_answer>\n",
        "**Thinking:** Maybe {draft}.\n\n**Answer:** {answer}",
        "## Reasoning\n{draft}\n## Final Answer\n{answer}",
        "思考过程：{draft}\n\n回答：{answer}",
        "```thinking\nDRAFT\n```\n{answer}",
        "<SUMMARY>I look.</SUMMARY>\n<REASONING>{draft}</REASONING>\n<CONCLUSION>{answer}</CONCLUSION>",
        "<|inner_prefix|>{draft}<|inner_suffix|>{answer}",
        "]~b]ai\n<think>{draft}</think>{answer}[e~[",
        "[BOS]{answer}[EOS]",
    ],
)
def test_reasoning_and_markers_are_apart(form: str, answer: str) -> None:
    split = split_reasoning(form.format(draft=DRAFT, answer=answer))
    assert split.answer == answer
    assert ("DRAFT" in split.reasoning) == ("{draft}" in form)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"```thinking\n{JSON}", ""),
        (f"◁think▷{JSON}", ""),
        (f"{DRAFT}assistantfinal\n", ""),
        (f"Here is my thought process:\n{DRAFT}\nHere is my response:\n", ""),
        ("<|channel|>analysis<|message|>a<|end|><|channel|>final<|message|>It moves.</think>", "It moves."),
        (
            '<details type="reasoning" done="true">\n<summary>Thought</summary>\n> DRAFT\n</details>\nIt moves.',
            "It moves.",
        ),
    ],
)
def test_answer_is_what_follows_reasoning(text: str, answer: str) -> None:
    assert split_reasoning(text).answer == answer


def test_beginning_of_a_mark_is_held_back() -> None:
    assert (unfinished_mark("x ◁"), unfinished_mark("a <|channel|>fin")) == (1, 14)


@pytest.mark.parametrize("heading", ["**Final Answer**", "### Answer", "Final answer:", "**最终答案**"])
def test_json_under_a_heading_is_the_answer(heading: str) -> None:
    assert split_reasoning(f"Step 1: maybe {DRAFT}.\n\n{heading}\n\n{JSON}").answer == JSON
