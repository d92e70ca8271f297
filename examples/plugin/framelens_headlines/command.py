"""Command `framelens headlines REPORT.json`: prints the headlines of a JSON report."""

import click

import framelens


@click.command(help="print the headlines of a report")
@click.argument("report", metavar="REPORT.json")
def headlines(report: str) -> None:
    """Print the headlines."""
    print(framelens.report(report, "headlines").decode(), end="")
