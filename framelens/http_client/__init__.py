"""HTTP client of FrameLens for all requests, with a deadline, a limit of bytes and pinned addresses."""
