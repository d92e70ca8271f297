"""Registry of plugins: what each adds, named so that listing it imports nothing.

The core imports no plugin. It asks here for commands, report formats, pages, routes and parts of pages, and gets those
of the plugins that are switched on: the built-in ones of `framelens.plugins`, and installed packages with an entry
point in the group `framelens.plugins`, whose object is a Plugin. FRAMELENS_PLUGINS names the plugins to use, separated
by commas; without it all are used, and with an empty value none.

A plugin that can't be loaded is left out, and its `PluginState` says why; everything else works.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from framelens import config
from framelens.core.errors import AppError, InputError

BUILT_IN = ("batch", "editing", "models", "monitor", "server")
"""Folders of `framelens.plugins`. One that was deleted is not used."""
GROUP = "framelens.plugins"
SLOTS = (
    *("analyse.page", "analyse.several", "analyse.source", "cli.several", "models.extra"),
    *("page.dialog", "range.action", "report.actions", "report.files", "sidebar", "work.groups"),
)
"""Places in which the pages, and one command, call functions of plugins.

- analyse.page(job): draws at the top of the Analyse page; true if that is the whole page. The job is None without one.
- analyse.several(name, videos, request): begins the analyses of several videos and opens them on the page. A video is
  its name and its path, or the error of one that can't be used.
- analyse.source(): draws one more way to choose a video, below the drop area.
- cli.several(inputs, make_request, code_of, settings, given, output): runs `framelens analyse` with several videos and
  returns the exit code.
- models.extra(catalogue): draws on the Models page.
- page.dialog(): draws a dialog over the page if one was asked for.
- range.action(): returns what can be done with a range of a video, an `app.components.ranges.RangeAction`, whose button
  is at each finding, chapter, interval and search hit, and at a range drawn in the player.
- report.actions(job, analysis): draws in the menu of a report.
- report.files(job, analysis): draws below the files of a report, where the user may change something.
- sidebar(): draws below the list of work.
- work.groups(): yields rows of the sidebar, each of several analyses (`app.panels.work.rows.RowGroup`).
"""
Role = Literal["viewer", "analyst", "administrator"]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """A page of the application.

    Attributes:
        name: End of its address; its title is the text `ui.page_NAME`.
        icon: Icon of Material Symbols, as ":material/monitoring:".
        draw: Function without arguments that draws it, as "module:function".
        role: Least role of a user who sees it.
    """

    name: str
    icon: str
    draw: str
    role: Role = "viewer"


@dataclass(frozen=True)
class Plugin:
    """What one plugin adds. Objects are named as "module:object" and imported when they are used.

    Attributes:
        name: Letters, digits and "_"; unique.
        commands: Modules with `add_arguments(parser)` and `run(given)` by the command's name, whose help is the text
            `cli.NAME_command`.
        formats: Mapping from names to `ReportFormat`, "" for none.
        pages: Pages of the application.
        slots: Functions for places of SLOTS.
        sources: Functions by the beginning of what they read, such as "camera:". Each takes what was typed in place of
            a file and returns the path of a video on this machine; an AppError says why there is none.
        launch_checks: Function from settings to the `LaunchChecks` of a local engine, "" for none.
        routes: Function from the gate and the prefix of addresses to Starlette routes, "" for none.
        resume: Function from the services that continues what earlier processes of the application left, "" for none.
        messages: Package with `en.toml` and `zh.toml`, whose texts are added to those of the core; "" for none.
        version: Version of the package; "" is that of FrameLens.
    """

    name: str
    commands: Mapping[str, str] = field(default_factory=dict)
    formats: str = ""
    pages: Sequence[Page] = ()
    slots: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    launch_checks: str = ""
    routes: str = ""
    resume: str = ""
    messages: str = ""
    version: str = ""


@dataclass(frozen=True)
class PluginState:
    """A plugin that was found.

    Attributes:
        name: Its name.
        version: Version of its package; "" is that of FrameLens.
        plugin: The plugin if it is used, else None.
        fault: Why it can't be used, as the exception says it; "" if it can.
    """

    name: str
    version: str
    plugin: Plugin | None
    fault: str = ""


def used() -> tuple[Plugin, ...]:
    """Return the plugins that are switched on and can be loaded, the built-in ones first."""
    return tuple(state.plugin for state in states() if state.plugin)


@cache
def states() -> tuple[PluginState, ...]:
    """Find all plugins; the result is kept for the life of the process."""
    wanted = config.plugin_names()
    found = [state for name in BUILT_IN if (state := _built_in(name, wanted))]
    known = {state.name for state in found}
    for state in _installed(wanted):
        if state.name in known:
            state = PluginState(state.name, state.version, None, "another plugin has this name")
        known.add(state.name)
        found.append(state)
    for state in found:
        if state.fault:
            log.warning("plugin %s is left out: %s", state.name, state.fault)
    return tuple(found)


def _built_in(name: str, wanted: frozenset[str] | None) -> PluginState | None:
    if not Path(__file__).with_name("plugins").joinpath(name).is_dir():
        return None
    if wanted is not None and name not in wanted:
        return PluginState(name, "", None)
    return _state(name, "", lambda: import_module(f"framelens.plugins.{name}").PLUGIN)


def _installed(wanted: frozenset[str] | None) -> Iterator[PluginState]:
    if wanted is not None and wanted <= set(BUILT_IN):
        return  # looking at all installed packages takes time
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        version = point.dist.version if point.dist else ""
        if wanted is not None and point.name not in wanted:
            yield PluginState(point.name, version, None)
        else:
            yield _state(point.name, version, point.load)


def _state(name: str, version: str, find: Callable[[], Any]) -> PluginState:
    try:
        plugin = find()
    except Exception as error:  # noqa: BLE001 - a faulty plugin is left out, whatever is wrong with it
        return PluginState(name, version, None, f"{type(error).__name__}: {error}")
    if not isinstance(plugin, Plugin):
        return PluginState(name, version, None, f"a {type(plugin).__name__} instead of a Plugin")
    return PluginState(name, version or plugin.version, plugin)


def load(reference: str) -> Any:
    """Return the object that "module:object" names.

    Raises:
        ImportError, AttributeError: It isn't there.
    """
    module, _, name = reference.partition(":")
    found = import_module(module)
    return getattr(found, name) if name else found


def loaded(plugin: Plugin, reference: str) -> Any | None:
    """Return the object that a plugin names, or None if it can't be loaded; the reason goes to the log."""
    try:
        return load(reference)
    except Exception:
        log.exception("plugin %s: %s can't be loaded", plugin.name, reference)
        return None


