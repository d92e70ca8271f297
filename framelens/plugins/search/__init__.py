"""Plugin for search by meaning: reports like the words, and pictures like a question, with a server of embeddings."""

from framelens.plugin import hook


@hook
def parts(place: str) -> str | None:
    """Return what the library and questions use."""
    return {
        "ask.embeddings": f"{__name__}.parts:embedding_model",
        "library.search": f"{__name__}.parts:library_search",
    }.get(place)
