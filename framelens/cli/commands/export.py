"""Command `framelens export ID…`: writes stored analyses, or a JSON report from anywhere, as files in any format.

It asks no model and reads no video: every report is built from stored data.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from framelens import config
from framelens.cli.report_output import (
    add_appendix_option,
    add_overwrite_option,
    check_ending,
    check_output_folder,
    check_typed_output,
    file_output,
    names_folder,
)
from framelens.core.domain import Analysis
from framelens.core.errors import ConfigError, InputError
from framelens.core.files import absolute, is_free, shown_path, typed_path
from framelens.i18n import LANGUAGES, error_text, t
from framelens.reports.files import written
from framelens.reports.formats import FORMATS, bundle, format_of, parse_formats
from framelens.services.container import open_library
from framelens.store.fs_utils import storage_errors

_ENDING = re.compile(r"\.[A-Za-z]\w{1,4}")
"""The ending of a file's name; the ending of a folder's name, such as "reports.2026", has digits."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("ids", nargs="*", metavar="ID|FILE", help=t("cli.export_ids"))
    parser.add_argument("--json-file", type=Path, metavar="FILE", help=t("cli.export_json_file"))
    names = ", ".join(FORMATS)
    parser.add_argument(
        "--format",
        type=parse_formats,
        metavar="F,F…",
        help=t("cli.export_format", names=names),
    )
    parser.add_argument("--output", default=os.curdir, metavar="DIR|FILE", help=t("cli.export_output"))
    add_appendix_option(parser)
    add_overwrite_option(parser)
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.export_language"))
    parser.add_argument("--no-conversations", action="store_true", help=t("cli.export_no_conversations"))
    parser.add_argument("--json", action="store_true", help=t("cli.export_json"))


def run(given: argparse.Namespace) -> int:
    """Write the files, print their paths and return the exit code.

    Raises:
        AppError: An analysis or a JSON file can't be found or read, or a file can't be written.
    """
    files = [*filter(None, [given.json_file]), *(Path(typed_path(one)) for one in given.ids if _is_file(one))]
    if not (given.ids or files) or (files and len(files) < len(given.ids) + bool(given.json_file)):
        raise ConfigError("export_what")
    check_typed_output("--output", given.output)
    missing: list[InputError] = []
    if files:
        from framelens.library.report_import import reports_in

        paths = _write(reports_in(files), given, files)
    else:
        with open_library(config.load()) as services:
            ids = [services.jobs.library.resolve_id(one) for one in given.ids]
            paths = _write(_reports(ids, services.reports.get, missing), given, [])
            for job_id in ids:
                services.jobs.audit.record("export", job_id, services.jobs.brief(job_id).name)
    if given.json:
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


def _said(analyses: Iterable[Analysis], wanted: Sequence[str]) -> Iterator[Analysis]:
    """Yield the analyses; print for each the formats that are left out because they would be empty."""
    for analysis in analyses:
        empty = [name for name in wanted if not FORMATS[name].fits(analysis)]
        if 0 < len(empty) < len(wanted):
            left_out = t("cli.export_left_out", name=analysis.video.name, formats=", ".join(empty))
            print(left_out, file=sys.stderr)
        yield analysis


def _write(analyses: Iterable[Analysis], given: argparse.Namespace, inputs: Sequence[Path]) -> list[Path]:
    """Write the reports and return their paths, without the paths of pictures beside them. Existing files are kept.

    Args:
        analyses: The analyses of the reports.
        given: The command's options.
        inputs: The files from which the reports come; they are never overwritten.
    """
    path = absolute(Path(typed_path(given.output)))
    if given.no_conversations:
        analyses = (one.without_conversations() for one in analyses)
    if not path.is_dir() and (format_of(path.name) or os.path.lexists(path)):
        return _write_one(analyses, given, inputs, path)
    check_output_folder(path)
    if _ENDING.fullmatch(path.suffix) and not names_folder(given.output):
        check_ending("--output", path, dict.fromkeys(one.suffix for one in FORMATS.values()))
    wanted = given.format or ["markdown"]
    suffixes = tuple(FORMATS[name].suffix for name in wanted)
    files = bundle(
        _said(analyses, wanted),
        wanted,
        given.language,
        is_free=lambda name: is_free(path / name, inputs, overwrites=given.overwrite),
        appendix=given.appendix,
    )
    with storage_errors("report_not_written", path):
        names = [file.name for file in written(files, path)]
    return [path / name for name in names if "/" not in name and name.endswith(suffixes)]


def _write_one(
    analyses: Iterable[Analysis], given: argparse.Namespace, inputs: Sequence[Path], path: Path
) -> list[Path]:
    """Write the only report as `path`, whose ending may name the format, and return it.

    Raises:
        ConfigError: There are several reports or formats, or the file may not be written.
    """
    formats, found = given.format or [None], list(islice(analyses, 2))
    if len(formats) > 1 or len(found) > 1:
        raise ConfigError("output_not_folder", option="--output", given=shown_path(path))
    output = file_output(given, path, formats[0], tuple(inputs))
    for analysis in found:
        output.write(analysis, path, given.language or analysis.request.language)
    return [path for _ in found]
