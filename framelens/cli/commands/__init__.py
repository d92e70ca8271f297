"""Commands of the command line, each a module."""
