"""Plugin for sources: videos from links, and from pages that yt-dlp knows."""

from framelens.registry import Plugin

_HERE = "framelens.plugins.sources"
PLUGIN = Plugin(
    "sources",
    sources={f"{scheme}://": f"{_HERE}.typed:fetched" for scheme in ("http", "https")},
    slots={
        "analyse.source": (f"{_HERE}.panel:draw",),
        "doctor.checks": (f"{_HERE}.checks:checks",),
        "link.page": (f"{_HERE}.ytdlp:find",),
    },
    messages=f"{_HERE}.messages",
)
