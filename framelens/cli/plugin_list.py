"""The list of `framelens doctor --plugins`: the plugins with their versions, their parts, and why any is left out."""

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import click

from framelens import registry
from framelens.cli.grammar import Group
from framelens.core import own_version
from framelens.core.errors import ConfigError
from framelens.i18n import LANGUAGES, plugin_catalogue, t

_HOOKS = {
    "commands": "commands",
    "formats": "report_formats",
    "pages": "pages",
    "sources": "sources",
    "places": "parts",
}
"""Hooks by the kinds of parts that the list names."""


def list_plugins(*, is_json: bool) -> int:
    """Print the plugins and return the exit code."""
    root = click.get_current_context().find_root()
    commands = root.command if isinstance(root.command, Group) else Group("framelens", help="cli.description")
    for name in commands.list_commands(root):
        with suppress(ConfigError):  # of a faulty command, which is left out
            commands.get_command(root, name)
    _load_parts()
    for language in LANGUAGES:
        plugin_catalogue(language)
    unknown = registry.unknown_names()
    plugins = [_plugin_document(state) for state in registry.states()]
    if is_json:
        json.dump({"plugins": plugins, "unknown": unknown}, sys.stdout, ensure_ascii=False, indent=2)
        print()
        return 0
    widths = [max((len(plugin[column]) for plugin in plugins), default=0) for column in ("name", "version")]
    for plugin in plugins:
        print(f"{plugin['name']:{widths[0]}}  {plugin['version']:{widths[1]}}  {_state_text(plugin)}")
    if not plugins:
        print(t("cli.plugins_none"))
    for name in unknown:
        print(t("notice.doctor_plugins_unknown", name=name))
    return 0


def _load_parts() -> None:
    """Load the parts of plugins that aren't built in, so that `left_out` has each part that can't be used."""
    pages = (replace(part, value=part.value.draw) for part in registry.unique("pages", registry.PAGES))
    for part in (*pages, *registry.parts("parts"), *registry.unique("sources")):
        if part.plugin not in registry.BUILT_IN:
            part.load()


def _plugin_document(state: registry.PluginState) -> dict[str, Any]:
    adds = _additions(state.name) if state.is_used else {}
    return {
        "name": state.name,
        "version": state.version or own_version(),
        "state": "faulty" if state.fault else "on" if state.is_used else "off",
        "fault": state.fault,
        "adds": adds,
        "left_out": registry.left_out(state.name),
    }


def _additions(plugin: str) -> dict[str, list[str]]:
    """Return the names of the used parts of a plugin, by kind."""
    named = {
        kind: [part.name for part in registry.parts(hook) if part.plugin == plugin] for kind, hook in _HOOKS.items()
    }
    left_out = registry.left_out(plugin)
    used = {
        kind: [name for name in names if f"{kind.removesuffix('s')} {name}" not in left_out]
        for kind, names in named.items()
    }
    return {kind: names for kind, names in used.items() if names}


def _state_text(plugin: Mapping[str, Any]) -> str:
    """Return the state in words: the parts that a plugin adds, or why it is left out."""
    if plugin["state"] == "faulty":
        return t("cli.plugins_faulty", reason=plugin["fault"])
    if plugin["state"] == "off":
        return t("cli.plugins_off")
    added = [t(f"cli.plugins_{kind}", names=", ".join(names)) for kind, names in plugin["adds"].items()]
    without = [t("cli.plugins_faulty", reason=f"{part} ({why})") for part, why in plugin["left_out"].items()]
    return "; ".join((*added, *without))
