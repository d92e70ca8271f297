"""Keyframes and shots of FrameLens beside those of other tools: how much they see, how fast, with how much memory."""
