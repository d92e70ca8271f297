"""New files of a video's packets, without decoding them: pictures joined with sound."""
