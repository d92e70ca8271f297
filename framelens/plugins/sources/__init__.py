"""Plugin for sources: videos from links, and from pages that yt-dlp knows."""

from framelens.plugin import hook


@hook
def sources() -> dict[str, str]:
    """Return what reads links."""
    return {f"{scheme}://": f"{__name__}.typed:fetched" for scheme in ("http", "https")}


@hook
def page_parts(place: str) -> str | None:
    """Return what is drawn in a place."""
    return f"{__name__}.panel:draw" if place == "analyse.source" else None


@hook
def parts(place: str) -> str | None:
    """Return what the doctor and links use."""
    return {"doctor.checks": f"{__name__}.checks:checks", "link.page": f"{__name__}.ytdlp:find"}.get(place)
