"""Model shapes, memory estimates, the model catalogue, number formats and proposals of settings.

Pure functions over data that comes with FrameLens: they download nothing, ask no engine and look at no graphics card.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
