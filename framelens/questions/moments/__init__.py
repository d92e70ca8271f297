"""Search for the moments at which something is visible: find, verify, bound."""
