"""Panels of the sidebar: engine, queue, recent analyses and language."""
