"""The grammar of commands: typing errors, short and repeated options, help, and where errors point to."""

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.cli.grammar import SHORT, Argument, Option
from framelens.cli.help import example_lines, help_lines
from framelens.cli.main import main
from framelens.core.domain import Language
from framelens.core.errors import ConfigError
from framelens.i18n import in_language
from framelens.reports.formats import FORMATS, parse_formats
from tests.cli.walk import contexts, parsed
from tests.core.test_vllm_arguments import needs_vllm

pytestmark = pytest.mark.usefixtures("english")


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["--language", "en", *words]) == 2
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("words", "meant", "command"),
    [
        (["anaylse", "x"], '"analyse"', "framelens"),
        (["library", "serch", "x"], '"search"', "framelens library"),
        (["analyse", "x", "--fraems", "3"], "--frames", "framelens analyse"),
        (["keyframes", "x", "--sheets=y"], "--sheet", "framelens keyframes"),
        (["ask", "--temprature", "1", "q"], "--temperature", "framelens ask"),
        (["analyse", "x", "--strateg", "auto"], "--strategy", "framelens analyse"),
    ],
)
def test_a_typing_error_is_answered_with_the_right_word(
    words: list[str], meant: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line, hint = refused(capsys, *words)
    assert f"maybe you meant {meant}?" in line
    assert line.startswith(f"{command}: error: ")
    assert hint == f"See {command} --help."


@needs_vllm
@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("--tensor-parallel-size=2", "tensor_parallel_size"),
        ("--gpu-memory-untilization=0.5", "gpu_memory_utilization"),
        ("--max-image-nums=10", "limit_mm_per_prompt"),
        ("--enforce-eager", "enforce_eager"),
    ],
)
def test_argument_of_vllm_belongs_in_its_setting(option: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, "analyse", "x.mp4", option)[0]
    assert line.endswith(f'arguments of vLLM ({key}) are set in VLLM_CONFIG, as {{"name": value}}.')
    for words in (("--checkpoint-path", "/x"), ("--flash-attn2",)):
        assert "VLLM_CONFIG" not in refused(capsys, "analyse", "x.mp4", *words)[0]


@pytest.mark.parametrize(
    "words",
    [
        ["-lzh", "keyframes"], ["keyframes", "-lzh"], ["-l", "zh-CN", "keyframes"], ["--language=zh_TW", "keyframes"],
        ["keyframes", "--language", "ZH"],
    ],
)  # fmt: skip
def test_language_may_be_spelled_like_a_locale(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "缺少必需的参数：VIDEO" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["keyframes", "x", "--out", "y"], ["keyframes", "x", "--lang", "zh"]])
def test_abbreviated_options_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "unrecognized arguments" in refused(capsys, *words)[0]


@pytest.mark.parametrize(
    "words",
    [
        ["library", "--limit"],
        ["ask", "--edit"],
    ],
)
@pytest.mark.parametrize("number", ["-1", "1.5", "many", "9" * 30, "nan"])
def test_numbers_out_of_range_are_refused(words: list[str], number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"“{number}” is not a whole number from " in refused(capsys, *words, number)[0]


@pytest.mark.parametrize("spelling", ["~/report.json", "file://{}/report.json", "'{}/report.json'", "{}/report.json "])
@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["library", "import"], "files"),
        (["export", "--json-file"], "json_file"),
        (["analyse", "x.mp4", "--subtitles"], "subtitles"),
    ],
)
def test_files_are_found_as_they_are_typed(
    words: list[str], name: str, spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "report.json").touch()
    value = getattr(parsed([*words, spelling.format(tmp_path)]), name)
    assert value in (tmp_path / "report.json", (tmp_path / "report.json",))


def test_unlike_words_get_no_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    # A slip before the command gets the option.
    assert "maybe you meant --language?" in refused(capsys, "--languge", "zh", "analyse", "x.mp4")[0]
    assert "maybe" not in refused(capsys, "analyse", "x", "--qqqqqqqq")[0]  # a word like no other gets no suggestion
    # A wrong value gets the choices.
    line, _ = refused(capsys, "keyframes", "x", "--strategy", "Scene")
    assert "-" not in line.partition(":")[0] and "scenes" in line


def options() -> list[tuple[str, Option]]:
    """All options of all commands, with the words of their commands."""
    return [(ctx.command_path, one) for ctx in contexts() for one in ctx.command.params if isinstance(one, Option)]


def test_short_options_mean_the_same_in_every_command() -> None:
    shorts = {(one.opts[-1], short) for _, one in options() for short in one.opts if not short.startswith("--")}
    assert shorts == {*SHORT.items(), ("-h", "-h")}


def test_file_in_place_of_a_command_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").touch()
    assert 'maybe you meant "analyse a.mp4"?' in refused(capsys, "a.mp4")[0]


