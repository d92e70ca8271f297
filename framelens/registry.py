"""Plugins and their parts, found with pluggy and named so that listing them imports nothing.

The core imports no plugin. It asks here for the parts of the plugins that are switched on: the built-in plugins of
`framelens.plugins`, and installed packages with an entry point in the group `framelens.plugins`. A plugin is a package
whose functions marked with `hook` implement some of `Hooks`; texts are in `messages/en.toml` and `zh.toml` beside it.
FRAMELENS_PLUGINS names the plugins to use, separated by commas; without it all plugins are used, and with an empty
value no plugin.

A plugin that can't be loaded is left out, and its `PluginState` has the reason; a part of a plugin that can't be used
is left out, too, and `left_out` names it. Everything else works.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial, wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol, TypeVar, cast

import pluggy

from framelens import config
from framelens.core.errors import AppError, ConfigError, InputError, VideoError, log_path
from framelens.core.files import typed_path
from framelens.core.links import is_link, with_scheme

BUILT_IN = ("batch", "captions", "editing", "models", "monitor", "search", "server", "sources", "speech")
"""Folders of `framelens.plugins`. A deleted folder is not used."""
GROUP = "framelens.plugins"
PAGES = ("analyse", "ask", "library")
"""Names of the application's own pages."""
PAGE_PLACES = (
    *("analyse.page", "analyse.several", "analyse.source", "library.actions", "models.experts", "models.extra"),
    *("range.action", "report.actions", "report.files", "sidebar", "work.groups"),
)
"""Places in the pages, see `Hooks.page_parts`."""
PLACES = (
    *("api", "ask.embeddings", "cli.several", "doctor.checks", "download.speech", "library.search", "link.page"),
    *("mcp.tools", "resume", "routes", "subtitles"),
)
"""Places in commands and services, see `Hooks.parts`."""
ALL_PLACES = (*PAGE_PLACES, *PLACES)
Role = Literal["viewer", "analyst", "administrator"]
ValueT = TypeVar("ValueT")
log = logging.getLogger(__name__)
hook = pluggy.HookimplMarker("framelens")
_spec = pluggy.HookspecMarker("framelens")
PLUGIN_FAULTS = (Exception, SystemExit)
"""Exceptions that code of a plugin may raise; a module that lacks something may end the program during its import."""
NAME = re.compile(r"[a-z][a-z0-9_-]*")
"""Names of pages, commands and formats."""
_left_out: dict[tuple[str, str], str] = {}
"""Reasons why parts of plugins are left out, by the plugin's and the part's name."""


