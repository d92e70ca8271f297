"""Plugin for speech: transcribes on this machine without a server, by models in sandboxed processes."""

from framelens.registry import Plugin

_HERE = "framelens.plugins.speech"
PLUGIN = Plugin(
    "speech",
    recogniser=f"{_HERE}.recogniser:recogniser",
    diariser=f"{_HERE}.diariser:diariser",
    slots={"download.speech": (f"{_HERE}.commands.download:run",), "models.extra": (f"{_HERE}.panel:draw",)},
    messages=f"{_HERE}.messages",
)
