"""What the core opens; nothing heavy is imported before a search, or before something is indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framelens.plugin import Settings

if TYPE_CHECKING:
    from framelens.plugin.analyses import Jobs
    from framelens.plugin.storage import Store
    from framelens.plugins.search.embeddings import EmbeddingModel
    from framelens.plugins.search.finder import Finder
    from framelens.plugins.search.moment_index import MomentIndex


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


def library_search(settings: Settings, store: Store, jobs: Jobs) -> MomentIndex:
    """Build the index of moments of a library."""
    from framelens.plugins.search.encoder import Encoders
    from framelens.plugins.search.moment_index import MomentIndex, TextEmbedder, frames_of, with_changes

    model = embedding_model(settings)
    texts = TextEmbedder(f"{model.model} {model.base_url}".strip(), model) if model else None
    encoders = Encoders(settings, model)
    return MomentIndex(
        store,
        jobs.library,
        frames=lambda job_id: frames_of(jobs.snapshot(job_id)),
        details=with_changes,
        texts=texts,
        encoders=encoders,
    )
