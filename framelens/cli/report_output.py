"""Output files of commands: never an input of the command, never an existing file unless --overwrite is given.

The formats are imported where they are needed: they look for plugins, which takes 26 ms.
"""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from framelens.cli.grammar import Options, flag
from framelens.core.domain import Analysis, Language
from framelens.core.errors import ConfigError
from framelens.core.files import absolute, fitting_name, free_path, is_same_file, shown_path, typed_path
from framelens.i18n import language
from framelens.reports.files import written
from framelens.store.fs_utils import storage_errors
from framelens.video.subtitles.discovery import files_beside


@dataclass(frozen=True)
class Output:
    """Destination and format of reports. Safe to use from several threads.

    Attributes:
        format: A key of FORMATS.
        folder: Folder in which each report is named after its video.
        file: Path of the only report; None if it is named after its video.
        overwrites: An existing file is replaced.
        inputs: Files that no report replaces.
        appendix: Documents have the full record.
    """

    format: str
    folder: Path
    file: Path | None = None
    overwrites: bool = False
    inputs: tuple[Path, ...] = ()
    appendix: bool = False
    _used_names: set[str] = field(default_factory=set, compare=False, repr=False)
    _lock: Lock = field(default_factory=Lock, compare=False, repr=False)

    def path_for(self, video: Path) -> Path:
        """Return a path for the report on `video` that no other report of this run has.

        It doesn't exist unless files are overwritten.
        """
        from framelens.reports.formats import FORMATS

        suffix = f".report{FORMATS[self.format].suffix}"
        path = self.file or self.folder / fitting_name(video.stem, suffix, self.folder)
        with self._lock:
            return free_path(path, self.inputs, overwrites=self.overwrites, taken=self._used_names)

    def write(self, analysis: Analysis, path: Path, requested: Language | None = None) -> None:
        """Write the report and its accompanying files.

        Args:
            analysis: The analysis.
            path: Path of the report.
            requested: The language of the report; None for the command's language.

        Raises:
            StorageError: A file can't be written.
            InputError: The format has no content for this report.
        """
        from framelens.reports.formats import files_of

        with storage_errors("report_not_written", path):
            files = files_of(self.format, analysis, requested or language(), path.name, appendix=self.appendix)
            for _ in written(files, path.parent):
                pass


overwrite_option = flag("--overwrite", help="cli.overwrite")
appendix_option = flag("--appendix", help="cli.appendix")


def parse_outputs(options: Options, videos: Iterable[Path], *, is_one: bool) -> tuple[Output, ...]:
    """Read --output, --format, --appendix, --json and --overwrite; several videos need a folder.

    Args:
        options: The options.
        videos: The inputs, which no output may replace.
        is_one: There can be only a single report, which is written to each output.

    Raises:
        ConfigError: --output names a file for several videos, an input, an existing file, or a file with the ending of
            another format.
    """
    names = options.output or ("",)
    if len(names) > 1 and not is_one:
        raise ConfigError("outputs_of_several", given=", ".join(names))
    inputs = (*videos, *((options.subtitles,) if options.subtitles else ()))
    return tuple(_parse_output(options, name, inputs, is_one=is_one) for name in names)


def _parse_output(options: Options, name: str, inputs: tuple[Path, ...], *, is_one: bool) -> Output:
    path = typed_output("--output", name or os.curdir)
    requested = options.format or ("json" if options.json else None)
    is_folder = not name or names_folder(name)
    if is_one and not is_folder:
        return file_output(options, path, requested, inputs)
    check_output_folder(path)
    return Output(requested or "markdown", path, None, options.overwrite, inputs, options.appendix)


def file_output(options: Options, path: Path, requested: str | None, inputs: tuple[Path, ...]) -> Output:
    """Return the output of a single report as a file, in the requested format or the format of its ending.

    Raises:
        ConfigError: The file is an input, exists, or has the ending of another format, or the format can't be written.
    """
    check_output_file("--output", path, inputs=inputs, overwrites=options.overwrite)
    return Output(_format_for(path.name, requested), path.parent, path, options.overwrite, inputs, options.appendix)


def names_folder(name: str) -> bool:
    """Return whether a path that the user typed is a folder, or ends like a folder's path."""
    return Path(typed_path(name)).is_dir() or name.endswith(tuple(filter(None, (os.sep, os.altsep))))


def typed_output(option: str, name: str | Path) -> Path:
    """Return the absolute path of an output that the user typed, checked before anything looks for it on the disk.

    Args:
        option: The name of the argument.
        name: The path.

    Raises:
        ConfigError: The path is "-", which other programs take as standard output, or too long for the file system.
    """
    if str(name) == "-":
        raise ConfigError("output_is_stdout", option=option)
    try:
        os.lstat(typed_path(str(name)))
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ConfigError("output_name_long", option=option, given=shown_path(name)) from error
    return absolute(Path(typed_path(str(name))))


def check_output_file(option: str, path: Path, *, inputs: Iterable[Path], overwrites: bool) -> None:
    """Check that a file may be written, before any work.

    Raises:
        ConfigError: "output_is_input": it is an input or a subtitle file beside an input, under whatever name or link;
            "output_exists": it exists and may not be replaced; "output_is_folder"; "output_is_special": it
            is a device, a pipe, a socket or standard output.
    """
    for video in inputs:
        inputs_of = (video, *(beside.path for beside in files_beside(video) if beside.path))
        if same := next((file for file in inputs_of if is_same_file(file, path)), None):
            raise ConfigError("output_is_input", option=option, given=shown_path(path), input=shown_path(same))
    if path.is_dir():
        raise ConfigError("output_is_folder", option=option, given=shown_path(path))
    if path.exists() and (not path.is_file() or _is_standard_output(path)):
        raise ConfigError("output_is_special", option=option, given=shown_path(path))
    if os.path.lexists(path) and not overwrites:
        raise ConfigError("output_exists", option=option, given=shown_path(path))


def _is_standard_output(path: Path) -> bool:
    """Return whether standard output was redirected to this file, which may be named /dev/stdout."""
    with suppress(OSError):
        return os.path.samestat(path.stat(), os.fstat(1))
    return False


def check_output_folder(path: Path) -> None:
    """Check that a path can be a folder of results, before any work.

    Raises:
        ConfigError: The path is a file, or named like a report.
    """
    from framelens.reports.formats import format_of

    if not path.is_dir() and (format_of(path.name) or os.path.lexists(path)):
        raise ConfigError("output_not_folder", option="--output", given=shown_path(path))


def check_ending(option: str, path: Path, endings: Iterable[str]) -> None:
    """Check that a file's name has one of these endings.

    Raises:
        ConfigError: The name has another ending.
    """
    endings = tuple(endings)
    if not path.name.lower().endswith(endings):
        raise ConfigError("output_ending", option=option, given=shown_path(path), allowed=", ".join(endings))


def _format_for(name: str, requested: str | None) -> str:
    """Return the format of a report file; if the name has an ending, it must be the ending of the format."""
    from framelens.reports.formats import FORMATS, format_of, usable_format

    by_ending = format_of(name)
    if requested is None and by_ending is None and Path(name).suffix:
        allowed = ", ".join(dict.fromkeys(form.suffix for form in FORMATS.values()))
        raise ConfigError("output_ending", option="--output", given=name, allowed=allowed)
    if requested and Path(name).suffix:
        check_ending("--output", Path(name), [Path(f"x{FORMATS[requested].suffix}").suffix])
    return usable_format(requested or by_ending or "markdown")
