"""Plugin for engines other than vLLM: how they refuse, stream and reason, and where they run on this machine."""

from framelens.plugin import hook


@hook
def parts() -> dict[str, str]:
    """Return the function for the engine client."""
    return {"dialects": f"{__name__}.dialects:dialects"}
