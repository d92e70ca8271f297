"""Write what comes with FrameLens as a software bill of materials: CycloneDX JSON, checked against its schema.

    python scripts/write_sbom.py sbom.json

It has the packages of this environment that FrameLens and its installed extras need, without the tools of the tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from list_licences import shipped
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
ROOT_REFERENCE = "root-component"
VERSION = SchemaVersion.V1_6


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    written = json.dumps(document(), ensure_ascii=False, indent=1)
    if error := JsonStrictValidator(VERSION).validate_str(written):
        print(f"{arguments[0]} isn't valid CycloneDX: {error}", file=sys.stderr)
        return 1
    Path(arguments[0]).write_text(written, encoding="utf-8")
    print(f"{arguments[0]}: {len(json.loads(written)['components'])} packages, CycloneDX {VERSION.to_version()}, valid")
    return 0


def document() -> dict[str, Any]:
    """Return the document of cyclonedx-py without the packages that aren't shipped."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", sys.executable]
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--spec-version", VERSION.to_version(), "--no-validate"]
    made = subprocess.run([*command, *options], stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(made.stdout)
    names = {canonicalize_name(one.metadata["Name"]) for one in shipped()}
    found["components"] = [one for one in found["components"] if canonicalize_name(one["name"]) in names]
    kept = {ROOT_REFERENCE, *(one["bom-ref"] for one in found["components"])}
    found["dependencies"] = [
        {**one, **({"dependsOn": [ref for ref in one["dependsOn"] if ref in kept]} if "dependsOn" in one else {})}
        for one in found["dependencies"]
        if one["ref"] in kept
    ]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
