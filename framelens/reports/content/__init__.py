"""Format-independent content of a report: its document, sections, labels and text helpers."""
