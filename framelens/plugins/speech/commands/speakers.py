"""Command `framelens speakers REPORT`: lists the speakers of a report and gives them names."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from framelens import config
from framelens.cli.commands.transcript import named_source
from framelens.cli.common import add_output_options, print_json, use_language
from framelens.core.errors import ConfigError, InputError
from framelens.core.units import clock
from framelens.i18n import t
from framelens.services.container import open_library
from framelens.services.speakers import name_speakers, speakers_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("report", metavar="REPORT", help=t("cli.speakers_report"))
    parser.add_argument(
        "--name", action="append", default=[], type=_parse_name, metavar="A=NAME", help=t("cli.speakers_name")
    )
    add_output_options(parser, None)


def _parse_name(text: str) -> tuple[str, str]:
    letter, equals, name = text.partition("=")
    if not equals:
        raise ConfigError("speaker_name_wrong", given=text)
    return letter, name


def run(given: argparse.Namespace) -> int:
    """Print the speakers, each on a line, after storing the given names, and return the exit code.

    Raises:
        InputError: There is no such report or speaker, or no speakers were separated in it.
        StorageError: The names can't be stored.
    """
    settings = config.load()
    use_language(given, settings)
    with open_library(settings) as services:
        _, analysis = named_source(given.report, services)
        if analysis is None:
            raise InputError("speakers_absent", id=given.report)
        found = speakers_of(analysis.transcript)
        if given.name or not found:
            found = name_speakers(services.jobs, services.settings.data_dir, analysis.id, dict(given.name))
    if given.json:
        print_json([asdict(one) for one in found])
        return 0
    for one in found:
        said = t("cli.speakers_line", n=one.num_cues, time=clock(one.seconds), first=clock(one.first_seconds))
        print(f"{one.letter}  {one.name or '–'}  {said}")
    return 0
