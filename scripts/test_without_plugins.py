"""Run the quick tests in a copy of the working tree without the folders of plugins, their tests and benchmarks.

    python scripts/test_without_plugins.py [PLUGIN …] [--only] [--tests PATH …]

Without a name all plugins are left out; with `--only` all but those named. The exit code is pytest's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = sorted(path.parent.name for path in (ROOT / "framelens" / "plugins").glob("*/__init__.py"))
QUICK = ("-q", "-n", "auto", "--dist", "loadfile", "-m", "not engine and not browser and not slow and not thorough")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plugins", nargs="*", choices=[*PLUGINS, []], metavar="PLUGIN", help=", ".join(PLUGINS))
    parser.add_argument("--only", action="store_true", help="leave out all but these")
    parser.add_argument("--tests", nargs="+", default=[], metavar="PATH", help="files or folders of tests to run")
    given = parser.parse_args()
    left_out = [name for name in PLUGINS if name not in given.plugins] if given.only else given.plugins or PLUGINS
    with tempfile.TemporaryDirectory(prefix="framelens-without-plugins-") as folder:
        copy_tree(Path(folder))
        for name in left_out:
            for place in ("benchmarks", "framelens", "tests"):
                shutil.rmtree(Path(folder, place, "plugins", name), ignore_errors=True)
        subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *QUICK, *given.tests]
        return subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": folder}, check=False).returncode


def copy_tree(copy: Path) -> None:
    """Copy the files that git knows or would add, and add them there: a test asks git which files there are."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0"):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    (copy / ".venv").symlink_to(sys.prefix)  # tests run programs that are installed there
    for words in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *words], cwd=copy, check=True)


if __name__ == "__main__":
    sys.exit(main())
