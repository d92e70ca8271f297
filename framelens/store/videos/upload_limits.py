"""Limits of uploads: how many are unfinished, and which share of the disk a user's uploads may take."""

from dataclasses import dataclass
from typing import Literal

from framelens.core.errors import InputError, StorageError
from framelens.core.roles import current_user
from framelens.core.units import human_size

UploadPurpose = Literal["video", "report", "picture"]
"""Purpose of an upload: a video or its subtitles, reports to import, a picture for a question. Uploads for the last two
become no videos: they are deleted after they are read once, or after UNREAD_SECONDS.
"""
_MOST_REPORT_BYTES = 200 * 2**20
_MOST_PICTURE_BYTES = 32 * 2**20
"""Largest sizes of a file with reports and of a picture."""
_SHARE = 0.5
"""Share of the space that a user's uploads may take, of what they take and what is free: what one user announces or
sends leaves as much for the others. Administrators may take all of it."""
ACTIVE_SECONDS = 600.0
"""Time after its last byte for which an upload's missing bytes count for its user."""
STALE_SECONDS = 3 * 24 * 3600.0
"""An unfinished upload to which nothing was added for three days, such as a weekend, is deleted."""
UNREAD_SECONDS = 3600.0
"""An upload that is whole and waits to be read once, such as the picture of a question that was never asked, is deleted
after this time."""


@dataclass(frozen=True)
class UploadLimits:
    """Limits of a user.

    Attributes:
        most_bytes: Most bytes of finished uploads, and of those that are on their way.
        most_unfinished: Largest number of unfinished uploads.
    """

    most_bytes: int = 1000 * 1000**3
    most_unfinished: int = 100

    def check_count(self, name: str, unfinished: int) -> None:
        """Check that a user with so many unfinished uploads may begin another upload. Raises StorageError."""
        if unfinished >= self.most_unfinished:
            days = round(STALE_SECONDS / (24 * 3600))
            raise StorageError("uploads_unfinished", name=name, count=unfinished, days=days)

    def check_bytes(self, name: str, size_bytes: int, *, stored_bytes: int, due_bytes: int, free_bytes: int) -> None:
        """Check that a user may upload a file.

        Args:
            name: The file's name, for errors.
            size_bytes: Its size.
            stored_bytes: Bytes of the user's uploads that are on the disk.
            due_bytes: Missing bytes of the user's active uploads.
            free_bytes: Free space for uploads.

        Raises:
            InputError: "upload_too_large", if the file alone exceeds the limit.
            StorageError: "upload_quota".
        """
        if size_bytes > self.most_bytes:
            sizes = {"size": human_size(size_bytes), "most": human_size(self.most_bytes)}
            raise InputError("upload_too_large", name=name, **sizes)
        share = 1.0 if current_user().role == "administrator" else _SHARE
        used, most = stored_bytes + due_bytes, min(self.most_bytes, round(share * (stored_bytes + free_bytes)))
        if used + size_bytes > most:
            sizes = {"needed": human_size(size_bytes), "used": human_size(used), "most": human_size(most)}
            raise StorageError("upload_quota", name=name, **sizes)


def check_size(name: str, size_bytes: int, purpose: UploadPurpose) -> None:
    """Check that a picture or a file of reports isn't too large; videos have the limit of their user.

    Raises:
        InputError: "image_too_large" or "upload_report_too_large".
    """
    if purpose == "picture" and size_bytes > _MOST_PICTURE_BYTES:
        size, most = human_size(size_bytes), human_size(_MOST_PICTURE_BYTES)
        raise InputError("image_too_large", name=name, given=size, most=most)
    if purpose == "report" and size_bytes > _MOST_REPORT_BYTES:
        raise InputError(
            "upload_report_too_large", name=name, size=human_size(size_bytes), most=human_size(_MOST_REPORT_BYTES)
        )
