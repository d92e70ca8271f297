"""Speech on this machine beside faster-whisper itself: errors, times, speed, memory, and words over silence."""
