"""What is kept of finished jobs: the Library's entries, imported reports, names of speakers."""
