"""Text reports: Markdown, HTML and CSV."""
