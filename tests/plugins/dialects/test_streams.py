"""Streams in the dialects of engines and gateways give the same answer."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from framelens.core.errors import EngineError
from framelens.llm.chat import connect
from framelens.llm.stream import AnswerPiece, Reply, stream_pieces
from tests.llm.scripted import Behave, Whole, serve


def answering(body: str, content_type: str = "text/event-stream") -> Behave:
    def behave(request: dict[str, Any]) -> Iterator[str]:
        raise Whole(body.encode(), content_type=content_type)
        yield ""

    return behave


def answer_to(behave: Behave) -> tuple[Reply, str]:
    """Return the reply, and the reasoning before it."""
    with serve(behave) as server:
        pieces = stream_pieces(connect(server.base_url, api_key="", model="model"), [HumanMessage("What?")])
        reasoning = ""
        while True:
            try:
                piece: AnswerPiece = next(pieces)
            except StopIteration as end:
                return end.value, reasoning
            reasoning += piece.reasoning


def event(**choice: Any) -> str:
    return "data: " + json.dumps({"object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}) + "\n\n"


RED, STOP, DONE = event(delta={"content": "red"}), event(delta={}, finish_reason="stop"), "data: [DONE]\n\n"
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
PART = {"type": "text", "text": "red"}


@pytest.mark.parametrize(
    ("sent", "reasoning"),
    [
        (RED + STOP + DONE, ""),
        ((RED + STOP + DONE).replace("\n\n", "\n"), ""),
        ((RED + STOP + DONE).replace("data: ", "data: data: "), ""),
        (event(delta="red") + STOP + DONE, ""),
        (event(text="red", finish_reason="stop") + DONE, ""),
        (event(delta={"content": [PART]}) + STOP, ""),
        (event(delta={"function_call": {"name": "x", "arguments": "red"}}) + STOP, ""),
        (RED + event(message={"role": "assistant", "content": "red"}, finish_reason="stop"), ""),
        (event(delta={"content": [THOUGHT]}) + event(delta={"content": [PART]}) + STOP, "hm"),
        (event(delta={"reasoning": "hm"}) + RED + STOP, "hm"),
        (event(delta={"thinking": "hm"}) + RED + STOP, "hm"),
        (event(delta={"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}) + RED + STOP, "hm"),
    ],
)
def test_dialects_give_the_same_answer(sent: str, reasoning: str) -> None:
    assert answer_to(answering(sent)) == (Reply("red", "stop", None), reasoning)


def test_parts_lines_and_errors_of_events_are_read() -> None:
    # Parts of a whole answer are joined.
    body = json.dumps({"choices": [{"message": {"content": [PART]}}]})
    assert answer_to(answering(body, "application/json"))[0] == Reply("red", "stop", None)
    # Event over two lines stays whole.
    sent = 'data: {"choices": [{"delta":\ndata: {"content": "red"}, "finish_reason": "stop"}]}\n\n' + DONE
    assert answer_to(answering(sent))[0].text == "red"
    # Refusal in a field called error is read.
    with pytest.raises(EngineError) as caught:
        answer_to(answering(RED + 'error: {"code": 500, "message": "Context size has been exceeded."}\n\n'))
    assert caught.value.key == "context_exceeded"


@pytest.mark.parametrize("texts", [["a \ud83d", "\ude00 b"], ["a ", "\ud83d", "\ude00 b"], ["\\ud83d", "\ude00"]])
def test_halves_of_a_character_in_two_events_are_joined(texts: list[str]) -> None:
    sent = "".join(event(delta={"content": text}) for text in texts) + STOP
    assert answer_to(answering(sent))[0].text == ("a \U0001f600 b" if len(texts[0]) < 5 else "\\ud83d\ufffd")
