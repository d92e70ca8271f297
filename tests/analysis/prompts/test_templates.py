import os
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.analysis.prompts.templates import Field, FieldChoice, Templates, Words, built_in, digest
from framelens.core.errors import AppError, ConfigError
from framelens.i18n import LANGUAGES, error_text

ROOT = Path(__file__).resolve().parents[3]
MINE = """
name = "Birds"
ask = "List the birds."
[[fields]]
key = "species"
kind = "text"
"""


def problem(folder: Path, text: str | bytes, name: str = "mine.toml") -> AppError:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    loaded = Templates(folder)
    assert list(loaded.by_key) == list(built_in())  # a bad file keeps no other from working
    (only,) = loaded.problems
    assert all(name in error_text(only, language) for language in LANGUAGES)
    return only


def test_built_in_templates_are_whole_in_both_languages() -> None:
    # The ten templates say everything in both languages.
    assert list(built_in()) == [
        "describe", "log", "slides", "steps", "sport", "safety", "meeting", "script", "quality", "question",
    ]  # fmt: skip
    for template in built_in().values():
        words = [template.name, template.about, template.ask, template.join]
        words += [one for field in template.fields for one in (field.name, field.about)]
        words += [choice.name for field in template.fields for choice in field.choices]
        assert all(re.search(r"[\u4e00-\u9fff]", word.zh) for word in words), template.key
        assert not any(re.search(r"[\u4e00-\u9fff]", word.en) or not word.en for word in words), template.key
        assert len(template.fields) <= 4
    # Only question template needs a question.
    assert [key for key, template in built_in().items() if template.needs_question] == ["question"]
    assert [key for key, template in built_in().items() if not template.fields] == ["describe", "question"]
    # The package holds the files of the templates.
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "analysis/templates/*.toml" in settings["tool"]["setuptools"]["package-data"]["framelens"]
    files = {path.stem for path in (ROOT / "framelens/analysis/templates").glob("*.toml")}
    assert files == set(built_in())


def test_own_file_is_a_template_with_text_for_both_languages(tmp_path: Path) -> None:
    (tmp_path / "birds.toml").write_text(MINE, encoding="utf-8")
    loaded = Templates(tmp_path)
    assert loaded.problems == ()
    birds = loaded.find("birds")
    assert birds.name == Words("Birds", "Birds")
    assert birds.fields == (Field("species", "text", Words("species", "species"), Words()),)
    assert not birds.needs_question


