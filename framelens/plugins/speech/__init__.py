"""Plugin for speech: transcribes by models in sandboxed processes on this machine, or by a server."""

from framelens.plugin import hook


@hook
def parts() -> dict[str, str]:
    """Return what transcribes and separates speakers, and the functions for its models."""
    return {
        "download.speech": f"{__name__}.commands.download:run",
        "models.extra": f"{__name__}.panel:draw",
        "speech.diariser": f"{__name__}.diariser:diariser",
        "speech.recogniser": f"{__name__}.recogniser:recogniser",
    }
