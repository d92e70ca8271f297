"""Who may use an installation, and what may run on it: accounts, logins, sessions, shared links, code of models."""
