"""The files around the code: changelog, templates, workflow, hooks, and the lists in CONTRIBUTING."""

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


@pytest.mark.every_plugin
def test_every_path_in_contributing_exists() -> None:
    named = set(
        re.findall(
            r"`((?:app|benchmarks|deploy|docs|examples|framelens|scripts|tests)/[\w./*-]+)", read("CONTRIBUTING.md")
        )
    )
    assert len(named) > 50
    assert {name for name in named if not list(ROOT.glob(name))} == set()


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


def steps(workflow: str) -> dict[str, list[str]]:
    """The commands of each job of a workflow."""
    jobs = load(f".github/workflows/{workflow}")["jobs"]
    return {name: [step["run"] for step in job.get("steps", ()) if "run" in step] for name, job in jobs.items()}


def test_workflow_runs_the_same_script_as_everybody() -> None:
    commands = steps("ci.yml")
    assert (commands["check"], commands["python-3-13"]) == ([".ci/run"], ["make check"])
    assert commands["wheel"][-1] == "python scripts/check_wheel.py dist/*.whl"
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_wheel_is_tried_on_the_oldest_and_newest_python() -> None:
    pythons = load(".github/workflows/ci.yml")["jobs"]["wheel"]["strategy"]["matrix"]["python"]
    supported = re.findall(r":: (3\.\d+)$", "\n".join(PROJECT["project"]["classifiers"]), re.MULTILINE)
    assert pythons == [supported[0], supported[-1]]


def test_release_workflow_makes_the_files_of_the_script() -> None:
    workflow = load(".github/workflows/release.yml")
    assert workflow["jobs"]["checks"]["uses"] == "./.github/workflows/ci.yml"
    assert '.venv/bin/python scripts/release.py "$GITHUB_REF_NAME" --tagged' in steps("release.yml")["files"]
    assert "secrets." not in read(".github/workflows/release.yml")
    rights = {name: job.get("permissions", {}) for name, job in workflow["jobs"].items()}
    assert workflow["permissions"] == {"contents": "read"} and rights["pypi"] == {"id-token": "write"}
    assert rights["pages"] == {"pages": "write", "id-token": "write"} and "make site" in steps("release.yml")["site"]


@pytest.mark.parametrize("workflow", ["ci.yml", "release.yml"])
def test_actions_are_pinned_to_a_commit(workflow: str) -> None:
    used = re.findall(r"uses: (?!\./)(.+)", read(f".github/workflows/{workflow}"))
    assert used and [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", action)] == []


def test_type_marker_is_part_of_the_package() -> None:
    assert (ROOT / "framelens/py.typed").exists()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["framelens"]


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
