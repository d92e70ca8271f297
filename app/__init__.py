"""Streamlit interface: pages, their panels and components, and the state of a browser session.

What every panel needs is imported from here: the context, short texts for values, and the state of the session.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
