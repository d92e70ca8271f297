"""Analysis of a video: from a request to a finished Analysis, as a generator of typed events.

What this room does not do:

- Answers from memory: a question is always asked about frames.
- Two models for one report.
- Agents and tools: a model reads and writes text alone.
"""
