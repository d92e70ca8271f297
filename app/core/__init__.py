"""Domain values, events and errors, and helpers that know nothing else of FrameLens."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
