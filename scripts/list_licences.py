"""List every installed distribution with its version and licence, for the images of deploy/.

    python scripts/list_licences.py > LICENCES.txt
    python scripts/list_licences.py --check NOTICE    fail where NOTICE doesn't cover what comes with FrameLens

The licence is what the distribution itself says: an SPDX expression, the older licence field, or its classifiers.
NOTICE covers a licence in its sentence "Almost all are under …", and a package by its name in its bullets.
"""

from __future__ import annotations

import re
import sys
from fnmatch import fnmatchcase
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

FAMILIES = {
    r"0BSD": "0BSD",
    r"MIT-0": "MIT-0",
    r"MIT-CMU": "MIT-CMU",
    r"MIT": "MIT",
    r"3-Clause BSD|BSD": "BSD",
    r"Apache|Apache-2\.0 WITH LLVM-exception": "Apache 2.0",
    r"ISC": "ISC",
    r"PSF|Python Software Foundation": "PSF",
    r"MPL|Mozilla": "MPL 2.0",
    r"CNRI-Python": "CNRI Python",
    r"BSL-1\.0": "BSL 1.0",
    r"CC0": "CC0 1.0",
    r"The Unlicense": "Unlicense",
}
"""How a licence is written, from its beginning, and how NOTICE names it."""


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--check"]:
        missing = uncovered(Path(arguments[1]).read_text(encoding="utf-8"), [row(one) for one in shipped()])
        for name, version, licence in missing:
            print(f"{name} {version}: {licence} is not covered by {arguments[1]}", file=sys.stderr)
        return 1 if missing else 0
    for name, version, licence in sorted(set(map(row, distributions())), key=lambda one: one[0].lower()):
        print(f"{name}\t{version}\t{licence}")
    return 0


def row(found: Distribution) -> tuple[str, str, str]:
    """Return name, version and licence of a distribution."""
    about = found.metadata
    classifiers = [one.rpartition(" :: ")[2] for one in about.get_all("Classifier", []) if one.startswith("License ::")]
    written = (about.get("License") or "").strip().partition("\n")[0]
    return about["Name"], found.version, about.get("License-Expression") or ", ".join(classifiers) or written or "?"


def shipped() -> list[Distribution]:
    """List the installed distributions that come with FrameLens and its extras, without the tools of the tests."""
    from packaging.requirements import Requirement  # not in a bare Python, which can list licences too
    from packaging.utils import canonicalize_name

    found: dict[str, Distribution] = {}
    done: set[tuple[str, str]] = set()
    extras = distribution("framelens").metadata.get_all("Provides-Extra", [])
    waiting = [("framelens", extra) for extra in ("", *extras)]
    while waiting:
        if (one := waiting.pop()) in done:
            continue
        done.add(one)
        name, extra = one
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # of another platform, or of an extra that isn't installed
            continue
        for text in found[name].requires or []:
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(wanted.name), more) for more in ("", *wanted.extras)]
    return [found[name] for name in sorted(found) if name != "framelens"]


def uncovered(notice: str, rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return the rows whose licence isn't in the sentence of NOTICE and whose name isn't in its bullets."""
    sentence = re.search(r"Almost all are under(.*?)\. ", " ".join(notice.split()))
    usual = set(re.split(r", | or ", sentence[1].strip())) if sentence else set()
    bullets = " ".join(re.findall(r"^- (.*(?:\n  .*)*)", notice, re.MULTILINE))
    named = set(re.findall(r"[\w.-]+\*?", bullets))
    return [one for one in rows if not (licences(one[2]) <= usual or any(fnmatchcase(one[0], name) for name in named))]


def licences(written: str) -> set[str]:
    """Return the licences in an expression or a list, named as in NOTICE, or else as written.

    Where several licences are offered, each must be covered, too: the list then needs no decision.
    """
    parts = re.split(r"\s+(?:AND|OR)\s+|, ", re.sub(r"^\(|\)$|\B\(|(?<=[\w.])\)(?=\s|$)", "", written))
    general = {"OSI Approved", "DFSG approved"}
    exact = [part for part in parts if part not in general] or parts
    return {next((name for mark, name in FAMILIES.items() if re.match(mark, part)), part) for part in exact}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
