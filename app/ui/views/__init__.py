"""Views of the application, one module each.

A folder named `pages` beside the entry script would switch on Streamlit's own pages.
"""
