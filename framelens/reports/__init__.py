"""Report formats, each a pure function of an Analysis, with their content and graphics."""
