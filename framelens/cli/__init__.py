"""Command line interface.

What this room does not do:

- A shell or a full-screen interface.
- Colours and bars where the output is no terminal.
"""
