"""Prompt templates, prompt texts and the JSON schema of answers."""
