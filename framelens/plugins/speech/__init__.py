"""Plugin for speech: transcribes on this machine without a server, by models in sandboxed processes."""

from framelens.plugin import hook


@hook
def transcribers() -> dict[str, str]:
    """Return what transcribes, and what separates speakers."""
    return {"recogniser": f"{__name__}.recogniser:recogniser", "diariser": f"{__name__}.diariser:diariser"}


@hook
def page_parts(place: str) -> str | None:
    """Return what is drawn in a place."""
    return f"{__name__}.panel:draw" if place == "models.extra" else None


@hook
def parts(place: str) -> str | None:
    """Return what `framelens download` uses."""
    return f"{__name__}.commands.download:run" if place == "download.speech" else None
