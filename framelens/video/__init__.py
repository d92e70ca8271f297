"""Keyframes, shots, measurements, sound and subtitles of video files. No model analyses the frames here.

`probe`, `extract`, `extract_named`, `full_pictures`, `Stills`, `subtitles_of` and `sound_pieces` decode in a worker
process, so that a malformed file fails one job and never the server. Importing this package therefore loads no decoder.
Its names are imported on first use: the worker is a module of this package and starts for every file.
"""
