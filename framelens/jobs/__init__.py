"""Queue of analyses: submission, worker threads, stored snapshots, deduplication and engine switching.

A job outlives the page that started it. Import from here what other packages use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
