"""Plugin for speech: transcribes on this machine without a server, by faster-whisper in a sandboxed process."""

from framelens.registry import Plugin

_HERE = "framelens.plugins.speech"
PLUGIN = Plugin(
    "speech",
    commands={"speech": f"{_HERE}.commands.speech"},
    recogniser=f"{_HERE}.recogniser:recogniser",
    slots={"models.extra": (f"{_HERE}.panel:draw",)},
    messages=f"{_HERE}.messages",
)
