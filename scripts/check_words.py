"""Refuse words of the project's old dialect in code, documents and messages; `make lint` runs it.

    python scripts/check_words.py          check the paths that pyproject.toml lists under tool.framelens.words
    python scripts/check_words.py --all    check everything that git knows, whatever is listed
    python scripts/check_words.py PATH …   check these files and folders

Each hit is printed as PATH:LINE: WORD (use: …). The exit code is 1 if there is a hit.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUFFIXES = frozenset({".css", ".html", ".js", ".md", ".py", ".sh", ".toml", ".typ", ".yaml", ".yml"})
NAMES = frozenset({".env.example", "Makefile", "run"})

_GAP = r"(?:[_-]|\s+(?:#\s*)?)"
WORDS = {
    r"told|tells": "report, return, say",
    r"(?<!--)anew": "again",
    r"mend(?:s|ed|ing)?": "fix",
    r"heed(?:s|ed|ing)?": "follow, poll",
    r"whoever": "the name of the one who does it",
    r"nobody": "no one, or the name of the one who doesn't",
    r"of now": "current",
    r"of before": "previous",
    r"stands": "is",
    r"in hand": "running",
    r"at hand": "available",
    r"(?:take|takes|took|taken|taking) in": "import, read",
    r"(?:go|goes|went|gone|going) on": "continue, resume",
    r"(?:give|gives|gave|given|giving) up": "cancel, time out",
    r"(?:come|comes|came|coming) to be": "succeed, happen",
    r"as it is(?! [a-z])": "unchanged",
    r"what (?:is|was|are) no": "a noun: a file that is not a video",
}
"""A pattern for each word, with what to write instead. A blank also matches a line break, "_" and "-", so that names in
code are found."""
WHAT_IS = re.compile(r"(?:(?<=\. )|(?<=\"\"\")|(?<=^))What (?:is|was|are|were|has|comes) [^?.\n]*\.", re.MULTILINE)
"""A sentence that begins with "What is …" and is no question."""
PATTERNS = [
    *(
        (re.compile(rf"(?<![a-z])(?:{word.replace(' ', _GAP)})(?![a-z])", re.IGNORECASE), better)
        for word, better in WORDS.items()
    ),
    (WHAT_IS, "a noun, or an imperative verb"),
]


def main(arguments: list[str]) -> int:
    """Print all hits in the chosen files and return the exit code."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["framelens"]["words"]
    chosen = [] if arguments == ["--all"] else arguments or settings["paths"]
    hits = 0
    for path in files(chosen, settings["excluded"]):
        name = path.relative_to(ROOT).as_posix()
        for line, word, better in find(path.read_text(encoding="utf-8"), settings["allowed"].get(name, ())):
            print(f"{name}:{line}: {word} (use: {better})")
            hits += 1
    return 1 if hits else 0


def files(chosen: Iterable[str], excluded: Iterable[str]) -> Iterator[Path]:
    """List the text files that git knows below the `chosen` paths (everywhere without paths).

    Args:
        chosen: Files and folders, relative to the root of the repository.
        excluded: Files and folders that are left out.

    Returns:
        Absolute paths, sorted.

    Raises:
        ValueError: A chosen path doesn't exist.
    """
    for name in chosen:
        if not (ROOT / name).exists():
            raise ValueError(
                f"{name} is not in the repository; tool.framelens.words.paths and arguments name paths in it"
            )
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *chosen],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    for name in sorted(filter(None, listed.stdout.split("\0"))):
        path = ROOT / name
        is_excluded = any(name == one or name.startswith(f"{one}/") for one in excluded)
        if not is_excluded and path.is_file() and (path.suffix in SUFFIXES or path.name in NAMES):
            yield path


def find(text: str, allowed: Iterable[str] = ()) -> Iterator[tuple[int, str, str]]:
    """Find the refused words of a text.

    Args:
        text: The whole text of a file.
        allowed: Words, in small letters, that this file may contain.

    Returns:
        For each hit the 1-based line, the word as it is written, and what to write instead; in the order of WORDS.
    """
    for pattern, better in PATTERNS:
        for hit in pattern.finditer(text):
            word = " ".join(hit[0].split())
            if word.lower() not in allowed:
                yield text.count("\n", 0, hit.start()) + 1, word, better


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
