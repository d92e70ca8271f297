"""Words that the plugin's commands refuse before they do anything."""

import pytest

from framelens.cli.main import main
from tests.cli.test_grammar import refused
from tests.cli.walk import parsed


def test_a_misspelt_action_gets_the_right_word(capsys: pytest.CaptureFixture[str]) -> None:
    line, hint = refused(capsys, "admin", "users", "remvoe", "x")
    assert line.startswith("framelens admin users: error: ") and 'maybe you meant "remove"?' in line
    assert hint == "See framelens admin users --help."


@pytest.mark.parametrize("option", ["-m", "--model", "--model-path"])
def test_serve_takes_the_model_as_other_commands_do(option: str) -> None:
    assert parsed(["serve", option, "Qwen/Qwen3-8B"]).model_path == "Qwen/Qwen3-8B"
    assert parsed(["serve", "Qwen/Qwen3-8B"]).model == "Qwen/Qwen3-8B"


def test_serve_takes_a_parser_or_finds_it() -> None:
    assert parsed(["serve", "--tools", "hermes"]).tools == "hermes"
    assert parsed(["serve", "--tools", "--port", "1"]).tools == "auto"
    assert parsed(["serve"]).tools is None


@pytest.mark.parametrize(
    "words",
    [["admin", "audit", "--limit"], ["serve", "--port"], ["mcp", "--http"], ["admin", "keys", "create", "x", "--jobs"]],
)
@pytest.mark.parametrize("number", ["-1", "1.5", "many", "9" * 30, "nan"])
def test_numbers_out_of_range_are_refused(words: list[str], number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"“{number}” is not a whole number from " in refused(capsys, *words, number)[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{max_model_len: 1}", "1:2"),
        ("[1]", "[1]"),
        ('{"dtype": "half", "dtype": "auto"}', "dtype"),
        ('{"max_model_len": []}', "max_model_len"),
    ],
)
def test_serve_checks_its_arguments_like_the_setting(
    text: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--vllm-config", text, "--language", "en", "--model", "/none"]) == 2
    assert reason in capsys.readouterr().err
