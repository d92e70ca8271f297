"""More than one video or machine: batches with one stored result for each video, and plans of models on clusters."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
