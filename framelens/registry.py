"""Registry of plugins and their parts, which are named so that listing them imports nothing.

The core imports no plugin. It asks here for commands, report formats, pages, routes and parts of pages of the plugins
that are switched on: the built-in plugins of `framelens.plugins`, and installed packages with an entry point in the
group `framelens.plugins`, whose object is a Plugin. FRAMELENS_PLUGINS names the plugins to use, separated by commas;
without it all plugins are used, and with an empty value no plugin.

A plugin that can't be loaded is left out, and its `PluginState` has the reason; a part of a plugin that can't be used
is left out, too, and `left_out` names it. Everything else works.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, wraps
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar

from framelens import config
from framelens.core.errors import AppError, ConfigError, InputError, VideoError, log_path
from framelens.core.files import typed_path
from framelens.core.links import is_link, with_scheme

BUILT_IN = ("batch", "editing", "models", "monitor", "server", "sources", "speech")
"""Folders of `framelens.plugins`. A deleted folder is not used."""
GROUP = "framelens.plugins"
PAGES = ("analyse", "ask", "library")
"""Names of the application's own pages."""
SLOTS = (
    *("analyse.page", "analyse.several", "analyse.source", "cli.several", "doctor.checks", "download.speech"),
    *(
        "library.actions",
        "link.page",
        "mcp.tools",
        "models.experts",
        "models.extra",
        "range.action",
        "report.actions",
        "report.files",
    ),
    *("sidebar", "work.groups"),
)
"""Places in which pages, commands and services call functions of plugins.

- analyse.page(job): draws at the top of the Analyse page; true if that is the whole page. The job may be None.
- analyse.several(name, videos, request): begins the analyses of several videos and opens them on the page. A video is
  its name and its path, or the error if it can't be used.
- analyse.source(): draws one more way to choose a video, below the drop area.
- cli.several(inputs, make_request, code_of, settings, options, output): runs `framelens analyse` with several videos,
  and returns the exit code.
- doctor.checks(settings): yields findings of `framelens doctor` about the plugin
  (`framelens.engine.check_findings`).
- download.speech(options, settings): downloads the model that transcribes speech, with `options.speakers` the models
  that separate speakers, for `framelens download`, and returns the exit code.
- library.actions(job_ids): draws beside the buttons for the chosen reports of the Library.
- link.page(url, outbound, cancel): returns the `framelens.store.videos.links.RemoteVideo` of a page; InputError
  "url_no_video" if it has no video.
- mcp.tools(): yields functions, each a tool of the MCP server with the name of the function (`framelens.api.tools`).
- models.experts(catalogue): draws in the folded part of the Models page.
- models.extra(catalogue): draws on the Models page.
- range.action(): returns an `app.components.ranges.RangeAction` for ranges of a video, whose button is at each finding,
  chapter, interval and search hit, and at a range drawn in the player.
- report.actions(job, analysis): draws in the menu of a report.
- report.files(job, analysis): draws below the files of a report, where the user may change something.
- sidebar(): draws below the list of work.
- work.groups(): yields rows of the sidebar, each of several analyses (`app.panels.work.rows.RowGroup`).
"""
Role = Literal["viewer", "analyst", "administrator"]
ValueT = TypeVar("ValueT")
log = logging.getLogger(__name__)
FAULTS = (Exception, SystemExit)
"""Exceptions that code of a plugin may raise; a module that lacks something may end the program during its import."""
NAME = re.compile(r"[a-z][a-z0-9_-]*")
"""Names of pages, commands and formats."""
_BEGINNING = re.compile(r"[a-z][a-z0-9+.-]+:.*")
"""Beginnings of sources: not the drive of a path on Windows."""
_left_out: dict[tuple[str, str], str] = {}
"""Reasons why parts of plugins are left out, by the plugin's and the part's name."""


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

    def __post_init__(self) -> None:
        """Check the name, which is part of an address."""
        check_name("page", self.name)


