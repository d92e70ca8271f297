"""The files around the code: changelog, templates, workflow, hooks, and the lists in CONTRIBUTING."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from framelens.engine.base import Launcher
from framelens.engine.local.transformers import transformers_launcher
from framelens.engine.local.vllm import vllm_launcher

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def load(name: str) -> Any:
    return yaml.safe_load(read(name))


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    return [name for name in listed.stdout.split("\0") if name]


def test_changelog_begins_with_what_is_unreleased() -> None:
    titles = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", read("CHANGELOG.md"), re.MULTILINE)
    assert titles[0] == ("Unreleased", "")
    released = [tuple(map(int, version.split("."))) for version, _ in titles[1:]]
    assert released == sorted(released, reverse=True) and all(date for _, date in titles[1:])
    version = tuple(map(int, PROJECT["project"]["version"].split(".")))
    assert not released or released[0] == version


def test_changelog_uses_the_sections_of_its_form() -> None:
    sections = set(re.findall(r"^### (.+)$", read("CHANGELOG.md"), re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.every_plugin
def test_every_path_in_contributing_exists() -> None:
    named = set(
        re.findall(
            r"`((?:app|benchmarks|deploy|docs|examples|framelens|scripts|tests)/[\w./*-]+)", read("CONTRIBUTING.md")
        )
    )
    assert len(named) > 50
    assert {name for name in named if not list(ROOT.glob(name))} == set()


@pytest.mark.every_plugin
def test_the_map_in_contributing_names_every_package() -> None:
    map_ = read("CONTRIBUTING.md").partition("## Where things are")[2].partition("```")[2].partition("```")[0]
    folders = (folder for root in ("framelens", "framelens/plugins") for folder in (ROOT / root).iterdir())
    packages = {one.name for one in folders if one.is_dir() and one.name[0] not in "_."}
    missing = packages - set(re.findall(r"\w+", map_))
    assert missing == set() and {"speech", "samples", "video"} <= packages


def test_only_contributing_says_how_constants_were_chosen() -> None:
    modules = [name for name in tracked() if name.startswith(("app/", "framelens/")) and name.endswith(".py")]
    ritual = re.compile(r"chosen by hand(?:;|,| and) (?:none is|not) tuned(?! individually)", re.IGNORECASE)
    assert [name for name in modules if ritual.search(read(name))] == []
    assert "was chosen by hand and not tuned" in read("CONTRIBUTING.md")


def test_docstrings_and_comments_name_things() -> None:
    """Where a pronoun would be vague, a noun is repeated: "another engine", not "another one"."""
    which = "another|first|second|next|last|earlier|later|usual|newest|new|old|other|this|without"
    pronoun = re.compile(
        rf"\bones\b(?!\()|\b(?:{which})\s+one\b(?=\s+(?:is|are|that|which|of|in|with|has)\b|[,.;:)])"
        r"|\bthe\s+one\s+(?:that|before|after|of|with)\b|\bone\s+(?:that|which|whose)\b"
        r"|\bif\s+there\s+is\s+(?:one|none)\b",
        re.IGNORECASE,
    )
    modules = [name for name in tracked() if name.startswith(("app/", "framelens/")) and name.endswith(".py")]
    vague = [(name, found[0]) for name in modules for found in pronoun.finditer(re.sub(r"`[^`]*`", "", read(name)))]
    assert vague == []


@pytest.mark.parametrize("template", ["bug.yml", "idea.yml"])
def test_issue_templates_ask_for_the_doctor(template: str) -> None:
    form = load(f".github/ISSUE_TEMPLATE/{template}")
    assert form["name"] and form["description"]
    fields = {field["id"]: field for field in form["body"] if "id" in field}
    assert "framelens doctor" in fields["doctor"]["attributes"]["label"]
    assert all(field["attributes"]["label"] for field in fields.values())


def test_bug_reports_need_the_doctor() -> None:
    fields = {field.get("id"): field for field in load(".github/ISSUE_TEMPLATE/bug.yml")["body"]}
    assert fields["doctor"]["validations"]["required"]


def test_pull_request_template_names_real_targets() -> None:
    text = read(".github/pull_request_template.md")
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= targets
    assert "framelens doctor" in text


def test_workflow_runs_the_same_script_as_everybody() -> None:
    jobs = load(".github/workflows/ci.yml")["jobs"]
    scripts = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert scripts == {"check": [".ci/run"], "python-3-13": ["make check"]}
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_commit_hooks_run_what_make_lint_runs() -> None:
    (repository,) = load(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    recipe = read("Makefile").split("\nlint:\n")[1].split("\n\n")[0]
    commands = re.findall(r"\.venv/bin/[\w-]+(?: (?:check|format --check|app framelens|scripts/\w+\.py))?", recipe)
    entries = [hook["entry"].replace(" --force-exclude", "") for hook in repository["hooks"]]
    assert sorted(entries) == sorted(commands)
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}


def test_type_marker_is_part_of_the_package() -> None:
    assert (ROOT / "framelens/py.typed").exists()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["framelens"]


@pytest.mark.slow
def test_names_of_tests_are_under_60_characters() -> None:
    for path in (ROOT / "tests").rglob("test_*.py"):
        functions = [one for one in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(one, FUNCTION)]
        assert [one.name for one in functions if one.name.startswith("test_") and len(one.name) >= 60] == [], path


@pytest.mark.slow
def test_names_of_public_classes_occur_once() -> None:
    paths = [*ROOT.glob("app/**/*.py"), *ROOT.glob("framelens/**/*.py")]
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in paths)
    names = [one.name for tree in trees for one in tree.body if isinstance(one, ast.ClassDef)]
    assert {name for name in names if names.count(name) > 1 and not name.startswith("_")} == set()


@pytest.mark.slow
def test_no_file_names_the_address_of_a_registry() -> None:
    address = re.compile(r"(?:pypi|pythonhosted|npmjs|deb\.debian|unpkg|jsdelivr)" r"\.(?:org|com|net)")
    for name in tracked():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".sh", ""} and path.is_file():
            assert not address.search(path.read_text(encoding="utf-8")), name


@pytest.mark.parametrize("launcher", [transformers_launcher("org/model"), vllm_launcher("org/model", {})])
def test_unmarked_engine_is_refused(launcher: Launcher, tmp_path: Path) -> None:
    command = launcher.command(tmp_path, 1)
    with pytest.raises(pytest.fail.Exception, match=r"without pytest\.mark\.engine"):
        subprocess.Popen([sys.executable, "-c", "", *command[1:]])
    assert subprocess.Popen([sys.executable, "-c", ""]).wait() == 0
