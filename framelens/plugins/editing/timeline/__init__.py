"""Timelines for players and editing software: chapters, markers, EDL, FCP7 XML, OpenTimelineIO."""
