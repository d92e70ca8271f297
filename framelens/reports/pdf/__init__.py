"""PDF report, typeset by Typst."""
