"""Safe file names and IDs, and files that only their owner can read.

Arbitrary names become displayable, storable and valid on every file system. Files and folders of the data folder are
private: other accounts on the machine see neither videos nor reports nor keys. Windows keeps a user's folders private
by itself; there the modes have no effect.
"""

import errno
import getpass
import logging
import os
import re
import secrets
import stat
import string
import sys
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain, count
from pathlib import Path
from urllib.parse import quote, unquote

from framelens.core.errors import InputError

_log = logging.getLogger(__name__)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_TURNING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_ESCAPED_TURN = re.compile(r"\\u(202[a-e]|206[6-9])")
# Characters that Windows refuses in a file name; "/" and the control characters are refused everywhere.
_UNSAFE = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)")
"""Devices of Windows, with any extension."""
_QUOTED = re.compile(r"""(["'])(.+)\1|[“”„«‘「](?P<other>.+)[”“»’」]""")
_FILE_ADDRESS = re.compile(r"file:(?://(?:localhost)?(?=/)|(?=/))", re.IGNORECASE)
"""Scheme and machine of a file's address (RFC 8089)."""
# ext4 allows 255 bytes, encrypted home folders 143; a Chinese character has three.
_MAX_NAME_BYTES = 140
_ROOM_FOR_NUMBER = 8
"""Bytes of a name that stay free for "-2" and the numbers after it."""
_MAX_DISPLAYED = 512
"""Characters of a displayed path: Windows allows 260, and longer paths are rarely typed."""
_ESCAPED_PATH = "\0"
"""Prefix of a stored path that is not UTF-8. No system allows this character in a path."""
_SURROGATES, _STAND_INS = range(0xDC80, 0xDD00), range(0x10DC80, 0x10DD00)
"""Bytes above 127 as Python represents them in a path (PEP 383), and characters allowed in any UTF-8 text."""
_ID_CHARACTERS, _ID_LENGTH = string.ascii_letters + string.digits, 12  # 71 bits
_TO_STORABLE = dict(zip(_SURROGATES, _STAND_INS, strict=True))
_FROM_STORABLE = dict(zip(_STAND_INS, _SURROGATES, strict=True))


def new_id() -> str:
    """Return a random ID for a job or a conversation: letters and digits, so that no command takes it for an option."""
    return "".join(secrets.choice(_ID_CHARACTERS) for _ in range(_ID_LENGTH))


def readable(text: str) -> str:
    r"""Return `text` as valid Unicode in its own order.

    Bytes of a file name that are not UTF-8 become escapes such as \xe9, and marks that turn text around such as \u202e.
    """
    try:
        valid = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:  # a lone surrogate, as Windows allows
        valid = text.encode(errors="backslashreplace").decode()
    return valid if valid.isascii() else _TURNING.sub(lambda mark: f"\\u{ord(mark[0]):04x}", valid)


def shown_path(path: Path | str) -> str:
    """Return a path for display: valid Unicode, without the middle of a path that is too long to read."""
    text = readable(str(path))
    cut = len(text) > _MAX_DISPLAYED
    return f"{text[: _MAX_DISPLAYED // 2]}…{text[-_MAX_DISPLAYED // 2 :]}" if cut else text


def storable(path: Path) -> Path:
    """Return `path` so that it can be stored as UTF-8; `restored` reverses this."""
    text = str(path)
    return path if text.isascii() or readable(text) == text else Path(_ESCAPED_PATH + text.translate(_TO_STORABLE))


def restored(path: Path) -> Path:
    """Return the original path of a result of `storable`."""
    text = str(path)
    return Path(text.removeprefix(_ESCAPED_PATH).translate(_FROM_STORABLE)) if text.startswith(_ESCAPED_PATH) else path


def absolute(path: Path) -> Path:
    """Return the absolute path without ".." and ".", unless a link before ".." makes that another file."""
    whole = path.absolute()
    plain = Path(os.path.normpath(whole))
    try:
        return plain if plain == whole or plain.resolve() == whole.resolve() else whole
    except (OSError, ValueError, RuntimeError):  # a loop of links, or no name at all
        return whole


def local_path(text: str) -> str:
    """Return the path in an address of a file of this machine, as browsers and playlists write it; else `text`.

    >>> local_path("file:///clips/a%20b.mp4"), local_path("file://localhost/clips/a.mp4"), local_path("a%20b.mp4")
    ('/clips/a b.mp4', '/clips/a.mp4', 'a%20b.mp4')
    """
    if not (match := _FILE_ADDRESS.match(text)):
        return text
    path = unquote(text[match.end() :], errors="surrogateescape")
    return path.lstrip("/") if os.name == "nt" else path


