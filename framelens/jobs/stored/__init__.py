"""Records of finished jobs: the entries of the Library, imported reports and names of speakers."""
