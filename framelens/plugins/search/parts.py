"""What the core opens, if FRAMELENS_EMBEDDING or FRAMELENS_FINDER is set; nothing heavy is imported without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framelens.plugin import Settings

if TYPE_CHECKING:
    from framelens.plugin.storage import LibraryIndex
    from framelens.plugins.search.embeddings import EmbeddingModel
    from framelens.plugins.search.finder import Finder
    from framelens.plugins.search.semantic_index import SemanticIndex


def embedding_model(settings: Settings) -> EmbeddingModel | None:
    """Return the embedding model that is set, if any."""
    if not settings.embedding_base_url:
        return None
    from framelens.plugin.engines import normal_base_url
    from framelens.plugins.search.embeddings import EmbeddingModel

    url = normal_base_url(settings.embedding_base_url)
    return EmbeddingModel(url, settings.embedding_model, settings.embedding_api_key)


def moment_finder(settings: Settings) -> Finder | None:
    """Return the model that is asked for moments alone, if one is set."""
    if not settings.finder_base_url:
        return None
    from framelens.plugin.engines import normal_base_url
    from framelens.plugins.search.finder import Finder

    return Finder(
        normal_base_url(settings.finder_base_url),
        settings.finder_model,
        settings.finder_api_key,
        settings.timeout_seconds,
    )


def library_search(settings: Settings, library: LibraryIndex) -> SemanticIndex | None:
    """Build the semantic index of a library if an embedding model is set."""
    if (model := embedding_model(settings)) is None:
        return None
    from framelens.plugins.search.semantic_index import SemanticIndex

    return SemanticIndex(library, f"{model.model} {model.base_url}".strip(), model)
