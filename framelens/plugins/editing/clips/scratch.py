"""Folders for clips that aren't whole yet, beside where they will be."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_SCRATCH = ".framelens-"
_NEW_SECONDS = 5.0
"""Age from which a folder without a lock was not made only just now."""


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Make a folder for files that belong into `folder` once they are whole, and remove it afterwards.

    First remove those that killed processes have left there.
    """
    for left in folder.glob(f"{_SCRATCH}*"):
        with suppress(OSError, NotImplementedError, Timeout):
            if left.is_dir() and not left.is_symlink() and time.time() - left.stat().st_mtime > _NEW_SECONDS:
                with FileLock(left / "lock", mode=0o600).acquire(blocking=False):
                    shutil.rmtree(left, ignore_errors=True)
    scratch = tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=folder, ignore_cleanup_errors=True)
    with scratch, FileLock(Path(scratch.name, "lock"), mode=0o600):
        yield Path(scratch.name)
