"""Plugin for search by meaning: reports like the words, and pictures like a question, with a server of embeddings."""

from framelens.plugin import hook


@hook
def parts() -> dict[str, str]:
    """Return the functions for the library and questions."""
    return {
        "ask.embeddings": f"{__name__}.parts:embedding_model",
        "library.search": f"{__name__}.parts:library_search",
    }
