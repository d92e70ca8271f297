"""Plugin for search by pictures and meaning: moments of all videos, by a model on this machine or a server; a finder.

Passages are compared by a server of embeddings. The finder is asked where in one video something happens.
"""

from framelens.plugin import hook


@hook
def commands() -> dict[str, str]:
    """Return the command."""
    return {"find": f"{__name__}.commands.find:run"}


@hook
def parts() -> dict[str, str]:
    """Return the functions for the library, questions, pages and the server."""
    return {
        "api": f"{__name__}.api:router",
        "ask.embeddings": f"{__name__}.parts:embedding_model",
        "ask.finder": f"{__name__}.parts:moment_finder",
        "library.check": f"{__name__}.critic:checked",
        "library.field": f"{__name__}.panels.library:draw_field",
        "library.moments": f"{__name__}.panels.library:draw_moments",
        "library.search": f"{__name__}.parts:library_search",
        "mcp.tools": f"{__name__}.tools:mcp_tools",
    }
