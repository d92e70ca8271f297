"""Who may use an installation: accounts, logins and sessions."""
