"""Recognition of speech in a worker process: its messages, its program, and its computations."""
