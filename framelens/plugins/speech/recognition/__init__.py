"""Recognition of speech in a worker process: its messages, its program, and what is computed there."""
