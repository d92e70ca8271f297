"""Python API, exported by `framelens`: sessions, keyframes, analyses, questions and reports.

What this room does not do:

- Asynchronous functions: a call blocks, and events are generators.
- Streamlit, servers or commands.
"""
