"""Command `framelens export ID…`: writes stored analyses, or a JSON report from anywhere, as files in any format.

It asks no model and reads no video: every report is built from stored data.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from framelens import config
from framelens.cli.grammar import Options, argument, command, flag, language_choice, option, parse_output, parse_path
from framelens.cli.report_output import (
    appendix_option,
    check_ending,
    check_output_folder,
    file_output,
    names_folder,
    overwrite_option,
    typed_output,
)
from framelens.composition import open_library
from framelens.core.domain import Analysis
from framelens.core.errors import ConfigError, InputError
from framelens.core.files import is_free, shown_path, typed_path
from framelens.i18n import error_text, t
from framelens.reports.files import written
from framelens.reports.formats import FORMATS, bundle, format_of, parse_formats
from framelens.store.fs_utils import storage_errors

_ENDING = re.compile(r"\.[A-Za-z]\w{1,4}")
"""The ending of a file's name; the ending of a folder's name, such as "reports.2026", has digits."""


@command("export", help="cli.export_command")
@argument("ids", nargs=-1, metavar="ID|FILE", help="cli.export_ids")
@option("--json-file", type=parse_path, metavar="FILE", help="cli.export_json_file")
@option(
    "--format",
    type=parse_formats,
    multiple=True,
    metavar="F,F…",
    help=lambda: t("cli.export_format", names=", ".join(FORMATS)),
)
@option(
    "--output",
    type=parse_output,
    multiple=True,
    default=(os.curdir,),
    metavar="DIR|FILE",
    help="cli.export_output",
)
@appendix_option
@overwrite_option
@option("--language", type=language_choice(), help="cli.export_language")
@flag("--no-conversations", help="cli.export_no_conversations")
@flag("--json", help="cli.export_json")
def run(options: Options) -> int:
    """Write the files, print their paths and return the exit code.

    Raises:
        AppError: An analysis or a JSON file can't be found or read, or a file can't be written.
    """
    files = [*filter(None, [options.json_file]), *(Path(typed_path(word)) for word in options.ids if _is_file(word))]
    if not (options.ids or files) or (files and len(files) < len(options.ids) + bool(options.json_file)):
        raise ConfigError("export_what")
    for name in options.output:
        typed_output("--output", name)
    missing: list[InputError] = []
    if files:
        from framelens.jobs.stored.report_import import reports_in

        paths = _write_all(reports_in(files), options, files)
    else:
        with open_library(config.load()) as services:
            ids = [services.jobs.library.resolve_id(word) for word in options.ids]
            paths = _write_all(_reports(ids, services.reports.get, missing), options, [])
            for job_id in ids:
                services.jobs.audit.record("export", job_id, services.jobs.brief(job_id).name)
    if options.json:
        print(json.dumps([str(path) for path in paths], ensure_ascii=False))
    else:
        for path in paths:
            print(t("cli.written", path=path))
    for error in missing:
        print(error_text(error), file=sys.stderr)
    return missing[0].exit_code if missing else 0


def _is_file(typed: str) -> bool:
    """Return whether a typed word is the name of a report's file: ids have no ending."""
    return Path(typed).suffix.lower() in (".json", ".zip")


def _reports(
    ids: Iterable[str], find: Callable[[str], Analysis | None], missing: list[InputError]
) -> Iterator[Analysis]:
    """List the existing reports; an error for each analysis without a report is added to `missing`."""
    for job_id in ids:
        if analysis := find(job_id):
            yield analysis
        else:
            missing.append(InputError("no_report_yet", id=job_id))


def _with_content(analyses: Iterable[Analysis], formats: Sequence[str]) -> Iterator[Analysis]:
    """Yield the analyses; print for each the formats that are left out because they would be empty."""
    for analysis in analyses:
        empty = [name for name in formats if not FORMATS[name].fits(analysis)]
        if 0 < len(empty) < len(formats):
            left_out = t("cli.export_left_out", name=analysis.video.name, formats=", ".join(empty))
            print(left_out, file=sys.stderr)
        yield analysis


def _write_all(analyses: Iterable[Analysis], options: Options, inputs: Sequence[Path]) -> list[Path]:
    """Write the reports to each output and return their paths, without the paths of pictures beside them.

    Args:
        analyses: The analyses of the reports.
        options: The command's options.
        inputs: The files from which the reports come; they are never overwritten.
    """
    if options.no_conversations:
        analyses = (analysis.without_conversations() for analysis in analyses)
    if len(options.output) > 1:
        analyses = list(analyses)
    return [path for name in options.output for path in _write(analyses, options, name, inputs)]


def _write(analyses: Iterable[Analysis], options: Options, name: str, inputs: Sequence[Path]) -> list[Path]:
    """Write the reports to the output with this name. Existing files are kept."""
    path = typed_output("--output", name)
    if not path.is_dir() and (format_of(path.name) or os.path.lexists(path)):
        return _write_one(analyses, options, inputs, path)
    check_output_folder(path)
    if _ENDING.fullmatch(path.suffix) and not names_folder(name):
        check_ending("--output", path, dict.fromkeys(form.suffix for form in FORMATS.values()))
    formats = options.format or ("markdown",)
    suffixes = tuple(FORMATS[name].suffix for name in formats)
    files = bundle(
        _with_content(analyses, formats),
        formats,
        options.language,
        is_free=lambda name: is_free(path / name, inputs, overwrites=options.overwrite),
        appendix=options.appendix,
    )
    with storage_errors("report_not_written", path):
        written_names = [file.name for file in written(files, path)]
    return [
        path / written_name
        for written_name in written_names
        if "/" not in written_name and written_name.endswith(suffixes)
    ]


def _write_one(analyses: Iterable[Analysis], options: Options, inputs: Sequence[Path], path: Path) -> list[Path]:
    """Write the only report as `path`, whose ending may name the format, and return it.

    Raises:
        ConfigError: There are several reports or formats, or the file may not be written.
    """
    formats, reports = options.format or (None,), list(islice(analyses, 2))
    if len(formats) > 1 or len(reports) > 1:
        raise ConfigError("output_not_folder", option="--output", given=shown_path(path))
    output = file_output(options, path, formats[0], tuple(inputs))
    for analysis in reports:
        output.write(analysis, path, options.language or analysis.request.language)
    return [path for _ in reports]
