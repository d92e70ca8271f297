"""DeepSeek-VL in miniature, served to programs by `framelens serve`."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from tests.engine.test_deepseek import PICTURES, TOKENS_A_PICTURE, models
from tests.llm.scripted import say

__all__ = ["models"]
pytestmark = [
    pytest.mark.engine,
    pytest.mark.thorough,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="engines of our own"),
]


@contextmanager
def serve_command(*options: str) -> Iterator[openai.OpenAI]:
    """`framelens serve` as its users start it, on a port of its own choice, asked as its users ask."""
    words = [sys.executable, "-m", "framelens.cli.main", "serve", *options, "--port", "0", "--api-key", "sk-here"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            reported = re.compile(r"FRAMELENS_BASE_URL=(\S+)")
            address = next(found[1] for line in process.stdout if (found := reported.match(line)))
            with openai.OpenAI(base_url=address, api_key="sk-here", max_retries=40) as client:
                yield client
        finally:
            process.terminate()


def test_it_is_served_to_programs_that_show_it_pictures(models: Path) -> None:
    with serve_command("--model-path", str(models / "hybrid"), "--device", "cpu") as client:
        said = [
            client.chat.completions.create(model="hybrid", messages=say("What?", *shown), max_tokens=8, temperature=0)
            for shown in ((), PICTURES)
        ]
        assert [len(one.choices[0].message.content or "") for one in said] == [8, 8]
        used = [one.usage.prompt_tokens for one in said if one.usage]
        assert used[1] - used[0] == 2 * TOKENS_A_PICTURE
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="sk-other").models.list()


def test_it_is_served_for_text_alone(models: Path) -> None:
    with serve_command("--model-path", str(models / "hybrid"), "--device", "cpu", "--force-type", "text") as client:
        pieces = client.chat.completions.create(model="hybrid", messages=say("What?"), max_tokens=8, stream=True)
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces)
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model="hybrid", messages=say("What?", PICTURES[0]))
        assert caught.value.code == "pictures_not_taken"
