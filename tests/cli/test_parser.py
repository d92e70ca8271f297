"""Help and errors of the parser speak the user's language, and Chinese lines fit the terminal."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterator
from unicodedata import east_asian_width

import pytest

from app.cli import main
from app.cli.main import set_language
from app.i18n import catalogue

# Messages of Python versions other than the one that runs the test.
_LATER = {"cli.argparse.heading", "cli.argparse.version", "cli.argparse.choice_meant"}


@pytest.fixture(autouse=True)
def system_language(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    monkeypatch.setenv("COLUMNS", "80")
    yield
    set_language("en")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit):
        main.main(words)
    out = capsys.readouterr()
    return out.out + out.err


def columns(text: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


@pytest.mark.parametrize("command", [(), ("analyse",), ("keyframes",), ("library", "search"), ("models", "fit")])
def test_chinese_help_holds_no_english_of_argparse(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, *command, "--help")
    for english in ("usage", "arguments", "options", "show this help", "show program", "exit"):
        assert english not in re.sub(r"\S*--?\S+|[A-Z_]{2,}|\{[^}]*\}", "", text)
    assert not re.search(r"^\S*[\u4e00-\u9fff]:$", text, re.MULTILINE), "an ASCII colon behind Chinese"
    assert max(columns(line) for line in text.splitlines() if "{" not in line) <= 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["analyse"], "缺少必需的参数"),
        (["keyframes", "x", "--strategy", "nope"], "不是可选的值"),
        (["keyframes", "x", "--frames", "0"], "不是有效的帧数"),
        (["keyframes", "x", "--frames", "many"], "不是有效的帧数"),
        (["keyframes", "x", "--every", "0"], "不是有效的间隔"),
        (["keyframes", "x", "--at", "1,b"], "不是时间"),
        (["keyframes", "x", "--start", "soon"], "不是时间"),
        (["export", "x", "--format", "nope"], "不是支持的格式"),
        (["library", "--since", "soon"], "不是日期"),
        (["models", "sight", "--size", "3"], "不是像素尺寸"),
        (["keyframes", "x", "--nope"], "无法识别的参数"),
        (["keyframes", "x", "--frames"], "需要一个值"),
    ],
)
def test_wrong_usage_is_said_in_chinese(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, *words)
    assert said in text.splitlines()[-1]
    assert "错误：" in text


def test_the_language_option_counts_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "analyse", "--language", "en", "--help").startswith("usage: ")
    assert printed(capsys, "analyse", "--help", "--language=en").startswith("usage: ")


def test_the_english_texts_are_those_of_argparse() -> None:
    source = inspect.getsource(argparse)
    ours = {key: text for key, text in catalogue("en").items() if key.startswith("cli.argparse.")}
    assert [key for key, text in ours.items() if repr(text)[1:-1] not in source and key not in _LATER] == []


def test_interrupt_before_the_command_runs_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> argparse.ArgumentParser:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "build_parser", interrupted)
    assert main.main(["keyframes", "x"]) == 130
    assert capsys.readouterr().err == catalogue("zh")["error.cancelled"] + "\n"
