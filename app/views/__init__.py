"""Views of the application, one page per module. A page reads state, calls a service and lets panels draw.

The folder must not be named `pages`: beside the entry script that would switch on Streamlit's own pages.
"""