def typed_path(text: str, folder: Path | None = None) -> str:
    """Return the path that a user typed, with the home folder in place of "~"; no text raises an error.

    Where nothing has that name, it is what the text means in other spellings: between quotation marks, with letters
    composed in another way, with the separators of Windows, or with escapes as in an address.

    Args:
        text: What was typed.
        folder: Folder from which a relative path counts; the working directory by default.
    """
    if os.name == "nt":  # "C:\clips\" loses its closing mark to the backslash and arrives as C:\clips"
        text = text.rstrip('"')
    path = _expanded_path(folder, text)
    return path if os.path.lexists(path) else next(filter(os.path.lexists, _other_spellings(text, folder)), path)


def given_path(path: str | os.PathLike[str]) -> Path:
    """Return the path that a program or a request gives, read as `typed_path` reads it.

    Raises:
        InputError: "path_blank": the path is blank, which would mean the working directory.
    """
    text = os.fsdecode(path)  # a value of another type raises TypeError
    if not text.strip():
        raise InputError("path_blank")
    return Path(typed_path(text))


def _expanded_path(folder: Path | None, text: str) -> str:
    path = os.path.expanduser(local_path(text))  # noqa: PTH111 - Path.expanduser raises where there is no such user
    return os.path.join(folder, path) if folder else path  # noqa: PTH118 - keeps a name as it is


def _other_spellings(text: str, folder: Path | None) -> Iterator[str]:
    """Yield what a text that names nothing may mean."""
    quoted = _QUOTED.fullmatch(text.strip())
    plain = (quoted[2] or quoted["other"]) if quoted else text.strip()
    for spelling in (plain, plain.replace("\\", "/"), unquote(plain, errors="surrogateescape")):
        if spelling:
            path = _expanded_path(folder, spelling)
            yield path
            yield _composed_as_stored(path)


def _composed_as_stored(path: str) -> str:
    """Return the path with each name as its folder has it, where letters are composed in another way."""
    if path.isascii():
        return path
    anchor, *parts = Path(path).parts if Path(path).anchor else ("", *Path(path).parts)
    stored = Path(anchor)
    for part in parts:
        below = stored / part
        if not os.path.lexists(below):
            try:
                same = [entry for entry in stored.iterdir() if _composed_name(entry.name) == _composed_name(part)]
            except OSError:
                return path
            below = same[0] if same else below
        stored = below
    return str(stored)


def _composed_name(name: str) -> str:
    return unicodedata.normalize("NFC", name)


# An address that became a path has lost one of its two slashes.
_ADDRESS = re.compile(r"(?:^|[/\\])([a-z][a-z0-9+.-]+):[/\\]{1,3}(?:[^/\\@]*@)?(.+)", re.IGNORECASE)


def address_in(text: str) -> str:
    """Return the web or camera address that `text` is, or was before it became a path; "" for any other text.

    Names and passwords in it are removed.

    >>> address_in("/home/me/https:/example.org/clip.mp4")
    'https://example.org/clip.mp4'
    >>> address_in("rtsp://admin:secret@10.0.0.2/live"), address_in("C:/clips/a.mp4")
    ('rtsp://10.0.0.2/live', '')
    """
    match = _ADDRESS.search(text)
    return f"{match[1].lower()}://{match[2]}" if match else ""


_WINDOWS_PATH = re.compile(r"[a-z]:[/\\]|\\\\", re.IGNORECASE)
"""Beginning of a whole path of Windows: a drive or a server."""


def shown_name(name: str) -> str:
    r"""Return a file's name on a single line, without folders that some browsers send and marks that reorder text.

    A backslash separates folders only in a whole path of Windows; elsewhere it belongs to the name.

    >>> shown_name("C:\\fakepath\\a.mp4"), shown_name(r"take 1\2.mp4")
    ('a.mp4', 'take 1\\2.mp4')
    """
    separators = r"[/\\]" if _WINDOWS_PATH.match(name) else "/"
    return single_line(re.split(separators, name)[-1]) or "video"


def file_address(name: str, path: Path) -> str:
    """Return the name of a video's file for a link from its folder, percent-encoded.

    Args:
        name: The video's name, as it is shown.
        path: The file. Where it has another name, as uploads do and imported reports, it is known by `name` alone.
    """
    is_own = readable(path.name) == name
    own = path.name if is_own else _ESCAPED_TURN.sub(lambda mark: chr(int(mark[1], 16)), readable(name))
    return quote(os.fsencode(own), safe="")


def single_line(text: str) -> str:
    """Return text on a single line, without marks that reorder it, at most 255 characters; may be empty."""
    return readable(_CONTROL.sub(" ", text)).strip()[:255]


