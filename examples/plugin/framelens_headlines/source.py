"""Source of videos: `framelens analyse newest:FOLDER` takes the newest video of a folder."""

from pathlib import Path

from framelens import VideoError
from framelens.plugin.files import is_video_name


def newest(typed: str) -> Path:
    """Return the newest video of the folder that follows "newest:".

    Raises:
        VideoError: The folder has no video.
    """
    folder = Path(typed.partition(":")[2])
    videos = [path for path in folder.glob("*") if is_video_name(path)]
    if not videos:
        raise VideoError("video_not_found", path=str(folder))
    return max(videos, key=lambda path: path.stat().st_mtime)