@dataclass(frozen=True)
class Plugin:
    """A plugin with its parts. Objects are named as "module:object" and imported when they are used.

    Attributes:
        name: Letters, digits and "_"; unique.
        commands: Commands of click by their names; the list of commands has the text `cli.NAME_command`.
        formats: Mapping from names to `ReportFormat`, or "".
        pages: Pages of the application.
        slots: Functions for places of SLOTS.
        sources: Functions by the beginning of the addresses that they read, such as "camera:". Each takes the address
            that was typed in place of a file and returns the path of a video on this machine; an AppError says why
            there is no video.
        launch_checks: Function from settings to the `LaunchChecks` of a local engine, or "".
        recogniser: Function from settings to the `LocalRecogniser` that transcribes speech with them, or to None;
            or "".
        diariser: Function from settings to the `LocalDiariser` that separates speakers, or to None; or "".
        routes: Function from the gate and the prefix of addresses to Starlette routes, or "".
        api: Router of FastAPI with routes for programs, or ""; the plugin `server` serves them below /api/v1, and
            each depends on a role of `framelens.api.programs`.
        resume: Function from the services that continues unfinished work of earlier processes of the application, or
            "".
        messages: Package with `en.toml` and `zh.toml`, whose texts are added to the core's; or "".
        version: Version of the package; "" is FrameLens's.
    """

    name: str
    commands: Mapping[str, str] = field(default_factory=dict)
    formats: str = ""
    pages: Sequence[Page] = ()
    slots: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    launch_checks: str = ""
    recogniser: str = ""
    diariser: str = ""
    routes: str = ""
    api: str = ""
    resume: str = ""
    messages: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        """Check the names, and the types of fields, since a plugin's author may not use a type checker."""
        for one in fields(self):
            if not _is_a(getattr(self, one.name), str(one.type)):
                raise TypeError(f"{one.name} must be {one.type}, not {getattr(self, one.name)!r}")
        if unknown := self.slots.keys() - set(SLOTS):
            raise ValueError(f"slots: no place is called {', '.join(sorted(unknown))}")
        for name in self.commands:
            check_name("command", name)
        for beginning in self.sources:
            if not _BEGINNING.fullmatch(beginning):
                raise ValueError(f"a source begins with small letters, then a colon, as camera: does: {beginning!r}")


def check_name(kind: str, name: object) -> None:
    """Raise ValueError unless a text can be the name of a page, command or format."""
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise ValueError(f"the name of a {kind} has small letters, digits, - and _: {name!r}")


def _is_a(value: object, kind: str) -> bool:
    """Return whether a value has the type that a field of Plugin names."""
    if kind.startswith("Mapping[str, "):
        values = value.items() if isinstance(value, Mapping) else [(None, None)]
        return all(isinstance(name, str) and _is_a(one, kind[13:-1]) for name, one in values)
    if kind.startswith("Sequence["):
        return isinstance(value, list | tuple) and all(_is_a(one, kind[9:-1]) for one in value)
    return isinstance(value, Page if kind == "Page" else str)


@dataclass(frozen=True)
class PluginState:
    """A plugin that was found.

    Attributes:
        name: Its name.
        version: Version of its package; "" is FrameLens's.
        plugin: The plugin if it is used, else None.
        fault: Reason why the plugin can't be used, from the exception; "" if it can be used.
    """

    name: str
    version: str
    plugin: Plugin | None
    fault: str = ""


def used() -> tuple[Plugin, ...]:
    """Return the plugins that are switched on and can be loaded, built-in plugins first."""
    return tuple(state.plugin for state in states() if state.plugin)


@cache
def states() -> tuple[PluginState, ...]:
    """Find all plugins; the result is kept for the life of the process."""
    wanted = _wanted()
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


def _wanted() -> frozenset[str] | None:
    """Return the names in FRAMELENS_PLUGINS, or None for all plugins.

    All plugins are used if `.env` can't be read; the error is reported where the settings are read.
    """
    try:
        return config.plugin_names()
    except ConfigError:
        return None


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
    except FAULTS as error:  # a faulty plugin is left out, whatever is wrong with it
        return PluginState(name, version, None, f"{type(error).__name__}: {error}")
    if not isinstance(plugin, Plugin):
        return PluginState(name, version, None, f"{type(plugin).__name__} instead of a Plugin")
    if plugin.name != name:
        return PluginState(name, version, None, f"its Plugin is called {plugin.name!r}")
    return PluginState(name, version or plugin.version, plugin)


def leave_out(plugin: Plugin, part: str, reason: str | BaseException) -> None:
    """Name a part of a plugin that isn't used, and why: in the log, and for `left_out`.

    Raises:
        KeyboardInterrupt: The reason is a Ctrl-C, which Python wraps while it makes a class or loads an extension.
    """
    if isinstance(reason, BaseException) and isinstance(reason.__cause__, KeyboardInterrupt):
        raise reason.__cause__
    said = reason if isinstance(reason, str) else f"{type(reason).__name__}: {reason}"
    if (plugin.name, part) not in _left_out:  # pages ask again and again
        log.warning("plugin %s: %s is left out: %s", plugin.name, part, said, exc_info=not isinstance(reason, str))
    _left_out[plugin.name, part] = said