class Hooks(Protocol):
    """What a plugin may add. Objects are named as "module:object" and imported when they are used.

    Types without a module are in the modules of `framelens.plugin`.
    """

    @_spec
    def commands(self) -> Mapping[str, str]:
        """Return commands of click by their names; the list of commands has the text `cli.NAME_command`."""

    @_spec
    def pages(self) -> Sequence[Page]:
        """Return pages of the application."""

    @_spec
    def page_parts(self, place: str) -> str | None:
        """Return the function for a place in the pages, or None.

        Each gets the `framelens.plugin_page.PageTools` that it draws with before what is named here.

        - analyse.page(job): draws at the top of the Analyse page; true if that is the whole page. The job may be None.
        - analyse.several(name, videos, request): begins the analyses of several videos and opens them on the page. A
          video is its name and its path, or the error if it can't be used.
        - analyse.source(): draws one more way to choose a video, below the drop area.
        - library.actions(job_ids): draws beside the buttons for the chosen reports of the Library.
        - models.experts(catalogue): draws in the folded part of the Models page.
        - models.extra(catalogue): draws on the Models page.
        - range.action(): returns an `framelens.plugin_page.RangeAction` for ranges of a video, whose button is at each
          finding, chapter, interval and search hit, and at a range drawn in the player.
        - report.actions(job, analysis): draws in the menu of a report.
        - report.files(job, analysis): draws below the files of a report, where the user may change something.
        - sidebar(): draws below the list of work.
        - work.groups(): yields rows of the sidebar, each of several analyses (`framelens.plugin_page.RowGroup`).
        """

    @_spec
    def parts(self, place: str) -> str | None:
        """Return the function for a place in commands and services, or None.

        - api: a router of FastAPI with routes for programs; the plugin `server` serves them below /api/v1, and each
          depends on the role `VIEWER` or `ANALYST`.
        - ask.embeddings(settings): returns the `PictureEmbedder` that compares pictures with a question, or None.
        - cli.several(inputs, code_of, settings, options, output): runs `framelens analyse` with several
          videos, and returns the exit code.
        - doctor.checks(settings): yields findings of `framelens doctor` about the plugin
          (`CheckFinding`).
        - download.speech(options, settings): downloads the model that transcribes speech, with `options.speakers` the
          models that separate speakers, for `framelens download`, and returns the exit code.
        - library.search(settings, library): returns the `LibrarySearch` that searches a library by more than words, or
          None.
        - link.page(url, outbound, cancel): returns the `RemoteVideo` of a page; InputError
          "url_no_video" if it has no video.
        - mcp.tools(): yields functions, each a tool of the MCP server with the name of the function
          (`ToolCall`).
        - resume(services): continues unfinished work of earlier processes of the application.
        - routes(gate, prefix): returns Starlette routes whose addresses begin with the prefix.
        - subtitles(): returns the `SubtitleForms` that decoders read further forms with; the first plugin's are used.
        """

    @_spec
    def report_formats(self) -> Mapping[str, Any]:
        """Return each `ReportFormat` by its name; its functions may be `lazy`."""

    @_spec
    def sources(self) -> Mapping[str, str]:
        """Return functions by the beginning of the addresses that they read, such as "camera:".

        Each takes the address that was typed in place of a file and returns the path of a video on this machine; an
        AppError says why there is no video.
        """

    @_spec
    def transcribers(self) -> Mapping[str, str]:
        """Return functions from the settings to what works with them, or to None.

        "recogniser" returns a `LocalRecogniser`, which transcribes speech, and
        "diariser" a `LocalDiariser`, which separates speakers.
        """

    @_spec
    def launch_checks(self, settings: config.Settings) -> Any:
        """Return the `LaunchChecks` of a local engine with these settings, or None."""


@dataclass(frozen=True)
class Page:
    """A page of the application.

    Attributes:
        name: End of its address; its title is the text `ui.page_NAME`.
        icon: Icon of Material Symbols, as ":material/monitoring:".
        draw: Function that draws it with the `framelens.plugin_page.PageTools` it gets, as "module:function".
        role: Least role of a user who sees it.
    """

    name: str
    icon: str
    draw: str
    role: Role = "viewer"


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
    wanted = _wanted()
    found = (*_built_in(wanted), *_installed(wanted))
    for state in found:
        if state.fault:
            log.warning("plugin %s is left out: %s", state.name, state.fault)
    return found


def _wanted() -> frozenset[str] | None:
    """Return the names in FRAMELENS_PLUGINS, or None for all plugins.

    All plugins are used if `.env` can't be read; the error is reported where the settings are read.
    """
    try:
        return config.plugin_names()
    except ConfigError:
        return None


def _built_in(wanted: frozenset[str] | None) -> Iterator[PluginState]:
    folder = Path(__file__).with_name("plugins")
    for name in BUILT_IN:
        if (folder / name).is_dir():
            yield _register(name, "", wanted, partial(import_module, f"framelens.plugins.{name}"))


def _installed(wanted: frozenset[str] | None) -> Iterator[PluginState]:
    if wanted is not None and wanted <= set(BUILT_IN):
        return  # looking at all installed packages takes time
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        yield _register(point.name, point.dist.version if point.dist else "", wanted, point.load)


def _register(name: str, version: str, wanted: frozenset[str] | None, find: Callable[[], Any]) -> PluginState:
    if wanted is not None and name not in wanted:
        return PluginState(name, version, is_used=False)
    try:
        plugin = find()
        _manager.register(plugin, name)
        try:
            _manager.check_pending()
            if not _manager.get_hookcallers(plugin):
                raise TypeError("it implements no hook of framelens.registry.Hooks")
        except Exception:
            _manager.unregister(plugin)
            raise
    except PLUGIN_FAULTS as error:  # a faulty plugin is left out, whatever is wrong with it
        return PluginState(name, version, is_used=False, fault=f"{type(error).__name__}: {error}")
    return PluginState(name, version, is_used=True)


