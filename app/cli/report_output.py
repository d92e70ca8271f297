"""Report files of `framelens analyse`; an existing report is never overwritten."""

import argparse
import os
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from app.core import Analysis, ConfigError
from app.i18n import language
from app.reports import FORMATS, files_of, format_of, written
from app.store import storage_errors


@dataclass(frozen=True)
class Output:
    """Destination and format of reports.

    Attributes:
        format: A key of FORMATS.
        folder: Folder in which each report is named after its video.
        file: Path of the only report; None if it is named after its video.
    """

    format: str
    folder: Path
    file: Path | None = None

    def path_for(self, video: Path) -> Path:
        """Return the path of the report on `video`, one that doesn't exist unless the user named it."""
        return self.file or _free_name(self.folder / f"{video.stem}.report{FORMATS[self.format].suffix}")

    def write(self, analysis: Analysis, path: Path) -> None:
        """Write the report and its accompanying files in the language of the command.

        Raises:
            StorageError: A file can't be written.
            InputError: The format has no content for this report.
        """
        with storage_errors("report_not_written", path):
            for _ in written(files_of(self.format, analysis, language(), path.name), path.parent):
                pass


def parse_output(given: argparse.Namespace, *, is_one: bool) -> Output:
    """Read --output, --format and --json; several videos need a folder.

    Raises:
        ConfigError: --output names a file for several videos.
    """
    named = given.output or ""
    asked = given.format or ("json" if given.json else None)
    path = Path(named).expanduser() if named else Path.cwd()
    is_folder = not named or path.is_dir() or named.endswith(tuple(filter(None, (os.sep, os.altsep))))
    known = None if is_folder else format_of(path.name)
    if is_one and not is_folder:
        return Output(asked or known or "markdown", path.parent, path)
    if known or path.is_file():
        raise ConfigError("output_not_folder", given=named)
    return Output(asked or "markdown", path)


def _free_name(path: Path) -> Path:
    """Return `path`, or the first of "…-2", "…-3" that doesn't exist."""
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(one for one in chain([path], numbered) if not one.exists())
