"""Command `framelens users`: adds, lists, changes and removes the accounts of those who may use the page.

A password is typed, or read from the first line of standard input where that is no terminal; it is never an argument,
which other users of the machine could see.
"""

import argparse
import json
import sys
from getpass import getpass
from typing import get_args

from framelens import config
from framelens.cli.common import add_output_options, print_json, use_language
from framelens.core.errors import ConfigError
from framelens.core.roles import Role
from framelens.i18n import t
from framelens.services.access.accounts import Accounts
from framelens.store.accounts import AccountRow
from framelens.store.database import open_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of this command, which lists the accounts by default."""
    parser.set_defaults(act=_list)
    add_output_options(parser, None)
    actions = parser.add_subparsers(dest="action", metavar=t("cli.command"))
    add = actions.add_parser("add", help=t("cli.users_add"))
    add.add_argument("--role", choices=get_args(Role), default="analyst", help=t("cli.users_role_name"))
    add.add_argument("--no-password", action="store_true", help=t("cli.users_no_password"))
    listed = actions.add_parser("list", help=t("cli.users_list"))
    remove = actions.add_parser("remove", help=t("cli.users_remove"))
    password = actions.add_parser("password", help=t("cli.users_password"))
    role = actions.add_parser("role", help=t("cli.users_role"))
    for one, act in ((add, _add), (remove, _remove), (password, _password), (role, _role)):
        one.add_argument("account_name", metavar="NAME", help=t("cli.users_name"))
        one.set_defaults(act=act)
    role.add_argument("role", choices=get_args(Role), help=t("cli.users_role_name"))
    listed.set_defaults(act=_list)
    for one in (add, listed, remove, password, role):
        add_output_options(one, argparse.SUPPRESS)


def run(given: argparse.Namespace) -> int:
    """Run the chosen action and return the exit code.

    Raises:
        AppError: A name or a password can't be used, or the store refuses.
    """
    settings = config.load()
    use_language(given, settings)
    store = open_store(settings.data_dir)
    try:
        given.act(given, Accounts(store, settings.access))
    finally:
        store.close()
    return 0


def _add(given: argparse.Namespace, accounts: Accounts) -> None:
    password = None if given.no_password else _typed(given.account_name)
    account = accounts.add(given.account_name, password, given.role)
    _report(given, _document(account), t("cli.users_added", name=account.name, role=_shown(account.role)))


def _list(given: argparse.Namespace, accounts: Accounts) -> None:
    found = accounts.all()
    if given.json:
        print_json([_document(one) for one in found])
        return
    if not found:
        print(t("cli.users_none"), file=sys.stderr)
    for one in found:
        login = t("cli.users_by_password" if one.password else "cli.users_by_service")
        print(t("cli.users_line", name=one.name, role=_shown(one.role), created=one.created, login=login))


def _remove(given: argparse.Namespace, accounts: Accounts) -> None:
    accounts.remove(given.account_name)
    _report(given, {"removed": given.account_name}, t("cli.users_removed", name=given.account_name))


def _password(given: argparse.Namespace, accounts: Accounts) -> None:
    account = accounts.named(given.account_name)
    accounts.set_password(account.name, _typed(account.name))
    _report(given, {"changed": account.name}, t("cli.users_changed_password", name=account.name))


def _role(given: argparse.Namespace, accounts: Accounts) -> None:
    accounts.set_role(given.account_name, given.role)
    account = accounts.named(given.account_name)
    _report(given, _document(account), t("cli.users_changed_role", name=account.name, role=_shown(account.role)))


def _typed(name: str) -> str:
    """Return a password that was typed twice, or the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass(t("cli.users_type", name=name))
    if getpass(t("cli.users_again")) != password:
        raise ConfigError("passwords_differ")
    return password


def _report(given: argparse.Namespace, document: dict[str, str], words: str) -> None:
    print(json.dumps(document, ensure_ascii=False) if given.json else words)


def _shown(role: str) -> str:
    return t(f"login.role_{role}")


def _document(account: AccountRow) -> dict[str, str]:
    login = "password" if account.password else "service"
    return {"name": account.name, "role": account.role, "created": account.created, "login": login}
