"""Look up the pinned packages in a database of known vulnerabilities, with pip-audit.

    python scripts/audit_pins.py

Exit codes: 0 all packages were found there and are not vulnerable; 1 some are vulnerable; 3 unknown, because no
database was reached or it doesn't know all packages. pip-audit itself calls the last case a success.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILES = tuple(ROOT / f"constraints/{name}.txt" for name in ("cpu", "gpu", "uv", "build"))
SERVICES = ("pypi", "osv")
UNKNOWN = 3
MOST_SECONDS = 600


def main() -> int:
    worst = 0
    for path in FILES:
        code, words = verdict(answers(path))
        print(f"{path.name}: {words}")
        worst = code if not worst or code == 1 else worst
    return worst


def answers(path: Path) -> Iterable[list[dict[str, Any]]]:
    """Yield what each service says of the packages in a file; a service that can't be reached says nothing."""
    for service in SERVICES:
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(path), "--no-deps", "--disable-pip"]
        options = ["--vulnerability-service", service, "--format", "json", "--progress-spinner", "off"]
        try:
            done = subprocess.run(
                [*command, *options], capture_output=True, text=True, timeout=MOST_SECONDS, check=False
            )
            yield json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError, subprocess.TimeoutExpired):
            yield []


def verdict(found: Iterable[list[dict[str, Any]]]) -> tuple[int, str]:
    """Return an exit code and what to print, from the first service that knows a package."""
    for packages in found:
        checked = [one for one in packages if "skip_reason" not in one]
        if not checked:
            continue
        vulnerable = [f"{one['name']} {one['version']} ({known['id']})" for one in checked for known in one["vulns"]]
        if vulnerable:
            return 1, f"vulnerable: {', '.join(vulnerable)}"
        if len(checked) < len(packages):
            left_out = ", ".join(one["name"] for one in packages if "skip_reason" in one)
            return UNKNOWN, f"{len(checked)} packages without a known vulnerability; not found: {left_out}"
        return 0, f"{len(checked)} packages, none with a known vulnerability"
    return UNKNOWN, "not checked: no database of vulnerabilities can be reached from here, or it knows no package"


if __name__ == "__main__":
    sys.exit(main())
