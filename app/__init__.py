"""FrameLens: video analysis with vision-language models."""
