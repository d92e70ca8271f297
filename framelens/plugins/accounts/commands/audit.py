"""Command `framelens admin audit`: lists who did what, the newest first."""

import sys
from dataclasses import asdict

from framelens.plugin import t
from framelens.plugin.command_line import (
    Choice,
    Options,
    command,
    json_option,
    option,
    print_json,
    whole_number,
    with_store,
)
from framelens.plugin.storage import Store
from framelens.plugins.accounts.audit import ACTIONS, AuditEntry, entries

_USUAL_ENTRIES = 100
_MOST_ENTRIES = 1_000_000


@command("audit", help="cli.audit_command")
@option("--limit", type=whole_number(1, _MOST_ENTRIES), default=_USUAL_ENTRIES, metavar="N", help="cli.audit_limit")
@option("--user", default="", metavar="NAME", help="cli.audit_user")
@option("--action", multiple=True, type=Choice(ACTIONS), help="cli.audit_action")
@json_option
@with_store
def run(options: Options, store: Store) -> None:
    """Print the entries."""
    listed = entries(store, limit=options.limit, actions=options.action, user=options.user)
    if options.json:
        print_json([asdict(entry) for entry in listed])
        return
    if not listed:
        print(t("cli.audit_none"), file=sys.stderr)
    for entry in listed:
        print(_line(entry))


def _line(entry: AuditEntry) -> str:
    named = " ".join(filter(None, (entry.object_name, f"({entry.object_id})" if entry.object_id else "")))
    who = entry.user_name or entry.user_id or t("cli.audit_local")
    return "  ".join(filter(None, (entry.time, who, t(f"cli.audit.{entry.action}"), named)))
