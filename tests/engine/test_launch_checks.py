"""Checks before a start come from a plugin; without the plugin the engine is built without them."""

from collections.abc import Callable
from pathlib import Path

from framelens import config
from framelens.engine.check_findings import CheckFinding
from framelens.engine.local.launch_checks import launch_checks

HINDRANCE = CheckFinding("preflight_memory_busy", {}, "hinders", table="notice")


def own_checks(settings: config.Settings, folder: Path | None) -> tuple[CheckFinding, ...]:
    return (HINDRANCE,)


def broken(settings: config.Settings, folder: Path | None) -> tuple[CheckFinding, ...]:
    raise ZeroDivisionError


def test_without_a_plugin_nothing_is_checked(tiny_vl: Path, use_plugins: Callable[..., None]) -> None:
    use_plugins()
    checks = launch_checks(config.load({}))
    assert checks.find(None) == checks.inspect(tiny_vl) == ()


def test_the_first_plugin_with_checks_is_asked(use_plugins: Callable[..., None]) -> None:
    names = {"broken": "broken", "own": "own_checks", "next": "broken"}
    places = {plugin: {"launch.checks": f"{__name__}:{name}"} for plugin, name in names.items()}
    use_plugins(none={}, **{plugin: {"parts": parts} for plugin, parts in places.items()})
    assert launch_checks(config.load({})).find(None) == (HINDRANCE,)
