"""Buttons that save a file, which a route writes when one is pressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from app import resources
from app.components.assets import component
from framelens.i18n import language, t


@dataclass(frozen=True)
class SaveButton:
    """A button.

    Attributes:
        label: Its text.
        url: The address of its file.
        about: What is in the file.
    """

    label: str
    url: str
    about: str = ""


@dataclass(frozen=True)
class SaveGroup:
    """Buttons that belong together, below a caption or none."""

    items: tuple[SaveButton, ...]
    caption: str = ""


_mount = component("exports")


def export_url(path: str, **options: str) -> str:
    """Return the address of an export below /api, for the language of the page."""
    query = "&".join(f"{name}={value}" for name, value in {**options, "lang": language()}.items())
    return f"{resources.api_url(path, with_key=False)}?{query}"


def draw(groups: Sequence[SaveGroup], *, key: str, width: Literal["stretch", "content"] = "stretch") -> None:
    """Draw the buttons."""
    words = {"writing": t("ui.export_writing"), "failed": t("ui.export_failed")}
    data = {"groups": list(map(asdict, groups)), "words": words, "key": resources.route_key(), "width": width}
    _mount(key=key, data=data, width=width)
