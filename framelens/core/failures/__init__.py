"""What goes wrong, as one vocabulary: findings of checks, and what the messages of engines mean."""
