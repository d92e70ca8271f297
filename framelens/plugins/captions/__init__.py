"""Plugin that reads rare forms of subtitles: closed captions, TTML, and what YouTube and Whisper write."""

from framelens.plugin import hook


@hook
def parts() -> dict[str, str]:
    """Return the function for decoders."""
    return {"subtitles": f"{__name__}.forms:forms"}