def base_name(path: str) -> str:
    """Return the last name of a folder or of a model on the hub, with either kind of slash."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def safe_stem(name: str) -> str:
    """Return `safe_file_name` without the extension, for files derived from that file."""
    return Path(safe_file_name(name)).stem


def numbered(name: str) -> Iterator[str]:
    """Yield a name, then the same with "-2", "-3" … for where it is taken."""
    return chain([name], (f"{name}-{number}" for number in count(2)))


def reason_of(error: BaseException) -> str:
    """Return the operating system's message for an error."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def is_same_file(path: Path, other: Path) -> bool:
    """Return whether two paths lead to the same file, through links, other spellings or another case of letters."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):  # a path doesn't exist, or can't
        return False


def is_free(path: Path, inputs: Iterable[Path] = (), *, overwrites: bool = False) -> bool:
    """Return whether a file may be written: nothing has the path, or what has it may be replaced and is no input."""
    return not os.path.lexists(path) or (
        overwrites and not any(is_same_file(input_path, path) for input_path in inputs)
    )


def free_path(
    path: Path, inputs: Iterable[Path] = (), *, overwrites: bool = False, taken: set[str] | None = None
) -> Path:
    """Return the path, or the same with "-2", "-3" …, at which a file may be written (`is_free`).

    With `taken`, the keys (`name_key`) of names that have been given, it is none of these and is added to them.
    """
    inputs = tuple(inputs)
    paths = (path.with_name(stem + path.suffix) for stem in numbered(path.stem))
    free = next(
        candidate
        for candidate in paths
        if name_key(candidate.name) not in (taken or ()) and is_free(candidate, inputs, overwrites=overwrites)
    )
    if taken is not None:
        taken.add(name_key(free.name))
    return free


def unused_name(name: str, taken: set[str], suffix: str = "") -> str:
    """Return a name, or with "-2", "-3" … before its suffix, that isn't among `taken` (`name_key`), and add it."""
    free = next(candidate for stem in numbered(name) if name_key(candidate := f"{stem}{suffix}") not in taken)
    taken.add(name_key(free))
    return free


def is_inside(real: Path, folders: Iterable[Path], *, without: Path) -> bool:
    """Return whether a real path lies below one of the folders, and not in `without`, which these may contain."""
    return not real.is_relative_to(without.resolve()) and any(
        real.is_relative_to(folder.resolve()) for folder in folders
    )


def name_key(name: str) -> str:
    """Return a key that names share if some file systems confuse them: for names of different case or composed letters.

    >>> name_key("CAFE\u0301.md") == name_key("caf\u00e9.md")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def cut_to_bytes(text: str, most_bytes: int) -> str:
    """Return the beginning of a file's name that has at most `most_bytes` bytes on the disk."""
    while len(os.fsencode(text)) > most_bytes:
        text = text[:-1]
    return text


def name_limit(folder: Path) -> int:
    """Return the bytes that a file's name may have in `folder`, or in its nearest parent that exists."""
    existing = next((parent for parent in (folder, *folder.absolute().parents) if parent.is_dir()), Path("/"))
    try:
        return os.pathconf(existing, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows has no such function
        return _MAX_NAME_BYTES


def fitting_name(stem: str, suffix: str, folder: Path) -> str:
    """Return a file's name, its stem cut so that it fits in `folder` also with a number."""
    return cut_to_bytes(stem, name_limit(folder) - len(suffix.encode()) - _ROOM_FOR_NUMBER) + suffix


def safe_file_name(name: str) -> str:
    """Return a name that is valid on Linux, macOS and Windows, as close to `name` as possible, with its extension.

    Of a video in a folder of several, "door/c.mp4", the last name counts.
    """
    clean = _UNSAFE.sub("_", single_line(name.rpartition("/")[2])).strip(" .") or "video"
    clean = f"_{clean}" if _RESERVED.match(clean) else clean
    suffix = Path(clean).suffix if len(Path(clean).suffix.encode()) <= 16 else ""
    stem = clean[: len(clean) - len(suffix)]
    return cut_to_bytes(stem, _MAX_NAME_BYTES - len(suffix.encode())) + suffix


def make_private_folder(folder: Path) -> None:
    """Create `folder` and its missing parents, each with mode 0700. An existing folder keeps its mode.

    Raises:
        OSError: A folder can't be created, or the path isn't a folder.
    """
    for missing in reversed([parent for parent in (folder, *folder.parents) if not parent.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def private_opener(path: str, flags: int) -> int:
    """Open a file for `open(…, opener=private_opener)`: a new file gets mode 0600."""
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


def ensure_home() -> None:
    """Set HOME to a temporary folder, and USER to a name, where there are none; other programs ask for them, too.

    Python, platformdirs, PyTorch and the tools of the hubs fail without them, or write into a folder called "~".
    """
    if sys.platform == "win32":
        return
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = home = _temporary_home()
        _log.warning("no home folder for this user: %s is used; FRAMELENS_DATA_DIR names a lasting one", home)
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = f"uid-{os.getuid()}"


def _temporary_home() -> str:
    """Return a folder that is this user's alone, the same in every process unless somebody else has taken its name."""
    folder = Path(tempfile.gettempdir(), f"framelens-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
        if stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & _OTHERS:
            return str(folder)
    except OSError:
        pass
    return tempfile.mkdtemp(prefix="framelens-")
