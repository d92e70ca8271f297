"""Commands `framelens models trust` and `untrust`: list the program code of a model and let it run, or no longer.

The reader opens the listed files and judges whether they are harmless. Names come from a stranger, so marks that would
change the display of a terminal are escaped.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from framelens import config
from framelens.cli.common import print_json, use_language
from framelens.config import export_environment
from framelens.core.errors import AppError, ConfigError
from framelens.core.files import shown_path, single_line
from framelens.core.units import human_size
from framelens.i18n import t
from framelens.plugins.models.formatting import code_lines
from framelens.plugins.models.trust.code_trust import ModelCode, find_code, trust_code, trusted_code, untrust_code
from framelens.plugins.models.trust.remote_code import SHORT
from framelens.services.engines.model_names import resolve_named_model
from framelens.store.audit import AuditLog
from framelens.store.database import open_store


def add_parsers(asks: argparse._SubParsersAction[argparse.ArgumentParser]) -> tuple[argparse.ArgumentParser, ...]:
    """Add the two subcommands and their arguments."""
    trust = asks.add_parser("trust", help=t("cli.models_trust"))
    trust.set_defaults(command=run_trust)
    trust.add_argument("model", nargs="?", metavar="MODEL", help=t("cli.models_trust_name"))
    trust.add_argument("--accept", metavar="HASH", help=t("cli.models_trust_accept"))
    untrust = asks.add_parser("untrust", help=t("cli.models_untrust"))
    untrust.set_defaults(command=run_untrust)
    untrust.add_argument("model", metavar="MODEL", help=t("cli.models_untrust_name"))
    return trust, untrust


def run_trust(given: argparse.Namespace) -> int:
    """Show the code, ask for its hash, and return the exit code: 1 if the user doesn't confirm it.

    Raises:
        AppError: The model isn't here, its code can't be run, or the hash is wrong.
    """
    settings = config.load()
    use_language(given, settings)
    export_environment(settings)
    model = given.model or settings.model_path
    resolve_named_model(model, settings.data_dir)  # explains a name that no hub has
    found = find_code(settings.data_dir, model)
    if given.json:
        print_json(document(found))
    else:
        print("\n".join(_lines(found)))
    found.code.check(found.model)
    if found.state in ("none", "trusted"):
        return 0
    if given.accept is None and given.json:
        return 4
    if given.accept and given.accept.strip().lower() != found.code.digest:
        raise ConfigError("remote_code_accept", model=found.model, given=given.accept, wanted=found.code.digest)
    typed = _ask(found) if given.accept is None else given.accept
    if not typed.strip():
        print(t("models.code_left"), file=sys.stderr)
        return 1
    with _audit(settings) as audit:
        trust_code(settings.data_dir, found, typed, audit)
    print(t("models.code_now_trusted", model=found.model), file=sys.stderr)
    return 0


def run_untrust(given: argparse.Namespace) -> int:
    """Forget the trust in a model's code, and return the exit code.

    Raises:
        AppError: No code of this model was trusted.
    """
    settings = config.load()
    use_language(given, settings)
    export_environment(settings)
    with _audit(settings) as audit:
        untrust_code(settings.data_dir, given.model, audit)
    print(json.dumps({"untrusted": given.model}) if given.json else t("models.code_untrusted", model=given.model))
    return 0


def document(found: ModelCode) -> dict[str, Any]:
    """Convert the code of a model to JSON."""
    code = found.code
    return {
        "model": found.model,
        "folder": str(code.folder),
        "revision": code.revision or None,
        "state": found.state,
        "changes": list(found.changes) if found.state == "changed" else [],
        "hash": code.digest,
        "references": [asdict(one) for one in code.references],
        "files": [{"name": file.name, "bytes": file.num_bytes, "sha256": file.sha256} for file in code.files],
    }


def trusted_lines(settings: config.Settings) -> Iterator[str]:
    """Yield a line for each model whose code was confirmed, with its state now."""
    for name, record in trusted_code(settings.data_dir).all().items():
        try:
            state: str = find_code(settings.data_dir, name).state
        except AppError:
            state = "absent"
        values = {"model": single_line(name), "hash": record.digest[:SHORT], "time": record.time}
        yield t("models.code_line", **values, state=t(f"models.code_state_{state}"))


def _lines(found: ModelCode) -> Iterator[str]:
    code = found.code
    yield t("models.code_of", model=single_line(found.model), folder=shown_path(code.folder))
    yield from code_lines(code)
    yield ""
    for file in code.files:
        yield f"{single_line(file.name)}  ({human_size(file.num_bytes)})"
        yield f"    SHA-256 {file.sha256}"
    yield ""
    if found.state == "changed":
        yield t("models.code_changes", files=", ".join(map(single_line, found.changes)))
    yield t(f"models.code_is_{found.state}", time=found.record.time if found.record else "")
    if code.runs:
        yield t("models.code_hash", hash=code.digest)


def _ask(found: ModelCode) -> str:
    if not sys.stdin.isatty():
        name = shlex.quote(found.model)
        raise ConfigError("remote_code_unconfirmed", model=found.model, name=name, hash=found.code.digest)
    return input(t("models.code_type", n=SHORT) + " ")


@contextmanager
def _audit(settings: config.Settings) -> Iterator[AuditLog]:
    store = open_store(settings.data_dir)
    try:
        yield AuditLog(store)
    finally:
        store.close()
