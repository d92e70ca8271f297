"""Conversations about an analysed video: their values, the request for a question, the streamed answer, exports."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