def in_slot(place: str) -> Iterator[Callable[..., Any]]:
    """Yield the functions of plugins for a place of SLOTS."""
    for plugin in used():
        for reference in plugin.slots.get(place, ()):
            if (found := loaded(plugin, reference)) is not None:
                yield guarded(plugin, found)


def guarded(plugin: Plugin, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of a plugin whose unexpected errors name the plugin; the built-in ones are unchanged.

    Such an error is the InputError "plugin_failed", with its traceback in the log.
    """
    if plugin.name in BUILT_IN:
        return function

    @wraps(function)
    def call(*given: Any, **options: Any) -> Any:
        try:
            return function(*given, **options)
        except AppError:
            raise
        except Exception as error:
            log.exception("plugin %s failed", plugin.name)
            raise InputError("plugin_failed", name=plugin.name, reason=f"{type(error).__name__}: {error}") from error

    return call


def source_of(typed: str) -> Callable[[str], Path] | None:
    """Return the function of a plugin that reads what was typed in place of a file, if there is one."""
    for plugin in used() if ":" in typed else ():
        for beginning, reference in plugin.sources.items():
            if typed.startswith(beginning) and (read := loaded(plugin, reference)) is not None:
                return guarded(plugin, lambda word, read=read: Path(read(word)))
    return None


def pages() -> Iterator[tuple[Page, Callable[[], None]]]:
    """Yield the pages of plugins with the functions that draw them."""
    for plugin in used():
        for page in plugin.pages:
            if (draw := loaded(plugin, page.draw)) is not None:
                yield page, draw


def resume(services: Any) -> None:
    """Have the plugins continue what earlier processes of the application left; what one can't is in the log."""
    for plugin in used():
        if plugin.resume and (continues := loaded(plugin, plugin.resume)):
            try:
                continues(services)
            except Exception:
                log.exception("plugin %s: %s failed", plugin.name, plugin.resume)


def has_page(name: str) -> bool:
    """Return whether a plugin has this page, so that a button may lead to it."""
    return any(page.name == name for plugin in used() for page in plugin.pages)


def command_modules() -> dict[str, str]:
    """Return the module of each command of plugins by its name."""
    return {name: module for plugin in used() for name, module in plugin.commands.items()}
