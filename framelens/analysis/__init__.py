"""Analysis of a video: from a request to a finished Analysis, as a generator of typed events."""
