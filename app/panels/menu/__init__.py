"""Panels of the menu: the model in use, the other pages, theme, language and account."""
