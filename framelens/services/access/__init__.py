"""Access to an installation: accounts, logins, sessions, shared links."""
