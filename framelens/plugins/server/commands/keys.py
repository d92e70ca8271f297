"""Command `framelens admin keys`: creates, lists and revokes the keys with which programs use the HTTP API.

A new key is the only line of standard output; everything else goes to standard error.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict

from framelens import InputError
from framelens.plugin import t
from framelens.plugin.command_line import (
    Options,
    argument,
    group,
    json_option,
    option,
    print_json,
    whole_number,
    with_store,
)
from framelens.plugin.storage import Store
from framelens.plugin.users import AuditLog, Users
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiKeyRow, ApiStore
from framelens.plugins.server.rate_limit import PER_MINUTE, parse_limit


@with_store
def _list(options: Options, store: Store) -> None:
    keys = ApiStore(store).keys()
    names = {user.id: user.name for user in Users(store).all()}
    if options.json:
        print_json([_document(key, names) for key in keys])
        return
    if not keys:
        print(t("cli.keys_none"), file=sys.stderr)
    for key in keys:
        line = t("cli.keys_line", name=key.name, created=key.created, limit=key.per_minute, jobs=key.jobs)
        print(" · ".join(filter(None, (line, names.get(key.account_id)))))


run = group("keys", help="cli.keys_command")(json_option(_list))
run.command("list", help="cli.keys_list")(json_option(_list))


@run.command("create", help="cli.keys_create")
@argument("key_name", metavar="NAME", help="cli.keys_name")
@option(
    "--limit",
    type=parse_limit,
    default=PER_MINUTE,
    metavar="N/min",
    help=lambda: t("cli.keys_limit", limit=PER_MINUTE),
)
@option(
    "--jobs",
    type=whole_number(1, api_keys.MOST_JOBS),
    default=api_keys.JOBS,
    metavar="N",
    help=lambda: t("cli.keys_jobs", jobs=api_keys.JOBS),
)
@option("--user", metavar="ACCOUNT", help="cli.keys_user")
@json_option
@with_store
def _create(options: Options, store: Store) -> None:
    users = Users(store)
    if options.user is None and users.exist():
        raise InputError("key_user_needed", name=options.key_name)
    account_id = users.named(options.user).id if options.user else ""
    limits = {"per_minute": options.limit, "jobs": options.jobs}
    key = api_keys.create(ApiStore(store), options.key_name, account_id=account_id, **limits)
    AuditLog(store).record("key_created", object_name=options.key_name)
    if options.json:
        print(json.dumps({"name": options.key_name, "key": key, "per_minute": options.limit, "jobs": options.jobs}))
        return
    print(t("cli.keys_created", name=options.key_name), file=sys.stderr)
    print(key)


@run.command("revoke", help="cli.keys_revoke")
@argument("key_name", metavar="NAME", help="cli.keys_name")
@json_option
@with_store
def _revoke(options: Options, store: Store) -> None:
    api_keys.revoke(ApiStore(store), options.key_name)
    AuditLog(store).record("key_revoked", object_name=options.key_name)
    if options.json:
        print(json.dumps({"revoked": options.key_name}))
        return
    print(t("cli.keys_revoked", name=options.key_name), file=sys.stderr)


def _document(key: ApiKeyRow, names: Mapping[str, str]) -> dict[str, object]:
    shown = {name: value for name, value in asdict(key).items() if name not in ("id", "sha256", "account_id")}
    return shown | ({"user": names[key.account_id]} if key.account_id in names else {})
