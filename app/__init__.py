"""Streamlit application: pages, their panels and components, and the state of a browser session.

What this room does not do:

- Logic: a page reads state, calls one function and draws.
- Settings of the installation, which are in `.env`.
"""
