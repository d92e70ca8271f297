"""Domain values, events and errors, and helpers that know nothing else of FrameLens.

Python without installed packages can read the settings (`framelens.config`), so lazy-loader may be missing here;
modules are then imported by their own names.
"""

from contextlib import suppress

with suppress(ImportError):
    import lazy_loader

    __getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
