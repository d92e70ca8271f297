"""Completion in shells: the script for each shell, and what is completed."""

import pytest

from framelens.cli.main import main

pytestmark = pytest.mark.usefixtures("english")


def completed(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What bash would offer for the last word of a line."""
    monkeypatch.setenv("_FRAMELENS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    assert main([]) == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("framelens lib", ["plain,library"]),
        ("framelens library se", ["plain,search"]),
        ("framelens analyse --fra", ["plain,--frames"]),
        ("framelens analyse -f pd", ["plain,pdf"]),
        ("framelens analyse film", ["file,film"]),
        ("framelens analyse x --output fil", ["file,fil"]),
        ("framelens analyse --language z", ["plain,zh"]),
        pytest.param("framelens admin users rem", ["plain,remove"], marks=pytest.mark.every_plugin),
    ],
)
def test_words_are_completed(
    line: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert completed(line, monkeypatch, capsys) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_FRAMELENS_COMPLETE", f"{shell}_source")
    assert main([]) == 0
    script = capsys.readouterr().out
    assert f"_FRAMELENS_COMPLETE={shell}_complete" in script and "\\u00" not in script
