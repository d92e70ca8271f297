"""Plugin for sources: videos from links, and from pages that yt-dlp knows."""

from framelens.plugin import hook


@hook
def sources() -> dict[str, str]:
    """Return what reads links."""
    return {f"{scheme}://": f"{__name__}.typed:fetched" for scheme in ("http", "https")}


@hook
def parts() -> dict[str, str]:
    """Return the functions for the page, the doctor and links."""
    return {
        "analyse.source": f"{__name__}.panel:draw",
        "doctor.checks": f"{__name__}.checks:checks",
        "link.page": f"{__name__}.ytdlp:find",
    }
