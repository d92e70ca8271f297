"""Python API, whose names `framelens` itself has: sessions, keyframes, analyses, questions and reports of programs."""
