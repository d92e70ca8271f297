"""Import of reports from files of any machine: JSON reports, and ZIPs that contain JSON reports."""

import errno
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from framelens.core.child_environment import reader_environment
from framelens.core.domain import Analysis
from framelens.core.errors import InputError
from framelens.core.files import reason_of
from framelens.jobs.stored import import_worker
from framelens.store.fs_utils import disk_errors

_log = logging.getLogger(__name__)

_LOGGED_LINES = 20


def reports_in(paths: Iterable[Path]) -> Iterator[Analysis]:
    """Yield the analyses in these files, as `reports_of` does.

    Raises:
        InputError: "report_not_found", or an InputError of `reports_of`.
        StorageError: There is no room for the unpacked analyses.
    """
    with ExitStack() as opened:
        files = []
        for path in paths:
            try:
                file = opened.enter_context(path.open("rb"))
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            except OSError as error:
                raise InputError("report_not_found", path=str(path), reason=reason_of(error)) from error
            files.append((path.name, file))
        yield from reports_of(files)


def reports_of(files: Iterable[tuple[str, BinaryIO]]) -> Iterator[Analysis]:
    """Yield the analyses in named files: JSON reports, or ZIPs that contain JSON reports.

    A child process checks all files before the first analysis is yielded, so that a file that is refused leaves nothing
    behind. At most 64 MB of text are unpacked for each report (framelens.reports.json.reader), and the memory of the
    child is limited.

    Raises:
        InputError: A file is not a report, damaged, too large, or a ZIP without reports ("no_reports").
        StorageError: There is no room for the unpacked analyses.
    """
    with ExitStack() as stack, disk_errors(Path(tempfile.gettempdir())):
        checked = []
        for name, file in files:
            target = stack.enter_context(tempfile.TemporaryFile())
            _check(file, name, target)
            checked.append(target)
        for target in checked:
            yield from import_worker.messages(target)


def _check(file: BinaryIO, name: str, target: BinaryIO) -> None:
    """Let a child process read the file and write the analyses to `target`. Raises InputError."""
    with _on_disk(file) as source:
        # -P keeps a file in the working directory from being imported in place of a library.
        child = subprocess.run(
            [sys.executable, "-P", "-m", "framelens.jobs.stored.import_worker", name],
            stdin=source,
            stdout=target,
            stderr=subprocess.PIPE,
            env=reader_environment(),
            check=False,
            process_group=0,  # Ctrl-C in the terminal is handled by this process alone
        )
    for line in child.stderr.decode(errors="replace").splitlines()[-_LOGGED_LINES:]:
        _log.warning("import of %r: %s", name, line)
    if child.returncode == import_worker.REFUSED:
        list(import_worker.messages(target))  # raises the refusal
    if child.returncode:  # a library that gets no memory may end the process
        megabytes = import_worker.MEMORY_BYTES >> 20
        raise InputError("report_too_heavy", name=name, megabytes=megabytes)


@contextmanager
def _on_disk(file: BinaryIO) -> Iterator[BinaryIO]:
    """Yield the file, or a copy on disk if it is in memory, so that a child process can read it from its start."""
    file.seek(0)
    try:
        file.fileno()
    except OSError:  # it is in memory
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            copy.seek(0)
            yield copy
    else:
        yield file
