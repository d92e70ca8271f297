"""Plugin that reads rare forms of subtitles: closed captions, TTML, and what YouTube and Whisper write."""

from framelens.plugin import hook


@hook
def parts(place: str) -> str | None:
    """Return what decoders use."""
    return f"{__name__}.forms:forms" if place == "subtitles" else None
