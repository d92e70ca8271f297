"""Documents made in a child process with limits of time and memory: PDF and Word.

Their libraries take minutes and gigabytes for a report with a hundred thousand lines. In a child process they don't
keep a page waiting for the interpreter, and the program can end them.

The child is `python -m framelens.reports.document_worker WRITER LANGUAGE EXTENT BYTES`, with the analysis as standard
input and a limit of memory. It writes the document to standard output.
"""

import logging
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pkgutil import resolve_name
from typing import cast

from framelens.core.background_task import check_cancelled
from framelens.core.child_environment import limit_memory, reader_environment
from framelens.core.codec import receive, send
from framelens.core.domain import Analysis, Language
from framelens.core.errors import InputError

_log = logging.getLogger(__name__)
_SECONDS = 60.0
"""Time limit. A report with 256 frames of 0.3 MB and an answer about each frame takes four seconds."""
_MEMORY_BYTES = 3 << 30
"""Memory limit. The same report takes 0.9 GB as PDF and 0.4 GB as DOCX."""
_POLL_SECONDS = 0.2
_TOO_HEAVY = 4
_FULL = "full"
_LOGGED_LINES = 20


def write(name: str, writer: str, analysis: Analysis, language: Language, *, appendix: bool = False) -> bytes:
    """Return a document.

    Args:
        name: "pdf" or "docx".
        writer: Function that makes the document, as "module:function".
        analysis: The analysis.
        language: The language of the document.
        appendix: Add the full record.

    Raises:
        InputError: "document_too_heavy", if the document takes too much time or memory.
    """
    too_heavy = InputError("document_too_heavy", name=analysis.video.name, format=name.upper())
    with (
        tempfile.TemporaryFile() as source,
        tempfile.TemporaryFile() as target,
        tempfile.TemporaryFile() as stderr,
    ):
        send(source, analysis)
        source.seek(0)
        extent = _FULL if appendix else "brief"
        # -P keeps a file in the working directory from being imported in place of a library.
        command = [
            sys.executable,
            "-P",
            "-m",
            "framelens.reports.document_worker",
            writer,
            language,
            extent,
            str(_MEMORY_BYTES),
        ]
        with subprocess.Popen(
            command,
            stdin=source,
            stdout=target,
            stderr=stderr,
            env=reader_environment(),
            process_group=0,  # Ctrl-C in the terminal is handled by this process alone
        ) as child:
            try:
                if not _ends(child):
                    raise too_heavy
            finally:
                child.kill()
        stderr.seek(0)
        for line in stderr.read().decode(errors="replace").splitlines()[-_LOGGED_LINES:]:
            _log.warning("%s of %r: %s", name, analysis.video.name, line)
        if child.returncode == _TOO_HEAVY or child.returncode < 0:  # a library that gets no memory ends the process
            raise too_heavy
        if child.returncode:
            raise RuntimeError(f"the process that makes a {name} ended with {child.returncode}")
        target.seek(0)
        return target.read()


def _ends(child: subprocess.Popen[bytes]) -> bool:
    """Wait for the end of a child; return False if the child takes too long. Raises Cancelled."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        with suppress(subprocess.TimeoutExpired):
            child.wait(_POLL_SECONDS)
            return True
        check_cancelled()
    return False


def main(writer: str, language: str, extent: str, memory_bytes: str) -> int:
    """Write a document to standard output and return the exit code."""
    try:
        limit_memory(int(memory_bytes))
        analysis = receive(sys.stdin.buffer, Analysis)
        assert analysis
        document: bytes = resolve_name(writer)(analysis, cast("Language", language), appendix=extent == _FULL)
        sys.stdout.buffer.write(document)
    except MemoryError:
        return _TOO_HEAVY
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
