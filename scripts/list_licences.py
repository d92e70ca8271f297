"""List every installed distribution with its version and licence, for the images of deploy/.

    python scripts/list_licences.py > LICENCES.txt

The licence is what the distribution itself says: an SPDX expression, the field of older ones, or its classifiers.
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, distributions


def main() -> int:
    for name, version, licence in sorted(set(map(row, distributions())), key=lambda one: one[0].lower()):
        print(f"{name}\t{version}\t{licence}")
    return 0


def row(found: Distribution) -> tuple[str, str, str]:
    """Return name, version and licence of a distribution."""
    about = found.metadata
    classifiers = [one.rpartition(" :: ")[2] for one in about.get_all("Classifier", []) if one.startswith("License ::")]
    written = (about.get("License") or "").strip().partition("\n")[0]
    return about["Name"], found.version, about.get("License-Expression") or ", ".join(classifiers) or written or "?"


if __name__ == "__main__":
    sys.exit(main())
