"""Many videos in one go: what a batch is about, one stored result for each video, and the run on this machine."""
