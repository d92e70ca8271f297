"""Domain values, events and errors, and helpers that know nothing else of FrameLens."""
