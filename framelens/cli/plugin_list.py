"""The list of `framelens doctor --plugins`: the plugins with their versions, their parts, and why any is left out."""

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import click

from framelens import registry
from framelens.cli.grammar import Group
from framelens.core import own_version
from framelens.core.errors import ConfigError
from framelens.i18n import LANGUAGES, plugin_catalogue, t


def list_plugins(*, is_json: bool) -> int:
    """Print the plugins and return the exit code."""
    root = click.get_current_context().find_root()
    commands = root.command if isinstance(root.command, Group) else Group("framelens", help="cli.description")
    for name in commands.list_commands(root):
        with suppress(ConfigError):  # of a faulty command, which is left out
            commands.get_command(root, name)
    registry.load_all()
    for language in LANGUAGES:
        plugin_catalogue(language)
    unknown = registry.unknown_names()
    found = [_described(state) for state in registry.states()]
    if is_json:
        json.dump({"plugins": found, "unknown": unknown}, sys.stdout, ensure_ascii=False, indent=2)
        print()
        return 0
    widths = [max((len(one[column]) for one in found), default=0) for column in ("name", "version")]
    for one in found:
        print(f"{one['name']:{widths[0]}}  {one['version']:{widths[1]}}  {_state_text(one)}")
    if not found:
        print(t("cli.plugins_none"))
    for name in unknown:
        print(t("notice.doctor_plugins_unknown", name=name))
    return 0


def _described(state: registry.PluginState) -> dict[str, Any]:
    adds = _additions(state.name) if state.is_used else {}
    return {
        "name": state.name,
        "version": state.version or own_version(),
        "state": "faulty" if state.fault else "on" if state.is_used else "off",
        "fault": state.fault,
        "adds": adds,
        "left_out": registry.left_out(state.name),
    }


def _additions(owner: str) -> dict[str, list[str]]:
    """Return the names of the used parts of a plugin, by kind."""
    named = {
        "commands": [name for other, name, _ in registry.named("commands") if other == owner],
        "formats": [name for other, name, _ in registry.named("report_formats") if other == owner],
        "pages": [page.name for other, given in registry.answers("pages") if other == owner for page in given],
        "sources": [name for other, name, _ in registry.named("sources") if other == owner],
        "places": [place for place in registry.ALL_PLACES if owner in dict(registry.offered(place))],
        "parts": [name for name in ("transcribers", "launch_checks") if registry.implements(owner, name)],
    }
    left_out = registry.left_out(owner)
    used = {
        kind: [name for name in names if f"{kind.removesuffix('s')} {name}" not in left_out]
        for kind, names in named.items()
    }
    return {kind: names for kind, names in used.items() if names}


def _state_text(one: Mapping[str, Any]) -> str:
    """Return the state in words: the parts that a plugin adds, or why it is left out."""
    if one["state"] == "faulty":
        return t("cli.plugins_faulty", reason=one["fault"])
    if one["state"] == "off":
        return t("cli.plugins_off")
    added = [t(f"cli.plugins_{kind}", names=", ".join(names)) for kind, names in one["adds"].items()]
    without = [t("cli.plugins_faulty", reason=f"{part} ({why})") for part, why in one["left_out"].items()]
    return "; ".join((*added, *without))
