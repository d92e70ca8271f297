"""Command `framelens keys`: creates, lists and revokes the keys with which programs use the HTTP API.

A new key is the only line of standard output; everything else goes to standard error.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict

from framelens import config
from framelens.cli.common import add_output_options, print_json, use_language, whole_number
from framelens.config import Settings
from framelens.core.errors import InputError
from framelens.i18n import t
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiKeyRow, ApiStore
from framelens.plugins.server.rate_limit import PER_MINUTE, parse_limit
from framelens.services.access.accounts import Accounts
from framelens.store.audit import AuditLog
from framelens.store.database import Store, open_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of this command, which lists the keys by default."""
    parser.set_defaults(act=_list)
    add_output_options(parser, None)
    actions = parser.add_subparsers(dest="action", metavar=t("cli.command"))
    create = actions.add_parser("create", help=t("cli.keys_create"))
    create.add_argument("key_name", metavar="NAME", help=t("cli.keys_name"))
    limit = t("cli.keys_limit", limit=PER_MINUTE)
    create.add_argument("--limit", type=parse_limit, default=PER_MINUTE, metavar="N/min", help=limit)
    jobs = t("cli.keys_jobs", jobs=api_keys.JOBS)
    create.add_argument(
        "--jobs", type=whole_number(1, api_keys.MOST_JOBS), default=api_keys.JOBS, metavar="N", help=jobs
    )
    create.add_argument("--user", metavar="ACCOUNT", help=t("cli.keys_user"))
    create.set_defaults(act=_create)
    listed = actions.add_parser("list", help=t("cli.keys_list"))
    listed.set_defaults(act=_list)
    revoke = actions.add_parser("revoke", help=t("cli.keys_revoke"))
    revoke.add_argument("key_name", metavar="NAME", help=t("cli.keys_name"))
    revoke.set_defaults(act=_revoke)
    for one in (create, listed, revoke):
        add_output_options(one, argparse.SUPPRESS)


def run(given: argparse.Namespace) -> int:
    """Run the chosen action and return the exit code.

    Raises:
        AppError: A name or a limit is wrong, or the store refuses.
    """
    settings = config.load()
    use_language(given, settings)
    store = open_store(settings.data_dir)
    try:
        given.act(given, store, settings)
    finally:
        store.close()
    return 0


def _create(given: argparse.Namespace, store: Store, settings: Settings) -> None:
    accounts = Accounts(store, settings.access)
    if given.user is None and accounts.exist():
        raise InputError("key_user_needed", name=given.key_name)
    account_id = accounts.named(given.user).id if given.user else ""
    limits = {"per_minute": given.limit, "jobs": given.jobs}
    key = api_keys.create(ApiStore(store), given.key_name, account_id=account_id, **limits)
    AuditLog(store).record("key_created", object_name=given.key_name)
    if given.json:
        print(json.dumps({"name": given.key_name, "key": key, "per_minute": given.limit, "jobs": given.jobs}))
        return
    print(t("cli.keys_created", name=given.key_name), file=sys.stderr)
    print(key)


def _list(given: argparse.Namespace, store: Store, settings: Settings) -> None:
    keys = ApiStore(store).keys()
    users = {one.id: one.name for one in Accounts(store, settings.access).all()}
    if given.json:
        print_json([_document(one, users) for one in keys])
        return
    if not keys:
        print(t("cli.keys_none"), file=sys.stderr)
    for one in keys:
        line = t("cli.keys_line", name=one.name, created=one.created, limit=one.per_minute, jobs=one.jobs)
        print(" · ".join(filter(None, (line, users.get(one.account_id)))))


def _revoke(given: argparse.Namespace, store: Store, _: Settings) -> None:
    api_keys.revoke(ApiStore(store), given.key_name)
    AuditLog(store).record("key_revoked", object_name=given.key_name)
    if given.json:
        print(json.dumps({"revoked": given.key_name}))
        return
    print(t("cli.keys_revoked", name=given.key_name), file=sys.stderr)


def _document(key: ApiKeyRow, users: Mapping[str, str]) -> dict[str, object]:
    shown = {name: value for name, value in asdict(key).items() if name not in ("id", "sha256", "account_id")}
    return shown | ({"user": users[key.account_id]} if key.account_id in users else {})
