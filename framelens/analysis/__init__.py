"""Analysis of one video: from a request to a finished Analysis, as a generator of typed events."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
