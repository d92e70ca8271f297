"""Checks before a start come from a plugin; without the plugin the engine is built without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from framelens import config, registry
from framelens.engine.check_findings import CheckFinding
from framelens.engine.local.launch_checks import LaunchChecks, launch_checks

HINDRANCE = CheckFinding("preflight_memory_busy", {}, "hinders", table="notice")


def own_checks(settings: config.Settings) -> LaunchChecks:
    return LaunchChecks(find=lambda _: (HINDRANCE,))


@pytest.fixture
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use no plugin."""
    monkeypatch.setattr(registry, "used", tuple)


@pytest.mark.usefixtures("no_plugins")
def test_without_a_plugin_nothing_is_checked(tiny_vl: Path) -> None:
    checks = launch_checks(config.load({}))
    assert checks.find(None) == checks.inspect(tiny_vl) == ()


def test_the_first_plugin_with_checks_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = (
        registry.Plugin("none"),
        registry.Plugin("broken", launch_checks="framelens.nothing:checks"),
        registry.Plugin("own", launch_checks=f"{__name__}:own_checks"),
        registry.Plugin("next", launch_checks="framelens.nothing:checks"),
    )
    monkeypatch.setattr(registry, "used", lambda: plugins)
    assert launch_checks(config.load({})).find(None) == (HINDRANCE,)