def leave_out(owner: str, part: str, reason: str | BaseException) -> None:
    """Name a part of a plugin that isn't used, and why: in the log, and for `left_out`.

    Raises:
        KeyboardInterrupt: The reason is a Ctrl-C, which Python wraps while it makes a class or loads an extension.
    """
    if isinstance(reason, BaseException) and isinstance(reason.__cause__, KeyboardInterrupt):
        raise reason.__cause__
    text = reason if isinstance(reason, str) else f"{type(reason).__name__}: {reason}"
    if (owner, part) not in _left_out:  # pages ask again and again
        log.warning("plugin %s: %s is left out: %s", owner, part, text, exc_info=not isinstance(reason, str))
    _left_out[owner, part] = text


def left_out(owner: str) -> dict[str, str]:
    """Return the parts of a plugin that this process has left out so far, with the reasons."""
    return {part: reason for (name, part), reason in _left_out.items() if name == owner}


def load_all() -> None:
    """Load all parts of the plugins that aren't built in, so that `left_out` has each part that can't be used."""
    drawn = [(owner, page.draw) for owner, page in _pages()]
    placed = [part for place in ALL_PLACES for part in offered(place)]
    others = [(owner, reference) for owner, _, reference in (*_sources(), *named("transcribers"))]
    for owner, reference in (*drawn, *placed, *others):
        if owner not in BUILT_IN:
            loaded(owner, reference)


def unknown_names() -> list[str]:
    """Return the names in FRAMELENS_PLUGINS that no plugin has."""
    return sorted((_wanted() or frozenset()) - {state.name for state in states()})


def implements(owner: str, name: str) -> bool:
    """Return whether a plugin implements a hook."""
    return any(owner == implementation.plugin_name for implementation in getattr(manager().hook, name).get_hookimpls())


def answers(name: str, **arguments: object) -> Iterator[tuple[str, Any]]:
    """Call a hook of each plugin; yield the plugin's name and the result unless it is None.

    A hook that fails is left out.
    """
    for implementation in getattr(manager().hook, name).get_hookimpls():
        owner = implementation.plugin_name
        try:
            answer = implementation.function(*(arguments[one] for one in implementation.argnames))
        except PLUGIN_FAULTS as error:  # whatever it is, it is the plugin's
            leave_out(owner, name, error)
        else:
            if answer is not None:
                yield owner, answer


