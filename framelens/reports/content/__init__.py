"""Format-independent content of a report: its document, sections, labels and text helpers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
