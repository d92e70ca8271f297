"""HTTP client of FrameLens: one for all requests, with a deadline, a limit of bytes and pinned addresses."""