def left_out(name: str) -> dict[str, str]:
    """Return the parts of a plugin that this process has left out so far, with the reasons."""
    return {part: reason for (owner, part), reason in _left_out.items() if owner == name}


def load_all() -> None:
    """Load all parts of the plugins that aren't built in, so that `left_out` has each part that can't be used."""
    for plugin in (one for one in used() if one.name not in BUILT_IN):
        drawn = [page.draw for _, page in _pages() if page in plugin.pages]
        placed = [one for places in plugin.slots.values() for one in places]
        sources = [reference for owner, _, reference in _sources() if owner is plugin]
        for reference in (*drawn, *placed, *references(plugin).values(), *sources):
            loaded(plugin, reference)


def references(plugin: Plugin) -> dict[str, str]:
    """Return the single objects that a plugin names, by the fields of Plugin."""
    others = ("name", "formats", "messages", "version")
    single = {one.name: getattr(plugin, one.name) for one in fields(plugin) if one.type == "str"}
    return {name: reference for name, reference in single.items() if reference and name not in others}


def unknown_names() -> list[str]:
    """Return the names in FRAMELENS_PLUGINS that no plugin has."""
    return sorted((_wanted() or frozenset()) - {state.name for state in states()})


def first_of(
    kind: str, named: Iterable[tuple[Plugin, str, ValueT]], taken: Container[str] = ()
) -> Iterator[tuple[Plugin, str, ValueT]]:
    """Yield the named parts of plugins, but leave out a name that is taken or that another plugin has.

    Args:
        kind: Kind of the parts, such as "page".
        named: For each part the plugin, the name, and the part.
        taken: Names of the core's parts.
    """
    owners: dict[str, Plugin] = {}
    for plugin, name, value in named:
        if name in taken or name in owners:
            owner = "FrameLens" if name in taken else owners[name].name
            leave_out(plugin, f"{kind} {name}", f"{owner} has this name")
        else:
            owners[name] = plugin
            yield plugin, name, value


def load(reference: str) -> Any:
    """Return the object that "module:object" names.

    Raises:
        ImportError, AttributeError: There is no such module or object.
    """
    module, _, name = reference.partition(":")
    found = import_module(module)
    return getattr(found, name) if name else found


def loaded(plugin: Plugin, reference: str) -> Any | None:
    """Return the object that a plugin names, or None if it can't be loaded and is left out."""
    try:
        return load(reference)
    except FAULTS as error:  # whatever it is, it is the plugin's
        leave_out(plugin, reference, error)
        return None


def called(plugin: Plugin, reference: str, *given: object) -> Any | None:
    """Call a function that a plugin names and return its result, or None if the function fails and is left out.

    Raises:
        AppError: The function raised this error for the user.
    """
    try:
        return load(reference)(*given)
    except AppError:
        raise
    except FAULTS as error:  # whatever it is, it is the plugin's
        leave_out(plugin, reference, error)
        return None


def in_slot(place: str, gives: type | UnionType = object, *, each: type | None = None) -> Iterator[Callable[..., Any]]:
    """Yield the functions of plugins for a place of SLOTS, each wrapped by `guarded`."""
    for plugin, _, function in _placed(place):
        yield guarded(plugin, function, gives, each=each)


def results(place: str, gives: type | UnionType = object, *, each: type | None = None) -> Iterator[Any]:
    """Call the functions of plugins for a place without arguments, and yield their results.

    The results of installed plugins are checked as by `guarded`; a function of an installed plugin that fails is left
    out.
    """
    for plugin, reference, function in _placed(place):
        try:
            found = function() if plugin.name in BUILT_IN else _checked(function, gives, each)()
        except FAULTS as error:
            if plugin.name in BUILT_IN:
                raise
            leave_out(plugin, reference, error)
        else:
            yield found


def _placed(place: str) -> Iterator[tuple[Plugin, str, Callable[..., Any]]]:
    for plugin in used():
        for reference in plugin.slots.get(place, ()):
            if (found := loaded(plugin, reference)) is not None:
                yield plugin, reference, found


