"""Folders for files that are on their way, and those that killed processes left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from framelens.plugins.editing.clips.scratch import scratch_folder

HOLDING = """
import sys, time
from pathlib import Path
from framelens.plugins.editing.clips.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "0.part").write_bytes(b"half")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_a_killed_process_leaves_its_folder_to_the_next(tmp_path: Path) -> None:
    (tmp_path / ".framelens-link").symlink_to(tmp_path.parent)
    process = subprocess.Popen([sys.executable, "-c", HOLDING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    left = Path(process.stdout.readline().strip())
    os.utime(left, (time.time() - 60,) * 2)
    with scratch_folder(tmp_path) as own:
        assert own.is_dir() and (left / "0.part").exists(), "a process that lives keeps its files"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with scratch_folder(tmp_path) as own:
        assert not left.exists() and own.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == [".framelens-link"] and tmp_path.parent.exists()
