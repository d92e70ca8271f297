"""Panels of the login page and the menu."""