def guarded(
    plugin: Plugin,
    function: Callable[..., Any],
    gives: type | UnionType = object,
    *,
    each: type | None = None,
) -> Callable[..., Any]:
    """Return a function of a plugin whose unexpected errors name the plugin; built-in functions are unchanged.

    Such an error becomes the InputError "plugin_failed", with its traceback in the log. The items of a generator are
    returned as a list.

    Args:
        plugin: The plugin.
        function: A function of the plugin.
        gives: Type that the function must return.
        each: Type of the items, if the function returns several.
    """
    if plugin.name in BUILT_IN:
        return function
    checked = _checked(function, gives, each)

    @wraps(function)
    def call(*given: Any, **options: Any) -> Any:
        try:
            return checked(*given, **options)
        except AppError:
            raise
        except FAULTS as error:
            log.exception("plugin %s failed", plugin.name)
            raise InputError("plugin_failed", **failure_values(plugin, error)) from error

    return call


def _checked(function: Callable[..., Any], gives: type | UnionType, each: type | None) -> Callable[..., Any]:
    """Return a function that raises TypeError if the result, or an item of it, has a wrong type."""

    def call(*given: Any, **options: Any) -> Any:
        found = function(*given, **options)
        if each is not None or isinstance(found, Iterator):
            found = list(found)
        wrong = [one for one in found if not isinstance(one, each)] if each else []
        if wrong or not isinstance(found, gives):
            one, wanted = (wrong[0], each) if wrong else (found, gives)
            raise TypeError(f"{function.__name__} returned {type(one).__name__}, not {_name_of(wanted)}")
        return found

    return call


def _name_of(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))


def failure_values(plugin: Plugin, error: BaseException) -> dict[str, str]:
    """Return the values of the error "plugin_failed"."""
    return {"name": plugin.name, "reason": f"{type(error).__name__}: {error}", "log": log_path()}


def _sources() -> Iterator[tuple[Plugin, str, str]]:
    """Yield the plugin, the beginning and the function of each source."""
    return first_of("source", ((plugin, *one) for plugin in used() for one in plugin.sources.items()))


def source_of(typed: str) -> Callable[[str], Path] | None:
    """Return the function of a plugin that reads the address typed in place of a file, or None."""
    for plugin, beginning, reference in _sources() if ":" in typed else ():
        if typed.startswith(beginning) and (read := loaded(plugin, reference)) is not None:
            return guarded(plugin, lambda word, read=read: Path(read(word)))
    return None


def file_of(typed: str) -> str:
    """Return the path of a plugin's video for a typed address; `typed` if it names a file or no plugin reads it.

    Raises:
        AppError: The plugin has no video for the address, or failed.
    """
    if os.path.lexists(typed_path(typed)):
        return typed
    address = with_scheme(typed) if typed.lower().startswith("www.") else typed
    return str(read(address)) if (read := source_of(address)) else typed


def address_error(address: str) -> VideoError:
    """Return the error for an address that isn't read; it names the beginnings that plugins read."""
    known = tuple(beginning for _, beginning, _ in _sources())
    if address.startswith("s3://"):
        return VideoError("video_in_s3", address=address)
    if is_link(address) and not address.startswith(known):
        return VideoError("link_without_plugin", address=address)
    if not known:
        return VideoError("video_is_address_alone", address=address)
    return VideoError("video_is_address", address=address, known=", ".join(known))


def _pages() -> Iterator[tuple[Plugin, Page]]:
    named = ((plugin, page.name, page) for plugin in used() for page in plugin.pages)
    for plugin, _, page in first_of("page", named, PAGES):
        yield plugin, page


def page_names() -> tuple[str, ...]:
    """Return the names of the pages of plugins."""
    return tuple(page.name for _, page in _pages())


def pages() -> Iterator[tuple[Page, Callable[[], None]]]:
    """Yield the pages of plugins with the functions that draw them."""
    for plugin, page in _pages():
        if (draw := loaded(plugin, page.draw)) is not None:
            yield page, guarded(plugin, draw)


def resume(services: Any) -> None:
    """Have the plugins continue unfinished work of earlier processes; errors of a plugin are in the log."""
    for plugin in used():
        if plugin.resume and (continues := loaded(plugin, plugin.resume)):
            try:
                continues(services)
            except FAULTS as error:  # the application starts without it
                leave_out(plugin, plugin.resume, error)


def has_page(name: str) -> bool:
    """Return whether a plugin has this page, so that a button may lead to it."""
    return name in page_names()


def commands(taken: Container[str]) -> Iterator[tuple[Plugin, str, str]]:
    """Yield the commands of plugins: the plugin, the command's name, and its module.

    Args:
        taken: Names of the core's own commands.
    """
    return first_of("command", ((plugin, *one) for plugin in used() for one in plugin.commands.items()), taken)
