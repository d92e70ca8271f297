"""Panels of conversations: the list with the first question, an open conversation, its turns, and the settings."""
