"""Files of videos: checks of a user's path with an error that says why it can't be read, and hashes.

Only the file system and the first bytes are examined; the decoder checks the contents. The version of this package's
results is computed from the sources and the decoder's version, since a manual number is easily forgotten.

A path is checked once, its links resolved, and opened later, perhaps hours later and in another process. A person who
can write in the folder could put a link to any file of this machine in its place meanwhile. Below a confined folder
every part of a path is therefore opened without following links, so that what is opened lies where its path says.
"""

import errno
import os
import re
import stat
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b, sha256
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from framelens.core.errors import Cancelled, VideoError
from framelens.core.events import HashProgress, value_of
from framelens.core.files import address_in, reason_of, shown_path

_PIECE_BYTES = 1 << 20  # read at a time
_LONG_BYTES = 256 << 20
"""A smaller file is read within a second."""
_KEY_BYTES = 8


def printable_path(path: Path | str) -> str:
    """Return the name in a form that fits in one line of a sentence.

    Line breaks and control characters are escaped, and the middle of a name too long for a path is left out.
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in shown_path(path))


# ---- confined folders

_confined: tuple[Path, ...] = ()
_CAN_CONFINE = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
"""False on Windows, where users can't make links without a privilege."""
_LOOKING = getattr(os, "O_PATH", os.O_RDONLY)
_QUIETLY = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
"""Opening a pipe that was put in the place of a file doesn't block."""


def confine(folders: Iterable[Path]) -> None:
    """Confine this process to these folders when it opens files below them.

    Args:
        folders: Folders that others may write to. Links in their own paths are followed, now.
    """
    global _confined
    _confined = tuple(dict.fromkeys(folder.resolve() for folder in folders))


def confined_folders() -> tuple[Path, ...]:
    """Return the real paths of the confined folders."""
    return _confined


def is_confined(path: Path) -> bool:
    """Return whether no link is followed when this file is opened."""
    return _CAN_CONFINE and _folder_of(path) is not None


def open_input(path: Path, buffering: int = -1) -> BinaryIO:
    """Open a file for reading; a link in the path is an error below a confined folder.

    Raises:
        OSError: As of `open`; ELOOP or ENOTDIR for such a link, EINVAL for a pipe or a folder there.
    """
    return open(path, "rb", buffering=buffering, opener=lambda _path, _flags: open_descriptor(path))


def open_descriptor(path: Path, *, only_look: bool = False) -> int:
    """Open a file as `open_input` does and return its descriptor.

    Args:
        path: The file.
        only_look: The descriptor names the file but reads nothing, where the system has such descriptors.
    """
    flags = (_LOOKING if only_look else os.O_RDONLY) | getattr(os, "O_BINARY", 0)
    folder = _folder_of(path)
    if folder is None or not _CAN_CONFINE:
        return os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    descriptor = _opened_below(folder, path.relative_to(folder).parts, flags)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISLNK(mode) or not (only_look or stat.S_ISREG(mode)):
        os.close(descriptor)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
    return descriptor


@contextmanager
def held_folder(path: Path) -> Iterator[Path]:
    """Hold a folder open without following a link below a confined folder; yield a path to the opened folder.

    On systems without such paths it is the folder's own, which may be swapped until it is used.

    Raises:
        OSError: There is no such folder, or a link was put in its place.
    """
    if not is_confined(path) or not hasattr(os, "O_PATH"):
        yield path
        return
    descriptor = open_descriptor(path, only_look=True)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def input_status(path: Path) -> os.stat_result:
    """Return the status of a file, without following a link below a confined folder.

    Raises:
        OSError: There is no such file, or it is such a link.
        ValueError: A NUL is in the name.
    """
    if not is_confined(path):
        return path.stat()
    descriptor = open_descriptor(path, only_look=True)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _folder_of(path: Path) -> Path | None:
    return next((folder for folder in _confined if path != folder and path.is_relative_to(folder)), None)


