"""Plugin for engines other than vLLM: how they refuse, stream and reason, and where they run on this machine.

What this plugin does not do:

- Change what is sent; a parameter that an engine refuses is left out by the core.
- Name the product that answers: a rule is about what is said.
- Read further languages than those of `refusals` for more than a full context.
"""

from framelens.plugin import hook


@hook
def parts() -> dict[str, str]:
    """Return the function for the engine client."""
    return {"dialects": f"{__name__}.dialects:dialects"}
