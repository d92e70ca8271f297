"""The linter of words finds the old dialect in prose and in names, and nothing else."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "check_words.py"


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_words", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("def test_it_goes_on() -> None:", "goes_on"),
        ("# begun anew", "anew"),
        ("is taken\n    in by the page", "taken in"),
        ("# one that go\n# on later", "go # on"),
        ("_Mended = 1", "Mended"),
        ("Mend-it", "Mend"),
        ('"""What is left of it."""', "What is left of it."),
        ("what is no video", "what is no"),
    ],
)
def test_words_of_the_list_are_found(checker: ModuleType, text: str, word: str) -> None:
    assert [found for _, found, _ in checker.find(text)] == [word]


@pytest.mark.parametrize(
    "text", ["What is FrameLens?", "recommend", "understands", "a standstill", "going online", "as it isn't", "untold"]
)
def test_other_words_are_left_alone(checker: ModuleType, text: str) -> None:
    assert list(checker.find(text)) == []


def test_lines_count_from_one_and_words_can_be_allowed(checker: ModuleType) -> None:
    text = "one\ntwo\nnobody"
    assert [line for line, _, _ in checker.find(text)] == [3]
    assert list(checker.find(text, allowed=["nobody"])) == []


@pytest.mark.slow
def test_chosen_paths_are_clean() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_path_that_is_missing_is_refused(checker: ModuleType) -> None:
    with pytest.raises(ValueError, match="nowhere is not in the repository"):
        checker.main(["nowhere"])
