"""The walk of one command through our code: `python -m benchmarks.walk` prints its length.

`framelens analyse VIDEO --output report.md` runs against a scripted engine. A profile hook notes which of our modules
run a function in the command's process (bodies of modules and classes don't count), and which generators hand on the
event of the chosen keyframes on its way to the progress bar.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.analysis.answers import answer_to, pieces
from tests.llm.scripted import Server, serve

ROOT = Path(__file__).resolve().parents[1]
_HOOKED = """
import json, sys, threading
from pathlib import Path
ROOT = sys.argv.pop(1) + "/framelens/"
CHOSEN = "KeyframesChosen"  # alone, or with the state after it
modules, functions, passed = set(), set(), set()

def note(frame, event, value):
    code = frame.f_code
    if not code.co_filename.startswith(ROOT) or not code.co_flags & 1:  # the body of a module or a class
        return
    if event == "call":
        modules.add(code.co_filename)
        functions.add((code.co_filename, code.co_firstlineno))
    elif event == "return" and code.co_flags & 0x20 and type(getattr(value, "event", value)).__name__ == CHOSEN:
        passed.add((code.co_filename, code.co_firstlineno, code.co_name))

threading.setprofile(note)
sys.setprofile(note)
from framelens.cli.main import main
exit_code = main(sys.argv[1:])
sys.setprofile(None)
named = sorted(path.removeprefix(ROOT) for path in modules)
frames = sorted(f"{path.removeprefix(ROOT)}:{name}" for path, _, name in passed)
print(json.dumps({"exit": exit_code, "modules": named, "functions": len(functions), "frames": frames}), file=sys.stderr)
"""


def main() -> int:
    """Print the figures and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="framelens-walk-") as folder, serve(_answered) as server:
        found = _walked(Path(folder), server)
    print(f"{len(found['modules'])} modules and {found['functions']} functions of ours run in the command's process")
    print(f"{len(found['frames'])} generators yield the event of the chosen keyframes: {', '.join(found['frames'])}")
    if "--list" in sys.argv:
        print(*found["modules"], sep="\n")
    return int(found["exit"])


def _answered(request: dict[str, Any]) -> Iterator[str]:
    yield from pieces(answer_to(request))


def _walked(folder: Path, server: Server) -> dict[str, object]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FRAMELENS_DATA_DIR": str(folder / "data")}
    environment |= {"FRAMELENS_BASE_URL": server.base_url, "LANG": "C.UTF-8"}
    words = ["analyse", str(ROOT / "framelens/samples/sample.mp4"), "--frames", "4", "--output", str(folder / "r.md")]
    command = [sys.executable, "-c", _HOOKED, str(ROOT), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return dict(json.loads(done.stderr.splitlines()[-1]))


if __name__ == "__main__":
    sys.exit(main())
