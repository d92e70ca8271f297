"""Plugins and their parts, found with pluggy and named so that listing them imports nothing.

The core imports no plugin. It asks here for the parts of the plugins that are switched on: the built-in plugins of
`framelens.plugins`, and installed packages with an entry point in the group `framelens.plugins`. A plugin is a package
whose functions marked with `hook` implement some of `framelens.hookspecs.Hooks`; texts are in `messages/en.toml` and
`zh.toml` beside it. FRAMELENS_PLUGINS names the plugins to use, separated by commas; without it all plugins are used,
and with an empty value no plugin.

A plugin that can't be loaded is left out, and its `PluginState` has the reason; a part of a plugin that can't be used
is left out, too, and `left_out` names it. Everything else works.

`parts`, `unique` and `placed` list what plugins name, `functions` loads what is for a place, `results` calls it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from functools import cache, wraps
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Any, cast

import pluggy

from framelens import config
from framelens.core.errors import AppError, ConfigError, InputError, log_path
from framelens.hookspecs import Hooks, Page

BUILT_IN = (
    *("accounts", "batch", "captions", "corrections", "dialects", "editing", "models", "monitor", "search"),
    *("server", "sources", "speech"),
)
"""Folders of `framelens.plugins`. A deleted folder is not used."""
GROUP = "framelens.plugins"
PAGES = ("analyse", "ask", "library")
"""Names of the application's own pages."""
log = logging.getLogger(__name__)
hook = pluggy.HookimplMarker("framelens")
PLUGIN_FAULTS = (Exception, SystemExit)
"""Exceptions that code of a plugin may raise; a module that lacks something may end the program during its import."""
_NAME = r"[a-z][a-z0-9_-]*"
"""Names of pages, commands and formats."""
_BEGINNING = r"[a-z][a-z0-9+.-]+:.*"
"""Beginnings of the addresses of a source, none of which is the drive of a path."""
_left_out: dict[tuple[str, str], str] = {}
"""Reasons why parts of plugins are left out, by the plugin's and the part's name."""


@dataclass(frozen=True)
class PluginState:
    """A plugin that was found.

    Attributes:
        name: Its name.
        version: Version of its package; "" is FrameLens's.
        is_used: Whether it is switched on and can be used.
        fault: Reason why the plugin can't be used, from the exception; "" if it can be used.
    """

    name: str
    version: str
    is_used: bool
    fault: str = ""


