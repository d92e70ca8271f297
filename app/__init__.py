"""Streamlit application: pages, their panels and components, and the state of a browser session."""
