"""Files and folders that only their owner can read: creation and permissions of the data folder.

Other accounts on the machine see neither videos nor reports nor keys. Windows keeps a user's folders private by itself;
there the modes have no effect.
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
    """Create `folder` and its missing parents, each with mode 0700. An existing one keeps its mode.

    Raises:
        OSError: A folder can't be created, or the path isn't a folder.
    """
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def private_opener(path: str, flags: int) -> int:
    """Open a file for `open(…, opener=private_opener)`: a new one gets mode 0600."""
    return os.open(path, flags, 0o600)


def write_private(path: Path, data: bytes) -> None:
    """Write a file with mode 0600; raise OSError."""
    with os.fdopen(private_opener(str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
        file.write(data)


def restrict_to_owner(folder: Path, names: Iterable[str]) -> None:
    """Remove all permissions of others from `folder` and from everything in it that matches `names`.

    Links are not followed below `folder`, and files of other owners, or shared folders such as /tmp, keep their modes.
    A failure is only logged as a warning, since analyses shouldn't fail for it.

    Args:
        folder: The folder.
        names: Glob patterns below it.
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
    """Remove the permissions of others; return whether there were any that could be removed."""
    status = path.stat() if is_top else path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if not mode & _OTHERS or mode & stat.S_ISVTX or status.st_uid != os.geteuid():
        return False
    if stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
        path.chmod(mode & ~_OTHERS)
        return True
    return False
