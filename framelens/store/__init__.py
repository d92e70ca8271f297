"""Files and databases in the data folder: jobs, library index, videos, caches and measurements."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