def test_options_are_written_together_twice_and_anywhere() -> None:
    assert parsed(["keyframes", "x", "--frames", "3", "--frames", "8"]).frames == 8  # the last of two values counts
    # Short options may be written together.
    given = parsed(["analyse", "a.mp4", "-qyn8", "-fpdf", "-o", "r.pdf"])
    assert (given.quiet, given.yes, given.frames, given.format, given.output) == (True, True, 8, "pdf", ("r.pdf",))
    # Verbose may be before and after the command.
    assert parsed(["-v", "analyse", "a.mp4"]).verbose
    assert parsed(["analyse", "a.mp4", "-v"]).verbose
    assert not parsed(["analyse", "a.mp4"]).verbose
    # Unknown options of app are for the page.
    given = parsed(["app", "--server.port", "8600", "--port", "8601"])
    assert (given.name, given.port, given.unknown) == ("app", 8601, ["--server.port", "8600"])
    # Option before a subcommand counts for it.
    given = parsed(["library", "--json", "--tag", "car", "list"])
    assert (given.name, given.json, given.tag) == ("list", True, "car")
    assert parsed(["library", "--tag", "car", "list", "--tag", "van"]).tag == "van"
    # A list continues where its option is repeated.
    assert parsed(["keyframes", "x", "--at", "1,2", "--at", "5", "--at", "2"]).at == (1.0, 2.0, 5.0)
    urls = ["--base-url", "http://a/v1,http://b/v1", "--base-url", "http://c/v1"]
    assert parsed(["analyse", "x", *urls]).base_url == ("http://a/v1", "http://b/v1", "http://c/v1")
    assert parsed(["export", "latest", "-f", "html", "-f", "srt,json"]).format == ("html", "srt", "json")


def test_help_of_a_command_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for words in (["help", "library", "search"], ["library", "search", "--help"]):
        assert main(words) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] and "framelens library search" in texts[0]


def test_the_help_says_what_exit_codes_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert [f"{code} " in out for code in (0, 1, 2, 3, 4, 5, 130, 141)] == [True] * 8


@pytest.mark.parametrize(("typed", "name"), [("PDF", "pdf"), ("md", "markdown"), (".json", "json"), (" srt ", "srt")])
def test_format_is_known_by_its_suffix_and_in_capitals(typed: str, name: str) -> None:
    assert parsed(["analyse", "x", "--format", typed]).format == name
    assert parse_formats(f"{typed},html") == (name, "html")


@pytest.mark.parametrize(
    "words", [["analyse", "x", "-f", "html"], ["analyse", "x", "-o", "r.html"], ["export", "latest", "-f", "srt,html"]]
)
def test_format_that_cannot_be_written_stops_first(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check() -> None:
        raise ConfigError("format_unknown", value="no such package", allowed="")

    monkeypatch.setitem(FORMATS, "html", replace(FORMATS["html"], check=check))
    monkeypatch.setattr("framelens.composition.open_services", lambda *_, **__: pytest.fail("work begins"))
    monkeypatch.setattr("framelens.composition.open_library", lambda *_, **__: pytest.fail("work begins"))
    assert main(["--language", "en", *words]) == 2
    assert "no such package" in capsys.readouterr().err
    assert "html" not in parse_formats("all")


def test_plugins_share_a_group(use_plugins: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    place = "framelens.cli.commands.doctor:run"
    use_plugins(
        one={"commands": {"admin eyes": place, "analyse more": place}}, other={"commands": {"admin ears": place}}
    )
    assert main(["admin", "ears", "--help"]) == 0
    assert refused(capsys, "admin", "hands")[0].endswith("the commands are: backup, restore, eyes, ears")
    assert main(["analyse", "--help"]) == 0, "a command of the core gets no subcommands"


@pytest.mark.every_plugin
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_example_is_right(language: Language) -> None:
    with in_language(language):
        for line in [line for ctx in contexts() for line in example_lines(ctx)]:
            words = shlex.split(line.partition(">")[0].partition("|")[0])
            parsed(words[words.index("framelens") + 1 :])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_argument_and_option_has_a_text(language: Language) -> None:
    with in_language(language):
        for ctx in contexts():
            assert list(help_lines(ctx, is_short=False))
            for one in ctx.command.params:
                if isinstance(one, Option | Argument) and (record := one.get_help_record(ctx)):
                    assert record[1].strip(), (ctx.command_path, one.name)


def test_short_help_leaves_out_what_long_help_groups(capsys: pytest.CaptureFixture[str]) -> None:
    printed = {}
    for option in ("-h", "--help"):
        assert main(["--language", "en", "analyse", option]) == 0
        printed[option] = capsys.readouterr().out
    assert "--strategy" not in printed["-h"] and "--question" in printed["-h"]
    assert "which frames:" in printed["--help"] and "--strategy" in printed["--help"]
    assert printed["-h"].endswith("framelens analyse --help lists all options.\n")
    assert len(printed["-h"].splitlines()) < 50 < len(printed["--help"].splitlines())


def test_commands_are_listed_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--language", "en"])
    lines = capsys.readouterr().out.splitlines()
    named = {line.split()[0] for line in lines if re.match(r"  [a-z]+ ", line)}
    assert named - {"framelens"} == {ctx.info_name for ctx in contexts() if ctx.command_path.count(" ") == 1}
    assert lines.index("look at videos:") < lines.index("page, programs and this installation:")
    assert "others:" not in lines
