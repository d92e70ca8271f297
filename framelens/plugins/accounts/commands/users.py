"""Command `framelens admin users`: adds, lists, changes and removes the accounts of those who may use the page.

A password is typed, or read from the first line of standard input where that is no terminal; it is never an argument,
which other users of the machine could see.
"""

import json
import sys
from getpass import getpass
from typing import get_args

from framelens import ConfigError
from framelens.plugin import t
from framelens.plugin.command_line import (
    Choice,
    Options,
    argument,
    flag,
    group,
    json_option,
    option,
    print_json,
    with_store,
)
from framelens.plugin.storage import Store
from framelens.plugin.users import Role
from framelens.plugins.accounts.accounts import Account, Accounts

name_argument = argument("account_name", metavar="NAME", help="cli.users_name")


@with_store
def _list(options: Options, store: Store) -> None:
    accounts = Accounts(store).all()
    if options.json:
        print_json(list(map(_document, accounts)))
        return
    if not accounts:
        print(t("cli.users_none"), file=sys.stderr)
    for account in accounts:
        login = t("cli.users_by_password" if account.password else "cli.users_by_service")
        role = _role_name(account.role)
        print(t("cli.users_line", name=account.name, role=role, created=account.created, login=login))


run = group("users", help="cli.users_command")(json_option(_list))
run.command("list", help="cli.users_list")(json_option(_list))


@run.command("add", help="cli.users_add")
@name_argument
@option("--role", type=Choice(get_args(Role)), default="analyst", help="cli.users_role_name")
@flag("--no-password", help="cli.users_no_password")
@json_option
@with_store
def _add(options: Options, store: Store) -> None:
    password = None if options.no_password else _read_password(options.account_name)
    account = Accounts(store).add(options.account_name, password, options.role)
    _report(options, _document(account), t("cli.users_added", name=account.name, role=_role_name(account.role)))


@run.command("remove", help="cli.users_remove")
@name_argument
@json_option
@with_store
def _remove(options: Options, store: Store) -> None:
    Accounts(store).remove(options.account_name)
    _report(options, {"removed": options.account_name}, t("cli.users_removed", name=options.account_name))


@run.command("password", help="cli.users_password")
@name_argument
@json_option
@with_store
def _password(options: Options, store: Store) -> None:
    accounts = Accounts(store)
    user = accounts.users.named(options.account_name)
    accounts.set_password(user.name, _read_password(user.name))
    _report(options, {"changed": user.name}, t("cli.users_changed_password", name=user.name))


@run.command("role", help="cli.users_role")
@name_argument
@argument("role", type=Choice(get_args(Role)), metavar="ROLE", help="cli.users_role_name")
@json_option
@with_store
def _role(options: Options, store: Store) -> None:
    account = Accounts(store).set_role(options.account_name, options.role)
    _report(options, _document(account), t("cli.users_changed_role", name=account.name, role=_role_name(account.role)))


def _read_password(name: str) -> str:
    """Return a password that was typed twice, or the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass(t("cli.users_type", name=name))
    if getpass(t("cli.users_again")) != password:
        raise ConfigError("passwords_differ")
    return password


def _report(options: Options, document: dict[str, str], text: str) -> None:
    print(json.dumps(document, ensure_ascii=False) if options.json else text)


def _role_name(role: str) -> str:
    return t(f"login.role_{role}")


def _document(account: Account) -> dict[str, str]:
    login = "password" if account.password else "service"
    return {"name": account.name, "role": account.role, "created": account.created, "login": login}