def _opened_below(folder: Path, parts: tuple[str, ...], flags: int) -> int:
    """Open the file or folder that the parts name, each in the previous folder, without following links."""
    *folders, name = parts
    if os.pardir in parts:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(folder.joinpath(*parts)))
    here = os.open(folder, _LOOKING | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            below = os.open(part, _LOOKING | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
        return os.open(name, flags | os.O_NOFOLLOW | _QUIETLY, dir_fd=here)
    finally:
        os.close(here)


# ---- checks and hashes

VIDEO_SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3gpp", ".3g2", ".f4v", ".insv", ".lrv", ".360"),
        *(".mkv", ".mk3d", ".webm", ".ogv", ".ogm", ".avi", ".divx", ".xvid", ".wmv", ".asf", ".flv", ".rm", ".rmvb"),
        *(".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".m2p", ".vob", ".vro", ".evo", ".tod"),
        *(".ts", ".mts", ".m2ts", ".m2t", ".tp", ".trp", ".wtv", ".mxf"),
        *(".dv", ".y4m", ".ivf", ".nut", ".h264", ".264", ".h265", ".265", ".hevc", ".obu", ".mjpeg", ".mjpg", ".dav"),
    )
)
"""Suffixes of videos from cameras, recorders, downloads and encoders, for listing folders. A file that is named
explicitly may have any suffix."""
_ALSO_SOURCE_CODE = frozenset((".ts", ".mts"))
"""Transport streams, but also TypeScript."""
_SYNC, _PACKET_BYTES = 0x47, (188, 192, 204)
"""First byte of the packets of a transport stream (ISO/IEC 13818-1), and their lengths: plain, with a time in front
(M2TS), with error correction."""
_PACKETS = 5
"""Packets in a row that are required, so that a text doesn't pass; FFmpeg requires five, too."""


def is_video_name(path: Path) -> bool:
    """Return whether a file of a folder is a video by its suffix.

    If the suffix is ambiguous, the first bytes decide, unless the file can't be read: opening it later says why.
    """
    suffix = path.suffix.lower()
    if suffix not in VIDEO_SUFFIXES or not path.is_file():
        return False
    if suffix not in _ALSO_SOURCE_CODE:
        return True
    try:
        with open_input(path) as file:
            start = file.read((_PACKETS + 1) * max(_PACKET_BYTES))
    except OSError:
        return True
    packets = (start[first::length][:_PACKETS] for length in _PACKET_BYTES for first in range(length))
    return b"\0" in start and bytes([_SYNC]) * _PACKETS in packets  # text has no zero byte


STANDARD_STREAM = "-"
"""A name with which other programs read from standard input."""
_OF_PROCESS = re.compile(r"/dev/(?:stdin|fd/\d+)|/proc/[^/]+/fd/\d+")
"""A file that is open in this process; in the decoder, another process, these names are other files."""


def check_file(path: Path) -> None:
    """Raise VideoError unless `path` is a readable file that isn't empty."""
    printable = printable_path(path)
    try:
        status = input_status(path)
    except PermissionError as error:
        raise VideoError("video_no_permission", path=printable) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if address := address_in(printable):
            from framelens.video.sources import address_error  # few files need the plugins

            raise address_error(address) from error
        if path.name == STANDARD_STREAM:
            raise VideoError("video_is_stdin") from error
        if isinstance(error, OSError) and os.path.islink(path) and not is_confined(path):  # noqa: PTH114 - a long name
            raise VideoError("video_link_broken", path=printable, target=shown_path(path.readlink())) from error
        raise VideoError("video_not_found", path=printable) from error
    if stat.S_ISDIR(status.st_mode):
        raise VideoError("video_is_folder", path=printable)
    if not stat.S_ISREG(status.st_mode) or _OF_PROCESS.fullmatch(str(path)):
        raise VideoError("video_not_a_file", path=printable)
    if not is_confined(path) and not os.access(path, os.R_OK):
        raise VideoError("video_no_permission", path=printable)
    if status.st_size == 0:
        raise VideoError("video_empty", path=printable)


def picture_key(jpeg: bytes) -> str:
    """Return a key of 16 hex digits for a picture: the same for the same bytes."""
    return blake2b(jpeg, digest_size=_KEY_BYTES).hexdigest()


def sha256_of(path: Path, cancel: threading.Event | None = None) -> str:
    """Return the lower-case hex SHA-256 of the file; raises what `hashed` raises."""
    return value_of(hashed(path, cancel))


def hashed(path: Path, cancel: threading.Event | None = None) -> Generator[HashProgress, None, str]:
    """Return the lower-case hex SHA-256 of the file; yield every percent that was read of a large file.

    Raises:
        VideoError: The file can't be read.
        Cancelled: `cancel` was set.
    """
    check_file(path)
    digest, last = sha256(), HashProgress(0, max(1, input_status(path).st_size))
    try:
        with open_input(path, buffering=0) as file:
            while piece := file.read(_PIECE_BYTES):
                if cancel is not None and cancel.is_set():
                    raise Cancelled
                digest.update(piece)
                now = HashProgress(file.tell(), last.total_bytes)
                if now.percent > last.percent and now.total_bytes >= _LONG_BYTES:
                    yield now
                    last = now
    except PermissionError as error:
        raise VideoError("video_no_permission", path=printable_path(path)) from error
    except OSError as error:
        raise VideoError("video_read_failed", path=printable_path(path), reason=reason_of(error)) from error
    return digest.hexdigest()


def _decoder_version() -> bytes:
    """Return the source that states PyAV's version; importing the package or its metadata would take longer."""
    spec = find_spec("av")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("about.py").read_bytes()


@cache
def version() -> str:
    """Return the version of this package's results: 16 hex digits that change with the sources and the decoder."""
    folder = Path(__file__).parent
    digest = sha256(_decoder_version())
    core = folder.parent / "core"
    for path in [core / "domain.py", core / "events.py", *sorted(folder.rglob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
