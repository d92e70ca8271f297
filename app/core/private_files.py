"""Files and folders that their owner alone can read: how the data folder is made, and kept so.

Other accounts on the machine see neither videos nor reports nor keys. Windows keeps a user's folders to
the user by itself; there the modes mean nothing.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_log = logging.getLogger(__name__)


def make_private_folder(folder: Path) -> None:
    """Create `folder` and the parents that are missing, each with mode 0700. One that exists is left as it is."""
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def private_opener(path: str, flags: int) -> int:
    """Open a file for `open(…, opener=private_opener)`: a new one gets mode 0600."""
    return os.open(path, flags, 0o600)


def write_private(path: Path, data: bytes) -> None:
    """Write a file with mode 0600."""
    with os.fdopen(private_opener(str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
        file.write(data)


def narrow(folder: Path, names: Iterable[str]) -> None:
    """Take `folder`, and what is called by the patterns `names` in it, away from everybody but its owner.

    Links are not followed below `folder`, and what belongs to somebody else, or to everybody as /tmp does, is left.
    What the system refuses is a warning in the log: the analyses are not to fail for it.
    """
    if os.name == "nt":
        return
    try:
        _narrow(folder, is_top=True)
        for path in {path for name in names for path in folder.glob(name)}:
            if _narrow(path) and stat.S_ISDIR(path.lstat().st_mode):
                for parent, folders, files in os.walk(path):
                    for name in (*folders, *files):
                        _narrow(Path(parent, name))
    except OSError:
        _log.warning("others may be able to read what is in %s", folder, exc_info=True)


def _narrow(path: Path, *, is_top: bool = False) -> bool:
    """Whether others could get at it, and cannot any more."""
    status = path.stat() if is_top else path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if not mode & _OTHERS or mode & stat.S_ISVTX or status.st_uid != os.geteuid():
        return False
    if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
        path.chmod(mode & ~_OTHERS)
        return True
    return False
