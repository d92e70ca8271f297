"""Command `framelens models`: each group of subcommands is a module."""
