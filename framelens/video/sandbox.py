"""Sandbox of the processes that decode untrusted files: entered once, after the imports, and never left.

Landlock leaves a process its one file and its libraries, for reading only; seccomp takes away the network, new
processes, changes of files, and what reaches into other processes or the kernel. Both also hold for every thread and
process that is started later. Limits of memory, files and core dumps apply on every system that has them; macOS,
Windows, and Linux without Landlock and seccomp have no more, and `framelens doctor` says so.

Landlock is used through landlockpy. No maintained package wraps seccomp, so libseccomp itself is called, which resolves
the names of system calls on every architecture; nearly every distribution installs it.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from framelens.core.child_environment import limit_memory
from framelens.video.files import open_descriptor

if TYPE_CHECKING:
    from landlockpy import AccessFS

Mechanism = Literal["landlock", "seccomp", "limits"]
_log = logging.getLogger(__name__)
_OPEN_FILES = 256
"""A worker has some ten, and a container with 256 streams is still one file."""
_FILE_BYTES = 16 << 20
"""For the one file that is written, the messages of the decoder, which are cut off after every packet; see
framelens.video.readers.damage."""
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store")
_SYSTEM_FILES = (
    *("/etc/ld.so.cache", "/etc/localtime", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system"),
    *("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"),
)
"""What the C library, OpenBLAS, OpenCV and ONNX Runtime read about the machine."""


def library_paths() -> list[Path]:
    """List the folders of Python, of its packages and of the system's libraries that exist here.

    The folder above this package is left out, unless packages are installed there: in a checkout it holds `.env`.
    """
    package = Path(__file__).resolve().parents[1]
    import_paths = [Path(entry).resolve() for entry in sys.path if entry]
    import_paths = [path for path in import_paths if path != package.parent or path.name.endswith("-packages")]
    prefixes = [Path(prefix, name) for prefix in (sys.prefix, sys.base_prefix) for name in ("lib", "lib64")]
    loader = [Path(entry) for entry in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if entry]
    paths = dict.fromkeys((package, *import_paths, *prefixes, *loader, *map(Path, (*_LIBRARIES, *_SYSTEM_FILES))))
    return [path for path in paths if path.exists()]


def enter(
    files: Iterable[Path], *, memory_bytes: int, writes: Iterable[Path] = (), program: Path | None = None
) -> tuple[Mechanism, ...]:
    """Restrict this process and its later threads and processes to reading `files` and the libraries.

    Call it before the first thread is started: Landlock holds for the calling thread and the threads that it starts.

    Args:
        files: Files to read; a folder may be listed, but its files can't be read. Missing files are left out.
        memory_bytes: Limit of memory.
        writes: Files that may be written, too, if this process becomes `program`.
        program: Program that this process becomes, None for a process that starts nothing.

    Returns:
        The mechanisms in force. A mechanism that fails is logged and left out, since not every system has all of them.
    """
    limit_memory(memory_bytes)
    held: list[Mechanism] = []
    if _limit_rest(writes=program is not None):
        held.append("limits")
    if sys.platform == "linux":
        if _enter_landlock(files, writes, program):
            held.append("landlock")
        if _filter_system_calls(becomes=program is not None):
            held.append("seccomp")
    return tuple(held)


def _limit_rest(*, writes: bool) -> bool:
    """Limit open files, written bytes and core dumps; return False on Windows, which has no such limits."""
    try:
        import resource
    except ImportError:
        return False
    limits = {"RLIMIT_NOFILE": _OPEN_FILES, "RLIMIT_FSIZE": _FILE_BYTES, "RLIMIT_CORE": 0}
    if writes:
        del limits["RLIMIT_FSIZE"]
    if sys.platform == "darwin":  # Linux counts threads, too, which decoders need
        limits["RLIMIT_NPROC"] = 0
    for name, most in limits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(ValueError, OSError):  # a system may refuse a limit that it names
            resource.setrlimit(kind, (most, most))
    return True


# ---- Landlock


def has_landlock() -> bool:
    """Return whether the kernel has Landlock switched on (Linux 5.13 and later)."""
    if sys.platform != "linux":
        return False
    import landlockpy

    return landlockpy.supported()


def _enter_landlock(files: Iterable[Path], writes: Iterable[Path], program: Path | None) -> bool:
    import landlockpy
    from landlockpy import AccessFS

    if not landlockpy.supported():
        return False
    # Its loader, which is among the libraries, is executed like a program: what can be run there is confined as well.
    run = AccessFS.EXECUTE if program else AccessFS.NONE
    read, look = AccessFS.READ_FILE | run, AccessFS.READ_FILE | AccessFS.READ_DIR | run
    try:
        with landlockpy.Ruleset(scoped=landlockpy.Scope.ABSTRACT_UNIX_SOCKET | landlockpy.Scope.SIGNAL) as rules:
            for path in library_paths():
                _allow(rules, path, look if path.is_dir() else read)
            if program:
                _allow(rules, program, read)
            for path in files:
                _allow_input(rules, path, AccessFS.READ_DIR if path.is_dir() else AccessFS.READ_FILE)
            for path in writes:
                _allow_input(rules, path, AccessFS.READ_FILE | AccessFS.WRITE_FILE | AccessFS.TRUNCATE)
            rules.restrict()
    except OSError:
        _log.warning("Landlock could not be switched on", exc_info=True)
        return False
    return True


def _allow(rules: object, path: Path, access: AccessFS) -> None:
    from landlockpy import Ruleset

    assert isinstance(rules, Ruleset)
    with suppress(FileNotFoundError, PermissionError, NotADirectoryError):  # opening it says so in a sentence
        rules.allow_path(path, access)


def _allow_input(rules: object, path: Path, access: AccessFS) -> None:
    """Allow what the path names now, without following a link in a confined folder.

    The rule is for the file itself, so whatever takes its place afterwards can't be opened.
    """
    with suppress(OSError):  # opening it says so in a sentence
        descriptor = open_descriptor(path, only_look=True)
        try:
            _allow(rules, Path(f"/proc/self/fd/{descriptor}"), access)
        finally:
            os.close(descriptor)


# ---- seccomp, through libseccomp

_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
"""SCMP_ACT_ALLOW, and SCMP_ACT_ERRNO, whose lower bits are the error."""
_TSYNC = 4
"""SCMP_FLTATR_CTL_TSYNC: the filter is for all threads."""
_NOT_EQUAL, _EQUAL, _MASKED_EQUAL = 1, 4, 7
_REFUSED = (
    # the network, and other processes' sockets
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "io_uring_setup"),
    # new processes
    *("execve", "execveat", "fork", "vfork"),
    # other processes
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_open", "pidfd_getfd", "kcmp"),
    *("kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal", "setpgid", "setsid"),
    # changes of files and folders, some of which Landlock doesn't cover
    *("creat", "truncate", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2"),
    *("link", "linkat", "symlink", "symlinkat", "mknod", "mknodat", "chmod", "fchmod", "fchmodat", "fchmodat2"),
    *("chown", "fchown", "lchown", "fchownat", "utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr"),
    *("fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "open_by_handle_at", "name_to_handle_at"),
    # the system, which matters where the app runs as root
    *("mount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "mount_setattr", "pivot_root"),
    *("chroot", "unshare", "setns", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups"),
    *("capset", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "personality", "quotactl"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff"),
    *("acct", "syslog", "sethostname", "setdomainname", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex"),
    *("setrlimit", "iopl", "ioperm"),
    # memory and queues that the limit of memory doesn't count, some of which outlast the process
    *("memfd_create", "memfd_secret", "shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl"),
    *("msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink"),
)
_OF_ANY_PROCESS = (
    *("sched_setaffinity", "sched_setparam", "sched_setscheduler", "sched_setattr", "setpriority", "ioprio_set"),
    *("migrate_pages", "move_pages"),
)
"""Calls that change another process by its id. For a thread of this process, whose id no filter knows, they are refused
too, but for 0, the calling thread."""
_BY_KIND = ("setpriority", "ioprio_set")
"""Those of them whose first argument says what the second is the id of."""
_MISSING = ("clone3", "openat2")
"""Their arguments lie in memory, where a filter can't see them; the C library then uses the older calls."""
_CLONE_THREAD = 0x00010000
_WRITING = (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC)


