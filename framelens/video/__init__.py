"""Keyframes, shots, measurements, sound and subtitles of video files. No model analyses the frames here.

framelens.video.extractor and framelens.video.stills decode in a worker process, so that a malformed file fails one job
and never the server. Importing this package loads no decoder and no module: the worker is a module of this package and
starts for every file.

What this room does not do:

- Streams without an end, and files that still grow.
- Lossless copies, or any writing of video: plugins do that with the ffmpeg program.
- Dolby Vision profile 5, whose colours stay as they are coded.
- Damage that a second decoder would not see either.
"""
