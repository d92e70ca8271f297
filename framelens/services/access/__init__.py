"""Access to an installation, and trust in code: accounts, logins, sessions, shared links, code of models."""