@dataclass(frozen=True)
class PluginPart:
    """A part of a plugin.

    Attributes:
        plugin: Name of the plugin.
        name: Name of the part, or the place it is for.
        value: Value that the hook gives it; mostly an object's name as "module:object".
    """

    plugin: str
    name: str
    value: Any

    def load(self) -> Any:
        """Return the object that `value` names, or None if it can't be loaded and is left out."""
        try:
            return resolve_name(self.value)
        except PLUGIN_FAULTS as error:
            return self.leave_out(error)

    def call(self, *arguments: object) -> Any:
        """Call the function that `value` names; return its result, or None if the function fails and is left out.

        Raises:
            AppError: The function raised this error for the user.
        """
        try:
            return resolve_name(self.value)(*arguments)
        except AppError:
            raise
        except PLUGIN_FAULTS as error:
            return self.leave_out(error)

    def guard(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of the plugin whose unexpected errors become `failure`; that of a built-in is unchanged.

        The traceback is in the log. The items of a generator are returned as a list.
        """
        if self.plugin in BUILT_IN:
            return function

        @wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            try:
                result = function(*arguments, **options)
                return list(result) if isinstance(result, Iterator) else result
            except AppError:
                raise
            except PLUGIN_FAULTS as error:
                log.exception("plugin %s failed", self.plugin)
                raise self.failure(error) from error

        return call

    def failure(self, error: BaseException, kind: type[AppError] = InputError) -> AppError:
        """Return the error for the user about an unexpected exception of the plugin."""
        return kind("plugin_failed", name=self.plugin, reason=_reason(error), log=log_path())

    def leave_out(self, reason: str | BaseException, name: str = "") -> None:
        """Name what isn't used, and why: in the log, and for `left_out`; without a name it is the object in `value`.

        Raises:
            KeyboardInterrupt: The reason is a Ctrl-C, which Python wraps while it makes a class or loads an extension.
        """
        if isinstance(reason, BaseException) and isinstance(reason.__cause__, KeyboardInterrupt):
            raise reason.__cause__
        key = self.plugin, name or str(self.value)
        if key not in _left_out:  # pages ask again and again
            log.warning("plugin %s: %s is left out: %s", *key, reason, exc_info=not isinstance(reason, str))
        _left_out[key] = reason if isinstance(reason, str) else _reason(reason)


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def new_manager() -> pluggy.PluginManager:
    """Return a manager that knows the hooks and no plugin."""
    manager = pluggy.PluginManager("framelens")
    manager.add_hookspecs(Hooks)
    return manager


_manager = new_manager()


def manager() -> pluggy.PluginManager:
    """Return the manager of the plugins that are switched on and can be loaded, built-in plugins first."""
    states()
    return _manager


def used() -> list[tuple[str, ModuleType]]:
    """Return the names and packages of the plugins that are switched on and can be loaded."""
    return cast(list[tuple[str, ModuleType]], manager().list_name_plugin())


@cache
def states() -> tuple[PluginState, ...]:
    """Find all plugins and register those in use; the result is kept for the life of the process."""
    enabled = _enabled()
    folder = Path(__file__).with_name("plugins")
    built_in = [EntryPoint(name, f"framelens.plugins.{name}", GROUP) for name in BUILT_IN if (folder / name).is_dir()]
    # looking at all installed packages takes time
    installed = () if enabled is not None and enabled <= set(BUILT_IN) else entry_points(group=GROUP)
    return tuple(_register(point, enabled is None or point.name in enabled) for point in (*built_in, *installed))


def _enabled() -> frozenset[str] | None:
    """Return the names in FRAMELENS_PLUGINS, or None for all plugins.

    All plugins are used if `.env` can't be read; the error is reported where the settings are read.
    """
    try:
        return config.plugin_names()
    except ConfigError:
        return None


def _register(point: EntryPoint, is_enabled: bool) -> PluginState:
    version = point.dist.version if point.dist else ""
    if not is_enabled:
        return PluginState(point.name, version, is_used=False)
    try:
        plugin = point.load()
        _manager.register(plugin, point.name)
        try:
            _manager.check_pending()
            if not _manager.get_hookcallers(plugin):
                raise TypeError("it implements no hook of framelens.plugin.Hooks")
        except Exception:
            _manager.unregister(plugin)
            raise
    except PLUGIN_FAULTS as error:  # a faulty plugin is left out, whatever is wrong with it
        log.warning("plugin %s is left out: %s", point.name, error)
        return PluginState(point.name, version, is_used=False, fault=_reason(error))
    return PluginState(point.name, version, is_used=True)


def unknown_names() -> list[str]:
    """Return the names in FRAMELENS_PLUGINS that no plugin has."""
    return sorted((_enabled() or frozenset()) - {state.name for state in states()})


def left_out(plugin: str) -> dict[str, str]:
    """Return the parts of a plugin that this process has left out so far, with the reasons."""
    return {name: reason for (owner, name), reason in _left_out.items() if owner == plugin}


def parts(hook_name: str) -> Iterator[PluginPart]:
    """Yield what plugins name in a hook, without importing it. A hook that fails is left out."""
    for implementation in getattr(manager().hook, hook_name).get_hookimpls():
        plugin = implementation.plugin_name
        try:
            yield from [PluginPart(plugin, name, value) for name, value in dict(implementation.function()).items()]
        except PLUGIN_FAULTS as error:  # whatever it is, it is the plugin's
            PluginPart(plugin, hook_name, hook_name).leave_out(error)


def placed(slot: str) -> Iterator[PluginPart]:
    """Yield what plugins name for a slot, without importing it."""
    return (part for part in parts("parts") if part.name == slot)


def unique(hook_name: str, taken: Container[str] = ()) -> Iterator[PluginPart]:
    """Yield the named parts that a hook gives, but leave out a name that is taken or of a wrong form.

    Args:
        hook_name: A hook whose parts have names.
        taken: Names of the core's parts.
    """
    kind = hook_name.removeprefix("report_").removesuffix("s")
    pattern = {"sources": _BEGINNING, "commands": f"{_NAME}( {_NAME})?"}.get(hook_name, _NAME)
    owners: dict[str, str] = {}
    for part in parts(hook_name):
        if not re.fullmatch(pattern, str(part.name)):
            part.leave_out(f"the name of a {kind} must match {pattern}", f"{kind} {part.name}")
        elif part.name in taken or part.name in owners:
            part.leave_out(f"{owners.get(part.name, 'FrameLens')} has this name", f"{kind} {part.name}")
        else:
            owners[part.name] = part.plugin
            yield part


def functions(slot: str) -> Iterator[Callable[..., Any]]:
    """Yield the functions of plugins for a slot, whose unexpected errors name the plugin (`PluginPart.guard`)."""
    for part in placed(slot):
        if function := part.load():
            yield part.guard(function)


def results(slot: str, *arguments: object) -> Iterator[Any]:
    """Call the functions of plugins for a slot, like `PluginPart.call`; yield their results other than None."""
    return (result for part in placed(slot) if (result := part.call(*arguments)) is not None)


def page_names() -> tuple[str, ...]:
    """Return the names of the pages of plugins."""
    return tuple(part.name for part in unique("pages", PAGES))


def pages() -> Iterator[tuple[str, Page, Callable[[Any], None]]]:
    """Yield the names of the pages of plugins, the pages, and the functions that draw them."""
    for part in unique("pages", PAGES):
        if draw := replace(part, value=part.value.draw).load():
            yield part.name, part.value, part.guard(draw)
