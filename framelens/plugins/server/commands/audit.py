"""Command `framelens audit`: lists who did what, the newest first."""

import argparse
import sys
from dataclasses import asdict

from framelens import config
from framelens.cli.common import MOST_LISTED, add_output_options, print_json, use_language, whole_number
from framelens.i18n import t
from framelens.store.audit import ACTIONS, AuditEntry, AuditLog
from framelens.store.database import open_store

_USUAL_ENTRIES = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "--limit", type=whole_number(1, MOST_LISTED), default=_USUAL_ENTRIES, metavar="N", help=t("cli.audit_limit")
    )
    parser.add_argument("--user", default="", metavar="NAME", help=t("cli.audit_user"))
    parser.add_argument("--action", action="append", default=[], choices=ACTIONS, help=t("cli.audit_action"))
    add_output_options(parser, None)


def run(given: argparse.Namespace) -> int:
    """Print the entries and return the exit code.

    Raises:
        AppError: A setting is wrong, or the store refuses.
    """
    settings = config.load()
    use_language(given, settings)
    store = open_store(settings.data_dir)
    try:
        entries = AuditLog(store).entries(limit=given.limit, actions=given.action, user=given.user)
    finally:
        store.close()
    if given.json:
        print_json([asdict(one) for one in entries])
        return 0
    if not entries:
        print(t("cli.audit_none"), file=sys.stderr)
    for one in entries:
        print(_line(one))
    return 0


def _line(entry: AuditEntry) -> str:
    named = " ".join(filter(None, (entry.object_name, f"({entry.object_id})" if entry.object_id else "")))
    who = entry.user_name or entry.user_id or t("cli.audit_local")
    return "  ".join(filter(None, (entry.time, who, t(f"cli.audit.{entry.action}"), named)))
