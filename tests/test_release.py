"""The script that prepares a release, in a repository of a few files."""

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "pyproject.toml": '[project]\nname = "framelens"\nversion = "0.2.0"\n',
    "CHANGELOG.md": "## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.2.0] - 2026-12-01\n\n- The first.\n",
    "deploy/compose.yaml": "image: framelens:0.2.0-cpu\nother: framelens-engine:0.2.0\nbase: debian:0.2.0\n",
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script on a committed repository whose last release is 0.2.0, with one change since."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    spec = importlib.util.spec_from_file_location("release", ROOT / "scripts" / "release.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "make_files", lambda version: None)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Somebody")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "somebody@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    for name, text in FILES.items():
        write(tmp_path / name, text)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Start")
    git(tmp_path, "tag", "--annotate", "--message", "0.2.0", "v0.2.0")
    return module


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def refusal(script: ModuleType, *arguments: str) -> str:
    """The one line with which the script ends."""
    with pytest.raises(SystemExit) as ended:
        script.main([*arguments, "--checked"])
    assert isinstance(ended.value.code, str) and "\n" not in ended.value.code
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Name one version"),
        (("",), "Name one version"),
        (("0.3.0", "0.4.0"), "Name one version"),
        (("0.3",), "0.3 is no version"),
        (("0.3.0rc1",), "0.3.0rc1 is no version"),
        (("0.3.0", "--fast"), "--fast is no option"),
        (("0.2.0",), "v0.2.0 is a tag already"),
        (("v0.2.0",), "v0.2.0 is a tag already"),
        (("0.1.9",), "0.1.9 is lower than 0.2.0"),
        (("0.3.0", "--tagged"), "This commit doesn't have the tag v0.3.0"),
    ],
)
def test_wrong_arguments_end_in_a_sentence(script: ModuleType, arguments: tuple[str, ...], sentence: str) -> None:
    assert refusal(script, *arguments).startswith(sentence)


def test_another_branch_is_refused(script: ModuleType) -> None:
    git(script.ROOT, "switch", "--quiet", "--create", "other")
    assert refusal(script, "0.3.0").startswith("Releases are made on main, and this is other")
    git(script.ROOT, "switch", "--quiet", "--detach")
    assert "no branch" in refusal(script, "0.3.0")


@pytest.mark.parametrize("name", ["pyproject.toml", "new.txt"])
def test_changes_that_are_not_committed_are_refused(script: ModuleType, name: str) -> None:
    write(script.ROOT / name, "changed")
    assert name in refusal(script, "0.3.0")


def test_a_release_needs_changes_in_one_section(script: ModuleType) -> None:
    changelog = FILES["CHANGELOG.md"]
    for text, sentence in [
        (changelog.replace("### Added\n\n- A thing.\n\n", ""), "CHANGELOG.md has nothing under Unreleased"),
        (changelog.replace("[0.2.0]", "[0.3.0]"), "CHANGELOG.md has lines under Unreleased and under [0.3.0]"),
    ]:
        write(script.ROOT / "CHANGELOG.md", text)
        git(script.ROOT, "commit", "--quiet", "--all", "--message", "Change")
        assert refusal(script, "0.3.0").startswith(sentence)


def test_release_writes_version_and_changelog_and_tags(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["0.3.0", "--checked"]) == 0
    assert "git push --atomic origin main v0.3.0" in capsys.readouterr().out.splitlines()[-1]
    texts = {name: (script.ROOT / name).read_text(encoding="utf-8") for name in FILES}
    assert 'version = "0.3.0"' in texts["pyproject.toml"]
    lines = [line for line in texts["CHANGELOG.md"].splitlines() if line]
    assert lines[0] == "## [Unreleased]" and lines[1].startswith("## [0.3.0] - 20") and lines[3] == "- A thing."
    assert texts["deploy/compose.yaml"].split()[1::2] == [
        "framelens:0.3.0-cpu",
        "framelens-engine:0.3.0",
        "debian:0.2.0",
    ]
    assert git(script.ROOT, "log", "-1", "--format=%s") == "Release 0.3.0"
    assert git(script.ROOT, "tag", "--list", "--format=%(contents)", "v0.3.0") == (
        "FrameLens 0.3.0\n\n### Added\n\n- A thing."
    )
    assert script.main(["0.3.0", "--tagged"]) == 0


def test_a_release_that_failed_continues(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*command: str) -> None:
        raise SystemExit("make lint test ended with 2")

    with monkeypatch.context() as failing:
        failing.setattr(script, "run", fail)
        with pytest.raises(SystemExit, match="ended with 2"):
            script.main(["0.3.0"])
    commits = git(script.ROOT, "rev-list", "--count", "HEAD")
    assert script.main(["0.3.0", "--checked"]) == 0
    assert git(script.ROOT, "rev-list", "--count", "HEAD") == commits
    assert "v0.3.0" in git(script.ROOT, "tag")


def test_a_commit_that_fails_leaves_the_tree_clean(script: ModuleType) -> None:
    hook = script.ROOT / ".git" / "hooks" / "pre-commit"
    write(hook, "#!/bin/sh\necho no >&2\nexit 1\n")
    hook.chmod(0o755)
    assert refusal(script, "0.3.0") == "git commit failed: no"
    assert git(script.ROOT, "status", "--porcelain") == ""
