"""Links that open a report without an account."""
