"""Attacks on an installation with three users, a kind a line; `run` is in `routes`, the largest part."""
