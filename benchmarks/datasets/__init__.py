"""FrameLens over public sets of questions about videos: LongVideoBench, Video-MME and TimeLens-Bench."""
