"""Parts of `framelens models` and questions about models."""
