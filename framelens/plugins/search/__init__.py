"""Plugin for search with models of its own: by meaning, with a server of embeddings, and for moments, with a finder."""

from framelens.plugin import hook


@hook
def parts() -> dict[str, str]:
    """Return the functions for the library and questions."""
    return {
        "ask.embeddings": f"{__name__}.parts:embedding_model",
        "ask.finder": f"{__name__}.parts:moment_finder",
        "library.search": f"{__name__}.parts:library_search",
    }
