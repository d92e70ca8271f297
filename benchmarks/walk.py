"""The walk of a command through our code: `python -m benchmarks.walk` prints its length.

`framelens analyse VIDEO --output report.md` runs against a scripted engine. A profile hook notes which of our modules
run a function in the command's process (bodies of modules and classes don't count), which generators of this process
and of the decoder hand on the event of the chosen keyframes on its way to the progress bar, and how often it is folded
into the state.
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
modules, functions, passed, folds = set(), set(), set(), []

def note(frame, event, value):
    code = frame.f_code
    if not code.co_filename.startswith(ROOT) or not code.co_flags & 1:  # the body of a module or a class
        return
    if event == "call":
        modules.add(code.co_filename)
        functions.add((code.co_filename, code.co_firstlineno))
        if code.co_qualname == "AnalysisState.apply" and type(frame.f_locals["event"]).__name__ == CHOSEN:
            folds.append(1)
    elif event == "return" and code.co_flags & 0x20 and type(getattr(value, "event", value)).__name__ == CHOSEN:
        passed.add((code.co_filename, code.co_firstlineno, code.co_name))

threading.setprofile(note)
sys.setprofile(note)
from framelens.cli.main import main
exit_code = main(sys.argv[1:])
sys.setprofile(None)
named = sorted(path.removeprefix(ROOT) for path in modules)
frames = sorted(f"{path.removeprefix(ROOT)}:{name}" for path, _, name in passed)
found = {"exit": exit_code, "modules": named, "functions": len(functions), "frames": frames, "folds": len(folds)}
print(json.dumps(found), file=sys.stderr)
"""
_MARK = "hands on the chosen keyframes: "
_DECODER = f"""
import sys, threading
if "framelens.video.worker" in sys.orig_argv:
    def note(frame, event, value):
        code = frame.f_code
        if event == "return" and code.co_flags & 0x20 and type(value).__name__ == "KeyframesChosen":
            print("{_MARK}" + code.co_filename + ":" + code.co_name, file=sys.stderr, flush=True)

    threading.setprofile(note)
    sys.setprofile(note)
"""
"""Module that every Python process imports at its start. The command writes what its decoder prints to the log."""


def main() -> int:
    """Print the figures and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="framelens-walk-") as folder, serve(_answered) as server:
        found = _walked(Path(folder), server)
    print(f"{len(found['modules'])} modules and {found['functions']} functions of ours run in the command's process")
    print(f"{len(found['frames'])} generators yield the event of the chosen keyframes: {', '.join(found['frames'])}")
    print(f"It is folded into the state {found['folds']} time{'s' * (found['folds'] != 1)}")
    if "--list" in sys.argv:
        print(*found["modules"], sep="\n")
    return int(found["exit"])


def _answered(request: dict[str, Any]) -> Iterator[str]:
    yield from pieces(answer_to(request))


def _walked(folder: Path, server: Server) -> dict[str, Any]:
    (folder / "sitecustomize.py").write_text(_DECODER)
    path = os.pathsep.join((str(folder), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": path, "FRAMELENS_DATA_DIR": str(folder / "data")}
    environment |= {"FRAMELENS_BASE_URL": server.base_url, "LANG": "C.UTF-8"}
    words = ["analyse", str(ROOT / "framelens/samples/sample.mp4"), "--frames", "4", "--output", str(folder / "r.md")]
    command = [sys.executable, "-c", _HOOKED, str(ROOT), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = json.loads(done.stderr.splitlines()[-1])
    log = (folder / "data" / "framelens.log").read_text(encoding="utf-8")
    in_decoder = {line.partition(_MARK)[2].rpartition("framelens/")[2] for line in log.splitlines() if _MARK in line}
    return {**found, "frames": [*sorted(in_decoder), *found["frames"]]}


if __name__ == "__main__":
    sys.exit(main())
