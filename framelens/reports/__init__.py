"""Report formats, each a pure function of an Analysis, with their content and graphics.

What this room does not do:

- Layouts of one's own: a template chooses what is asked, not how it is set.
- Reports in two languages at once.
"""