def named(name: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the parts that a hook gives by their names: the plugin's name, the part's, and the part."""
    for owner, answer in answers(name):
        try:
            parts_by_name = dict(answer)
        except (TypeError, ValueError) as error:
            leave_out(owner, name, error)
        else:
            yield from ((owner, part, value) for part, value in parts_by_name.items())


def first_of(
    kind: str, parts_by_name: Iterable[tuple[str, str, ValueT]], taken: Container[str] = (), *, form: str = NAME.pattern
) -> Iterator[tuple[str, str, ValueT]]:
    """Yield the named parts of plugins, but leave out a name that is taken, that another plugin has, or that is none.

    Args:
        kind: Kind of the parts, such as "page".
        parts_by_name: For each part the plugin's name, the part's, and the part.
        taken: Names of the core's parts.
        form: Regular expression of a name.
    """
    owners: dict[str, str] = {}
    for owner, name, value in parts_by_name:
        if not re.fullmatch(form, str(name)):
            leave_out(owner, f"{kind} {name}", f"the name of a {kind} must match {form}")
        elif name in taken or name in owners:
            leave_out(owner, f"{kind} {name}", f"{owners.get(name, 'FrameLens')} has this name")
        else:
            owners[name] = owner
            yield owner, name, value


def load(reference: str) -> Any:
    """Return the object that "module:object" names.

    Raises:
        ImportError, AttributeError: There is no such module or object.
    """
    module, _, name = reference.partition(":")
    found = import_module(module)
    return getattr(found, name) if name else found


def loaded(owner: str, reference: str) -> Any | None:
    """Return the object that a plugin names, or None if it can't be loaded and is left out."""
    try:
        return load(reference)
    except PLUGIN_FAULTS as error:  # whatever it is, it is the plugin's
        leave_out(owner, reference, error)
        return None


def called(owner: str, reference: str, *arguments: object) -> Any | None:
    """Call a function that a plugin names and return its result, or None if the function fails and is left out.

    Raises:
        AppError: The function raised this error for the user.
    """
    try:
        return load(reference)(*arguments)
    except AppError:
        raise
    except PLUGIN_FAULTS as error:  # whatever it is, it is the plugin's
        leave_out(owner, reference, error)
        return None


def first_result(place: str, *arguments: object) -> Any | None:
    """Call the functions of plugins for a place; return the first result other than None.

    Raises:
        AppError: A function raised this error for the user.
    """
    results = (called(owner, reference, *arguments) for owner, reference in offered(place))
    return next((result for result in results if result is not None), None)


def offered(place: str) -> Iterator[tuple[str, str]]:
    """Yield what plugins have for a place, without importing it: the plugin's name and the reference."""
    return answers("page_parts" if place in PAGE_PLACES else "parts", place=place)


def placed(place: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the objects of plugins for a place: the plugin's name, the reference and the object."""
    for owner, reference in offered(place):
        if (found := loaded(owner, reference)) is not None:
            yield owner, reference, found


def parts(place: str) -> Iterator[Callable[..., Any]]:
    """Yield the functions of plugins for a place, each wrapped by `guarded`."""
    for owner, _, function in placed(place):
        yield guarded(owner, function)


def guarded(owner: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of a plugin whose unexpected errors name the plugin; built-in functions are unchanged.

    Such an error becomes the InputError "plugin_failed", with its traceback in the log. The items of a generator are
    returned as a list.
    """
    if owner in BUILT_IN:
        return function

    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            result = function(*arguments, **options)
            return list(result) if isinstance(result, Iterator) else result
        except AppError:
            raise
        except PLUGIN_FAULTS as error:
            log.exception("plugin %s failed", owner)
            raise InputError("plugin_failed", **failure_values(owner, error)) from error

    return call


def failure_values(owner: str, error: BaseException) -> dict[str, str]:
    """Return the values of the error "plugin_failed"."""
    return {"name": owner, "reason": f"{type(error).__name__}: {error}", "log": log_path()}


def _sources() -> Iterator[tuple[str, str, str]]:
    """Yield the plugin, the beginning and the function of each source; a beginning isn't the drive of a path."""
    return first_of("source", named("sources"), form=r"[a-z][a-z0-9+.-]+:.*")


def source_of(typed: str) -> Callable[[str], Path] | None:
    """Return the function of a plugin that reads the address typed in place of a file, or None."""
    for owner, beginning, reference in _sources() if ":" in typed else ():
        if typed.startswith(beginning) and (read := loaded(owner, reference)) is not None:
            return guarded(owner, lambda word, read=read: Path(read(word)))
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


def _pages() -> Iterator[tuple[str, Page]]:
    pages_by_name = ((owner, page.name, page) for owner, given in answers("pages") for page in given)
    return ((owner, page) for owner, _, page in first_of("page", pages_by_name, PAGES))


def page_names() -> tuple[str, ...]:
    """Return the names of the pages of plugins."""
    return tuple(page.name for _, page in _pages())


def pages() -> Iterator[tuple[Page, Callable[[Any], None]]]:
    """Yield the pages of plugins with the functions that draw them."""
    for owner, page in _pages():
        if (draw := loaded(owner, page.draw)) is not None:
            yield page, guarded(owner, draw)


def has_page(name: str) -> bool:
    """Return whether a plugin has this page, so that a button may lead to it."""
    return name in page_names()


def resume(services: Any) -> None:
    """Have the plugins continue unfinished work of earlier processes; errors of a plugin are in the log."""
    for owner, reference, resume_work in placed("resume"):
        try:
            resume_work(services)
        except PLUGIN_FAULTS as error:  # the application starts without it
            leave_out(owner, reference, error)


def commands(taken: Container[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the commands of plugins: the plugin's name, the command's, and its reference.

    Args:
        taken: Names of the core's own commands.
    """
    return first_of("command", named("commands"), taken)
