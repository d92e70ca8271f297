"""Parser of a model's config.json."""
