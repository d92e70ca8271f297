"""Command line interface.

What this room does not do:

- A shell or a full-screen interface.
- Colours and bars where the output is no terminal.
- Guesses about words: as with all programs of click, the last of two values counts, `-json` is `-j -s -o n`, a blank
  word is a word, and an option belongs behind the command that has it.
"""
