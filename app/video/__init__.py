"""From a video file to its keyframes and what can be measured on them.

`probe`, `extract` and `full_pictures` do their decoding in a child process, so that a malformed file costs one job
and never the server; importing this package therefore loads no decoder. What a model says about the frames is not
done here.
"""

from app.video.client import extract, full_pictures, probe
from app.video.digest import sha256_of
from app.video.version import version

__all__ = ["extract", "full_pictures", "probe", "sha256_of", "version"]
