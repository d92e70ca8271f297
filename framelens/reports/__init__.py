"""Report formats, each a pure function of an Analysis, and what they are made of."""
