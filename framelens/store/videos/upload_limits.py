"""Limits of uploads: how many are unfinished, and how many bytes a user has uploaded or announced."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from framelens.core.errors import InputError, StorageError
from framelens.core.units import human_size

UploadPurpose = Literal["video", "report", "picture"]
"""Purpose of an upload: a video or its subtitles, reports to import, a picture for a question. Uploads for the last two
become no videos: they are deleted after they are read once, or after UNREAD_SECONDS.
"""
_MOST_REPORT_BYTES = 200 * 2**20
_MOST_PICTURE_BYTES = 32 * 2**20
"""Largest sizes of a file with reports and of a picture."""
_MOST_UNFINISHED_OF_ALL = 1000
"""Most unfinished uploads of all users."""
HELD_SECONDS = 600.0
"""Time for which disk space is kept for an idle upload; later the upload continues if there is space."""
STALE_SECONDS = 3 * 24 * 3600.0
"""An unfinished upload to which nothing was added for three days, such as a weekend, is deleted."""
UNREAD_SECONDS = 3600.0
"""An upload that is whole and waits to be read once, such as the picture of a question that was never asked, is deleted
after this time."""


@dataclass(frozen=True)
class UploadLimits:
    """Limits of a user.

    Attributes:
        most_bytes: Most bytes of finished uploads and of the sizes announced for unfinished uploads.
        most_unfinished: Largest number of unfinished uploads.
    """

    most_bytes: int = 1000 * 1000**3
    most_unfinished: int = 100

    def check_count(self, name: str, unfinished: Collection[str], user_id: str) -> None:
        """Check that a user may begin another upload.

        Args:
            name: The file's name, for errors.
            unfinished: The user of each unfinished upload.
            user_id: The user.

        Raises:
            StorageError: "uploads_unfinished", or "uploads_unfinished_of_all" if other users have too many.
        """
        own = sum(one == user_id for one in unfinished)
        if own >= self.most_unfinished:
            days = round(STALE_SECONDS / (24 * 3600))
            raise StorageError("uploads_unfinished", name=name, count=own, days=days)
        if len(unfinished) >= max(_MOST_UNFINISHED_OF_ALL, self.most_unfinished):
            raise StorageError("uploads_unfinished_of_all", name=name, count=len(unfinished))

    def check_bytes(self, name: str, size_bytes: int, used_bytes: int) -> None:
        """Check that a user who has used `used_bytes` may upload `size_bytes` more.

        Raises:
            InputError: "upload_too_large", if the file alone exceeds the limit.
            StorageError: "upload_quota".
        """
        most = human_size(self.most_bytes)
        if size_bytes > self.most_bytes:
            raise InputError("upload_too_large", name=name, size=human_size(size_bytes), most=most)
        if used_bytes + size_bytes > self.most_bytes:
            needed, used = human_size(size_bytes), human_size(used_bytes)
            raise StorageError("upload_quota", name=name, needed=needed, used=used, most=most)


def check_size(name: str, size_bytes: int, purpose: UploadPurpose) -> None:
    """Check that a picture or a file of reports isn't too large; videos have the limit of their user.

    Raises:
        InputError: "image_too_large" or "upload_report_too_large".
    """
    if purpose == "picture" and size_bytes > _MOST_PICTURE_BYTES:
        given, most = human_size(size_bytes), human_size(_MOST_PICTURE_BYTES)
        raise InputError("image_too_large", name=name, given=given, most=most)
    if purpose == "report" and size_bytes > _MOST_REPORT_BYTES:
        raise InputError(
            "upload_report_too_large", name=name, size=human_size(size_bytes), most=human_size(_MOST_REPORT_BYTES)
        )
