"""Command `framelens headlines REPORT.json`: prints the headlines of a JSON report."""

import argparse

import framelens
from framelens.i18n import t


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.description = t("cli.headlines_command")
    parser.add_argument("report", metavar="REPORT.json", help=t("cli.headlines_report"))
    parser.set_defaults(language=None)


def run(given: argparse.Namespace) -> int:
    """Print the headlines and return the exit code."""
    print(framelens.report(given.report, "headlines").decode(), end="")
    return 0
