"""Probe of the installed engines: a child process imports them and reports what they know, once for each version.

That takes ten to twenty seconds, so it is done where an engine is about to start or is asked for, never when settings
are read. A record with faults, of an engine that can't be imported or doesn't answer, is made again when packages were
installed since, or after a day.
"""

import json
import logging
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from framelens.core.child_environment import engine_environment
from framelens.core.engines.engine_record import engine_record, packages_changed, record_path

_SECONDS = 180.0
"""Longest time for importing the engines, on a busy machine with a cold disk."""
_FAULTY_SECONDS = 86_400
"""Age at which a record with faults is made again."""
_CHILD = Path(__file__).with_name("engine_probe_child.py")
_ASKING = "asking-"
"""Prefix of the folder in which the engines are asked."""
_failed: set[Path] = set()
_lock = threading.Lock()
log = logging.getLogger(__name__)


def ensure_record() -> None:
    """Make the record of the installed engines unless it exists; a failure isn't retried in this process."""
    with _lock:
        path = record_path()
        if path is None or path in _failed or _is_usable(path):
            return
        try:
            _make(path)
        except OSError as error:
            _failed.add(path)
            log.warning("the installed engines can't be asked what they know: %s", error)


def is_pending() -> bool:
    """Return whether `ensure_record` would ask the engines, which takes its time."""
    path = record_path()
    return path is not None and path not in _failed and not _is_usable(path)


def _is_usable(path: Path) -> bool:
    record = engine_record()
    if not record.get("faults"):
        return bool(record)
    made = path.stat().st_mtime
    return made > packages_changed() and made > time.time() - _FAULTY_SECONDS


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=_ASKING) as folder:
        made = Path(folder) / path.name
        command = [sys.executable, "-P", str(_CHILD), str(made)]
        environment = {**engine_environment(), "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
        try:
            done = subprocess.run(
                command,
                env=environment,
                cwd=folder,  # as in `engine/local/launch.py`
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=True,
                process_group=0,  # Ctrl-C in the terminal is handled by this process alone
            )
            log.info("asked the installed engines: %s", done.stderr.decode(errors="replace")[-2000:])
        except subprocess.SubprocessError as error:
            log.warning("the installed engines can't be asked what they know: %s", error)
            made.write_text(json.dumps({"faults": {"": _reason(error)}}), encoding="utf-8")
        made.replace(path)
    with suppress(OSError):  # of engines that were installed before, and of killed programs
        for old in path.parent.glob("engines-*.json"):
            if old.stat().st_mtime < path.stat().st_mtime - 90 * 86_400:
                old.unlink()
        for left in path.parent.glob(f"{_ASKING}*"):
            if left.stat().st_mtime < path.stat().st_mtime - _SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _reason(error: subprocess.SubprocessError) -> str:
    """Return why the child said nothing: its time was over, or its last line."""
    said = getattr(error, "stderr", None) or b""
    last = said.decode(errors="replace").strip().rpartition("\n")[2]
    is_late = isinstance(error, subprocess.TimeoutExpired)
    return f"{type(error).__name__}: {f'{_SECONDS:.0f} s' if is_late else last or error}"[:300]