class _Comparison(ctypes.Structure):
    """Condition on an argument of a system call: `struct scmp_arg_cmp` of seccomp.h."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def load_seccomp() -> ctypes.CDLL | None:
    """Return the library of seccomp, if it is installed."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    return library


def _filter_system_calls(*, becomes: bool) -> bool:
    library = load_seccomp()
    if library is None:
        return False
    rules = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ALLOW)))
    library.seccomp_attr_set(rules, _TSYNC, ctypes.c_uint32(1))
    for name in _REFUSED if not becomes else (name for name in _REFUSED if name != "execve"):
        _refuse(library, rules, name)
    for name in _MISSING:
        _refuse(library, rules, name, code=errno.ENOSYS)
    _refuse(library, rules, "clone", (0, _MASKED_EQUAL, _CLONE_THREAD, 0))
    _refuse(library, rules, "tgkill", (0, _NOT_EQUAL, os.getpid(), 0))  # abort() of the C library is allowed
    _refuse(library, rules, "prlimit64", (2, _NOT_EQUAL, 0, 0))
    for name in _OF_ANY_PROCESS:
        _refuse(library, rules, name, (int(name in _BY_KIND), _NOT_EQUAL, 0, 0))
    for flag in _WRITING if not becomes else ():  # Landlock says which file it may write
        _refuse(library, rules, "open", (1, _MASKED_EQUAL, flag, flag), code=errno.EACCES)
        _refuse(library, rules, "openat", (2, _MASKED_EQUAL, flag, flag), code=errno.EACCES)
    try:
        if failed := library.seccomp_load(rules):
            _log.warning("seccomp could not be switched on: %s", os.strerror(-failed))
        return not failed
    finally:
        library.seccomp_release(rules)


def _refuse(
    library: ctypes.CDLL,
    rules: ctypes.c_void_p,
    name: str,
    *conditions: tuple[int, int, int, int],
    code: int = errno.EPERM,
) -> None:
    """Let a system call fail, if all conditions hold; a call that this architecture or release lacks is left out."""
    if (number := library.seccomp_syscall_resolve_name(name.encode())) >= 0:
        compared = (_Comparison * len(conditions))(*(_Comparison(*condition) for condition in conditions))
        library.seccomp_rule_add_array(rules, ctypes.c_uint32(_REFUSE | code), number, len(conditions), compared)
