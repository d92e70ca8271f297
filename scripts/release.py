"""Prepare a release: version, changelog, checks, packages, bill of materials, checksums and a tag. Nothing is pushed.

    python scripts/release.py 0.1.0             on main: everything, the linters and all tests included
    python scripts/release.py 0.1.0 --checked   the same, where linters and tests have passed already
    python scripts/release.py 0.1.0 --tagged    on the commit of the tag v0.1.0: the files alone, as the workflow does

After a failure the same command continues: what was done already isn't done again. The files lie in dist/.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from check_wheel import uv

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.compile(r"\d+\.\d+\.\d+")
PROJECT_VERSION = re.compile(r'^version = "(.+)"$', re.MULTILINE)
NAME = re.compile(r"""(\bframelens(?:-engine)?[:-]|framelens\[\w+\]==|^ +"version": ")\d+\.\d+\.\d+""", re.MULTILINE)
"""Names of images, of the wheel and of the package with their version, in the files of NAMING."""
NAMING = ("deploy/**/*", "docs/guide/*.md", "README*.md", "server.json")
UNRELEASED = "## [Unreleased]\n"


def main(arguments: list[str]) -> int:
    version, options = read_arguments(arguments)
    if "--tagged" in options:
        check_tagged(version)
    else:
        check_repository(version)
        check_changelog(version)
        write_version(version)
        if "--checked" not in options:
            run("make", "lint", "test")
            say("Checks", "linters and tests have passed")
    make_files(version)
    if "--tagged" not in options:
        make_tag(version)
        say("To do", f"look at dist/ and `git show v{version}`, then: git push --atomic origin main v{version}")
    return 0


def read_arguments(arguments: list[str]) -> tuple[str, set[str]]:
    """Return version and options; end with a sentence if there is no version that can be released."""
    options = {word for word in arguments if word.startswith("-")}
    versions = [word.removeprefix("v") for word in arguments if word and word not in options]
    if unknown := options - {"--checked", "--tagged"}:
        raise SystemExit(f"{unknown.pop()} is no option of a release; there are --checked and --tagged.")
    if len(versions) != 1:
        raise SystemExit("Name one version: make release VERSION=0.1.0")
    if not VERSION.fullmatch(versions[0]):
        raise SystemExit(f"{versions[0]} is no version: it has three numbers, as 0.1.0 has.")
    return versions[0], options


def check_repository(version: str) -> None:
    """End with a sentence unless this is a clean main and the version a new one."""
    if (branch := git("branch", "--show-current")) != "main":
        raise SystemExit(f"Releases are made on main, and this is {branch or 'no branch'}: git switch main")
    check_clean()
    tags = [tag.removeprefix("v") for tag in git("tag", "--list", "v*").splitlines()]
    if version in tags:
        commit = git("rev-parse", "--short", f"v{version}^{{commit}}")
        raise SystemExit(
            f"v{version} is a tag already, of {commit}: choose a higher version, or remove a tag that was never "
            f"pushed with git tag --delete v{version}"
        )
    highest = max([current_version(), *filter(VERSION.fullmatch, tags)], key=numbers)
    if numbers(version) < numbers(highest):
        raise SystemExit(f"{version} is lower than {highest}, the present version: choose a higher one.")


def check_clean() -> None:
    if changed := git("status", "--porcelain"):
        names = ", ".join(line.split(maxsplit=1)[1] for line in changed.splitlines()[:5])
        raise SystemExit(f"Some changes aren't committed ({names}): commit or remove them first.")


def check_tagged(version: str) -> None:
    """End with a sentence unless this commit has the tag and is what the tag says."""
    check_clean()
    if f"v{version}" not in git("tag", "--points-at", "HEAD").splitlines():
        raise SystemExit(f"This commit doesn't have the tag v{version}: git switch --detach v{version}")
    if current_version() != version:
        raise SystemExit(
            f"The tag says {version}, pyproject.toml says {current_version()}: make the tag with make release"
        )
    if not section(version):
        raise SystemExit(f"CHANGELOG.md has no section [{version}]: make the tag with make release")


def check_changelog(version: str) -> None:
    """End with a sentence unless the changes of this version are in one section."""
    unreleased, released = section("Unreleased"), section(version)
    if not unreleased and not released:
        raise SystemExit("CHANGELOG.md has nothing under Unreleased: write there what users notice.")
    if unreleased and released:
        raise SystemExit(f"CHANGELOG.md has lines under Unreleased and under [{version}]: move all of them to one.")


