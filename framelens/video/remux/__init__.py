"""New files of a video's packets, without decoding them: an overview of I-frames, and pictures joined with sound."""
