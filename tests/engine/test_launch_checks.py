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


def test_the_first_plugin_with_checks_is_asked(tiny_vl: Path, use_plugins: Callable[..., None]) -> None:
    # Without a plugin nothing is checked.
    use_plugins()
    checks = launch_checks(config.load({}))
    assert checks.find(None) == checks.inspect(tiny_vl) == ()
    # The first plugin with checks is asked.
    names = {"broken": "broken", "own": "own_checks", "next": "broken"}
    places = {plugin: {"launch.checks": f"{__name__}:{name}"} for plugin, name in names.items()}
    use_plugins(none={}, **{plugin: {"parts": parts} for plugin, parts in places.items()})
    assert launch_checks(config.load({})).find(None) == (HINDRANCE,)
