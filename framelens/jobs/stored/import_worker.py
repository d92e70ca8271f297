"""Child process that checks the reports in a file before any of them is stored.

Run as `python -m framelens.jobs.stored.import_worker NAME`, with the file as standard input. It writes the analyses to
standard output, which must be a file, in the form that `messages` reads, and exits with 0; or it writes an error and
exits with REFUSED. If the file unpacks to too much, only this process runs out of memory or crashes.
"""

import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from typing import IO, BinaryIO

from PIL import Image

from framelens.core.child_environment import limit_memory
from framelens.core.codec import Failure, receive, send
from framelens.core.domain import Analysis, Language
from framelens.core.errors import InputError
from framelens.i18n import LANGUAGES
from framelens.jobs.snapshot import imported_job
from framelens.jobs.stored.library_entries import about, passages
from framelens.reports.format import ReportFormat
from framelens.reports.formats import FORMATS
from framelens.reports.json.reader import Budget, read, split

REFUSED = 3
MEMORY_BYTES = 1 << 30
"""Twice the 435 MB measured for 256 frames of pure noise, the largest report that is possible without conversations."""
_MOST_REPORTS = 5000
"""Most reports read from a ZIP."""
_MOST_PIXELS = 4096 * 4096
"""4096 is the longest side that frames can be set to."""
_UNTRIED = ("pdf", "docx")
"""Formats not tried: they have the same content as the other formats, and take a second or more for each report."""


def main() -> int:
    """Check standard input, write the result to standard output and return the exit code."""
    limit_memory(MEMORY_BYTES)
    name, file, target = sys.argv[1], sys.stdin.buffer, sys.stdout.buffer
    try:
        for analysis in _reports(file, name):
            _put(target, analysis)
    except MemoryError:
        refusal = InputError("report_too_heavy", name=name, megabytes=MEMORY_BYTES >> 20)
    except InputError as error:
        refusal = error
    else:
        target.flush()
        return 0
    target.seek(0)
    target.truncate()
    send(target, Failure.of(refusal))
    return REFUSED


def messages(file: BinaryIO) -> Iterator[Analysis]:
    """Yield the analyses that a child process wrote to this file. Raises the error that the child wrote."""
    file.seek(0)
    while message := receive(file, Analysis, Failure):
        if isinstance(message, Failure):
            raise message.as_error()
        yield _with_pictures(message, lambda _: receive(file, bytes) or b"")


def _put(file: BinaryIO, analysis: Analysis) -> None:
    send(file, _without_pictures(analysis))

    def send_picture(jpeg: bytes) -> bytes:
        send(file, jpeg)
        return jpeg

    _with_pictures(analysis, send_picture)


# ---- reading the reports ---------------------------------------------------------------------------------------------


def _reports(file: BinaryIO, name: str) -> Iterator[Analysis]:
    budget = Budget.for_file(os.fstat(file.fileno()).st_size)
    if not zipfile.is_zipfile(file):
        file.seek(0)
        yield _report(file, name, budget)
        return
    num_reports = 0
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if member.filename.lower().endswith(".json")]
            for member in members[:_MOST_REPORTS]:
                try:
                    with archive.open(member) as inside:
                        yield _report(inside, f"{name}: {member.filename}", budget)
                except InputError as error:
                    if error.key in ("report_not_ours", "report_not_json"):
                        continue  # a ZIP may contain other files
                    raise
                num_reports += 1
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:  # damaged, or encrypted
        raise InputError("report_damaged", name=name, place="ZIP", reason=str(error)) from error
    if not num_reports:
        raise InputError("no_reports", name=name)


def _report(stream: IO[bytes], name: str, budget: Budget) -> Analysis:
    text, pictures = split(stream, name=name, budget=budget)
    analysis = read(text, name=name, pictures=pictures)
    for frame in analysis.keyframes:
        _check_picture(frame.jpeg, frame.number, name)
    for conversation in analysis.all_conversations:
        for picture in conversation.pictures:
            _check_picture(picture.jpeg, picture.number, name)
    _try_out(_without_pictures(analysis), name)
    return analysis


def _check_picture(jpeg: bytes, number: int, name: str) -> None:
    """Raise InputError if the picture of a frame cannot be decoded, or is larger than FrameLens's largest pictures."""
    if not jpeg:  # a report may have been passed on without its images
        return
    Image.MAX_IMAGE_PIXELS = None  # the size is checked here
    try:
        with Image.open(BytesIO(jpeg), formats=["JPEG"]) as picture:
            width, height = picture.size
            if width * height > _MOST_PIXELS:
                size = {"width": width, "height": height}
                raise InputError("report_picture_too_large", name=name, number=number, **size)
            picture.draft("L", (1, 1))  # reads the whole file, decodes at an eighth of the size
            picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError("report_bad_picture", name=name, number=number, reason=str(error)) from error


def _try_out(analysis: Analysis, name: str) -> None:
    """Raise InputError if the library or a format cannot show the report."""
    part = "library"
    try:
        job = imported_job(analysis)
        about(job)
        list(passages(job))
        for part, form in FORMATS.items():
            for language in LANGUAGES if part not in _UNTRIED and form.fits(analysis) else ():
                _write(form, analysis, language)
    except MemoryError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        raise InputError("report_damaged", name=name, place=part, reason=reason) from error


def _write(form: ReportFormat, analysis: Analysis, language: Language) -> None:
    try:
        form.to_bytes(analysis, language, appendix=True)
    except InputError as error:
        if error.key != "plugin_failed":  # the plugin is at fault, not the report
            raise


def _without_pictures(analysis: Analysis) -> Analysis:
    return _with_pictures(analysis, lambda _: b"")


def _with_pictures(analysis: Analysis, change: Callable[[bytes], bytes]) -> Analysis:
    """Return the analysis with every picture changed, in the order of keyframes, answer and conversations."""
    keyframes = tuple(replace(frame, jpeg=change(frame.jpeg)) for frame in analysis.keyframes)
    changed = [
        replace(
            conversation,
            pictures=tuple(replace(picture, jpeg=change(picture.jpeg)) for picture in conversation.pictures),
        )
        for conversation in analysis.all_conversations
    ]
    answer = changed.pop(0) if analysis.answer else None
    return replace(analysis, keyframes=keyframes, answer=answer, conversations=tuple(changed))


if __name__ == "__main__":
    sys.exit(main())
