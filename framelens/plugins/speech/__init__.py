"""Plugin for speech: transcribes on this machine without a server, by models in sandboxed processes."""

from framelens.registry import Plugin

_HERE = "framelens.plugins.speech"
PLUGIN = Plugin(
    "speech",
    commands={name: f"{_HERE}.commands.{name}" for name in ("speech", "speakers")},
    recogniser=f"{_HERE}.recogniser:recogniser",
    diariser=f"{_HERE}.diariser:diariser",
    slots={"models.extra": (f"{_HERE}.panel:draw",)},
    messages=f"{_HERE}.messages",
)