def test_a_text_in_one_language_serves_for_the_other(tmp_path: Path) -> None:
    (tmp_path / "鸟 类.toml").write_text(
        '[name]\nzh = "鸟类"\n[ask]\nen = "Birds?"\nzh = "有哪些鸟？"\n'
        '[[fields]]\nkey = "size"\nkind = "choice"\nchoices = ["big", { key = "small", zh = "小" }]\n',
        encoding="utf-8-sig",
    )
    birds = Templates(tmp_path).find("鸟-类")
    assert birds.name == Words("鸟类", "鸟类")
    assert birds.ask.en == "Birds?"
    assert birds.fields[0].choices == (FieldChoice("big", Words("big", "big")), FieldChoice("small", Words("小", "小")))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_example_in_the_documents_works(language: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "reference" / f"templates.{language}.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "birds.toml").write_text(example, encoding="utf-8")
    assert [field.kind for field in Templates(tmp_path).find("birds").fields] == ["text", "number", "choice"]


def test_of_too_many_files_the_first_are_used_and_that_is_said(tmp_path: Path) -> None:
    for number in range(201):
        (tmp_path / f"t{number:03d}.toml").write_text('ask = "x"', encoding="utf-8")
    loaded = Templates(tmp_path)
    assert [problem.key for problem in loaded.problems] == ["template_files_many"]
    assert "t199" in loaded.by_key
    assert "t200" not in loaded.by_key


@pytest.mark.parametrize("folder", [None, Path("/nowhere/at/all")])
def test_without_a_folder_there_are_the_built_in_templates(folder: Path | None) -> None:
    loaded = Templates(folder)
    assert dict(loaded.by_key) == dict(built_in())
    assert loaded.problems == ()


def test_a_built_in_key_is_not_taken_silently(tmp_path: Path) -> None:
    assert problem(tmp_path, f'key = "log"\n{MINE}').key == "template_taken"


def test_of_two_files_with_one_key_the_first_stays(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(f'key = "birds"\n{MINE}'.replace("Birds", name), encoding="utf-8")
    loaded = Templates(tmp_path)
    assert loaded.find("birds").name.en == "a.toml"
    assert [problem.key for problem in loaded.problems] == ["template_taken"]


@pytest.mark.parametrize(
    "text, key, line",
    [
        ('name = "Birds"\nask = List the birds', "template_not_toml", 2),
        ('name = "Birds"\nask = """never closed', "template_not_toml", 2),
        (b'name = "x"\nask = "\xff\xfe"\n', "template_not_toml", 2),
        ("a = " + "[" * 5000, "template_not_toml", 1),
        ("a = " + "1" * 5000, "template_not_toml", 1),
        ('name = "Birds"\n', "template_key_missing", 1),
        (f'{MINE}colour = "red"\n', "template_key_unknown", 7),
        (f'\nnmae = "x"\n{MINE}', "template_key_unknown", 2),
        (MINE.replace('"text"', '"texts"'), "template_value", 6),
        (MINE.replace('"species"', '"The Species"'), "template_value", 5),
        (MINE.replace('key = "species"\n', ""), "template_key_missing", 4),
        (MINE.replace('"text"', '"choice"'), "template_key_missing", 4),
        (MINE.replace('"species"', '"frames"'), "template_key_twice", 5),
        (MINE + MINE[MINE.index("[[") :], "template_key_twice", 8),
        (MINE + 'choices = ["a", "b"]\n', "template_value", 7),
        (MINE.replace('"text"', '"choice"') + 'choices = ["a"]\n', "template_value", 7),
        (MINE.replace('"text"', '"choice"') + 'choices = ["a", "b", "a"]\n', "template_key_twice", 7),
        (MINE.replace('"text"', '"choice"') + 'choices = ["a", 7]\n', "template_value", 7),
        (MINE.replace('"Birds"', "7"), "template_value", 2),
        (MINE.replace('"Birds"', '{ fr = "Oiseaux" }'), "template_value", 2),
        (MINE.replace('"Birds"', '"   "'), "template_value", 2),
        (MINE.replace('"List the birds."', f'"{"x" * 5000}"'), "template_value", 3),
        (f'needs_question = "yes"\n{MINE}', "template_value", 1),
        ('name = "Birds"\nask = "x"\nfields = 3\n', "template_value", 3),
        (MINE + "".join(f'[[fields]]\nkey = "k{n}"\nkind = "text"\n' for n in range(9)), "template_value", 4),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong_and_the_line(
    text: str | bytes, key: str, line: int, tmp_path: Path
) -> None:
    found = problem(tmp_path, text)
    assert (found.key, found.values["line"]) == (key, line)
    assert isinstance(found, ConfigError)


@pytest.mark.skipif(os.name == "nt", reason="links need permission there")
def test_unreadable_or_huge_template_is_named(tmp_path: Path) -> None:
    assert problem(tmp_path, "# " + "x" * 300_000).key == "template_unreadable"
    (tmp_path / "mine.toml").unlink()
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "link.toml").symlink_to(tmp_path / "nowhere")
    assert [problem.key for problem in Templates(tmp_path).problems] == ["template_unreadable"] * 2


def test_unknown_template_error_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        Templates(None).find("birds")
    assert "describe" in error_text(caught.value, "en")


def test_template_digest_changes_with_its_words() -> None:
    log = built_in()["log"]
    assert digest(log) == digest(replace(log))
    assert len({digest(template) for template in built_in().values()}) == 10
    assert digest(replace(log, ask=replace(log.ask, zh=log.ask.zh + "。"))) != digest(log)
