"""Vocabulary of failures: findings of checks, and meanings of the messages of engines."""
