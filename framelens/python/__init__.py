"""Python API, exported by `framelens`: sessions, keyframes, analyses, questions and reports."""