def write_version(version: str) -> None:
    """Commit the version and the changelog's section, unless they are there."""
    texts = versioned_texts(version)
    changed = {path: text for path, text in texts.items() if path.read_text(encoding="utf-8") != text}
    if not changed:
        say("Version", f"{version} is committed already")
        return
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    try:
        git("commit", "--quiet", "--all", "--message", f"Release {version}")
    except SystemExit:
        git("reset", "--quiet", "--hard")  # the tree was clean
        raise
    names = ", ".join(str(path.relative_to(ROOT)) for path in changed)
    say("Version", f"{version} in {names}, committed as {git('rev-parse', '--short', 'HEAD')}")


def versioned_texts(version: str) -> dict[Path, str]:
    """Return the files that name the version, as they are in its release."""
    project, changelog = ROOT / "pyproject.toml", ROOT / "CHANGELOG.md"
    texts = {project: PROJECT_VERSION.sub(f'version = "{version}"', project.read_text(encoding="utf-8"), count=1)}
    if not section(version):
        today = datetime.datetime.now(datetime.UTC).date()
        titles = f"{UNRELEASED}\n## [{version}] - {today}\n"
        texts[changelog] = changelog.read_text(encoding="utf-8").replace(UNRELEASED, titles, 1)
    for path in (path for pattern in NAMING for path in ROOT.glob(pattern) if path.is_file()):
        texts[path] = NAME.sub(rf"\g<1>{version}", path.read_text(encoding="utf-8"))
    return texts


def make_files(version: str) -> None:
    """Fill dist/ with packages that were tried, bill of materials, changes and checksums."""
    dist = ROOT / "dist"
    for file in dist.glob("*"):
        file.unlink()
    build(dist)
    (wheel,) = dist.glob("*.whl")
    run(sys.executable, "scripts/check_wheel.py", str(wheel))
    run(sys.executable, "scripts/list_licences.py", "--check", "NOTICE")
    run(sys.executable, "scripts/write_sbom.py", str(dist / f"framelens-{version}.cdx.json"))
    files = sorted(path for path in dist.iterdir() if path.name.startswith("framelens-"))
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    (dist / "SHA256SUMS").write_text(sums, encoding="utf-8")
    (dist / "CHANGES.md").write_text(section(version), encoding="utf-8")
    say("Files", ", ".join(f"dist/{path.name} ({path.stat().st_size:,} bytes)" for path in sorted(dist.iterdir())))


def build(dist: Path) -> None:
    """Build wheel and source package from what is committed, not from what lies around."""
    with tempfile.TemporaryDirectory() as folder:
        source, archive = Path(folder) / "source", Path(folder) / "source.tar"
        git("archive", "--output", str(archive), "HEAD")
        shutil.unpack_archive(archive, source)
        os.environ["SOURCE_DATE_EPOCH"] = git("log", "-1", "--format=%ct")  # the same wheel for the same commit
        hashed = ("--build-constraints", "constraints/build.txt", "--require-hashes")
        run(uv(), "build", "--quiet", *hashed, "--out-dir", str(dist), ".", folder=source)
    (dist / ".gitignore").unlink(missing_ok=True)  # uv's


def make_tag(version: str) -> None:
    message = f"FrameLens {version}\n\n{section(version)}"
    git("tag", "--annotate", f"v{version}", "--cleanup=verbatim", "--message", message)
    say("Tag", f"v{version} on {git('rev-parse', '--short', 'HEAD')}")


def section(title: str) -> str:
    """Return the section of CHANGELOG.md with this title, without the title; empty if there is none."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(rf"^## \[{re.escape(title)}\].*\n((?:(?!## \[).*\n?)*)", text, re.MULTILINE)
    return found[1].strip() + "\n" if found and found[1].strip() else ""


def current_version() -> str:
    found = PROJECT_VERSION.search((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def git(*words: str) -> str:
    """Return what git prints; end with its last line if it fails."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise SystemExit(f"git {words[0]} failed: {reason}")
    return done.stdout.strip()


def run(*command: str, folder: Path | None = None) -> None:
    if (code := subprocess.run(command, cwd=folder or ROOT, check=False).returncode) != 0:
        raise SystemExit(f"{shown(command)} ended with {code}; once that is corrected, the same command continues.")


def shown(command: Sequence[str]) -> str:
    return " ".join([Path(command[0]).name, *command[1:]])


def say(step: str, text: str) -> None:
    print(f"{step}: {text}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
