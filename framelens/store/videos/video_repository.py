"""Repository of the videos that pages and routes may use: uploads, files below an allowed folder, the bundled sample.

A video has an id that cannot be guessed, and each id has a small JSON file beside the uploads, with its owner. An
unfinished upload is a part file with its own JSON file, so that it resumes after a reload or a restart. Nothing here
decodes a video.
"""

import errno
import hashlib
import hmac
import os
import re
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Literal

from filelock import FileLock, Timeout

from framelens.core.codec import from_builtins, to_builtins
from framelens.core.errors import Cancelled, InputError, StorageError
from framelens.core.files import (
    address_in,
    is_inside,
    local_path,
    make_private_folder,
    reason_of,
    safe_file_name,
    shown_name,
    shown_path,
)
from framelens.core.links import Link
from framelens.core.roles import current_user, requires, sees
from framelens.core.units import human_size
from framelens.store.fs_utils import (
    KEPT_FREE_BYTES,
    check_floor,
    disk_errors,
    own_secret,
    read_json,
    remove_scratch,
    write_json,
)
from framelens.store.videos.arriving_video import ArrivingVideo
from framelens.store.videos.upload_limits import (
    ACTIVE_SECONDS,
    STALE_SECONDS,
    UNREAD_SECONDS,
    UploadLimits,
    UploadPurpose,
    check_size,
)
from framelens.video.sources import address_error

Origin = Literal["upload", "path", "sample"]
_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_POLL_SECONDS = 0.2
_USUAL_LIMITS = UploadLimits()


@dataclass(frozen=True)
class Upload:
    """An upload, complete when `offset` is `size_bytes`. If it is for a video, its id becomes the id of the video."""

    id: str
    name: str
    size_bytes: int
    offset: int
    purpose: UploadPurpose = "video"

    @property
    def is_complete(self) -> bool:
        """Return whether all bytes have arrived."""
        return self.offset == self.size_bytes


class PartialUpload:
    """An upload that is open for writing."""

    def __init__(self, upload: Upload, file: RawIOBase, folder: Path) -> None:
        self.offset = upload.offset
        self._upload = upload
        self._file = file
        self._folder = folder

    def write(self, chunk: bytes) -> None:
        """Append these bytes.

        Raises:
            InputError: "upload_too_long" if they exceed the announced size.
            StorageError: The disk is full or refuses.
        """
        if self.offset + len(chunk) > self._upload.size_bytes:
            raise InputError("upload_too_long", name=self._upload.name, size_bytes=self._upload.size_bytes)
        rest = memoryview(chunk)
        while rest:
            with disk_errors(self._folder):
                check_floor(self._folder)
                written = self._file.write(rest) or 0
            self.offset += written
            rest = rest[written:]


_GOES_WITH = "goes_with"
"""Key of a record: the id of the analysis with which the video is being deleted."""


@dataclass(frozen=True)
class _UploadSize:
    """Bytes of an upload that are on the disk, and those that are missing: 0 if it has stopped."""

    user_id: str
    stored_bytes: int
    due_bytes: int = 0


class VideoRepository:
    """Uploads in the data folder, and read-only videos below `input_dirs` or at `sample`. Safe for several threads.

    Nothing else in the data folder is a video, even if an allowed folder contains it.

    A video belongs to the user who uploads it. A file in an allowed folder, which all may use, becomes a separate video
    for each user. The ids of other users' videos count as unknown; administrators may use all videos.

    Every method raises StorageError if the disk is full or refuses.
    """

    def __init__(
        self, data_dir: Path, input_dirs: tuple[Path, ...], sample: Path, limits: UploadLimits = _USUAL_LIMITS
    ) -> None:
        self._data_dir = data_dir
        self._folder = folder = data_dir / "videos"
        self._parts = folder / "parts"
        self._sample = sample
        self.input_dirs = input_dirs
        self._limits = limits
        self._creating = threading.Lock()  # so that an upload sees what an earlier upload announces
        with disk_errors(folder):
            make_private_folder(self._parts)
            self._secret = own_secret(folder / "secret")
            for directory in (folder, self._parts):
                remove_scratch(directory)
            self._drop_stale_parts()

    # ---- uploads -----------------------------------------------------------------------------------------------------

    @requires("analyst")
    def create_upload(self, name: str, size_bytes: int, purpose: UploadPurpose = "video") -> Upload:
        """Start an upload of `size_bytes`. Forget uploads that were abandoned.

        Raises:
            InputError: "upload_empty", "upload_too_large", "image_too_large" or "upload_report_too_large".
            StorageError: "disk_full" if the file doesn't fit, "uploads_unfinished" or "upload_quota", or the disk
                refuses.
        """
        shown = shown_name(name)
        if size_bytes <= 0:
            raise InputError("upload_empty", name=shown)
        check_size(shown, size_bytes, purpose)
        with self._creating:
            with disk_errors(self._parts):
                self._drop_stale_parts()
            self._limits.check_count(
                shown, sum(other.user_id == current_user().id for other in self._unfinished_sizes())
            )
            self.check_room(shown, size_bytes)
            upload = Upload(secrets.token_urlsafe(24), shown, size_bytes, 0, purpose)
            with disk_errors(self._parts):
                self._part(upload.id).touch(mode=0o600)
                record = {"name": shown, "size_bytes": size_bytes, "user_id": current_user().id}
                record["purpose"] = purpose
                write_json(self._parts / f"{upload.id}.json", record)
        return upload

    @requires("analyst")
    def upload(self, upload_id: str) -> Upload:
        """Get the state of an upload; an upload that has become a video is complete.

        Raises:
            InputError: "upload_unknown".
        """
        sidecar = read_json(self._parts / f"{_checked_id(upload_id, 'upload_unknown')}.json")
        if sidecar and _is_visible(sidecar):
            with suppress(FileNotFoundError):  # it was finished meanwhile
                offset = self._part(upload_id).stat().st_size
                return Upload(upload_id, sidecar["name"], sidecar["size_bytes"], offset, sidecar["purpose"])
        video = read_json(self._record(upload_id))
        if video and _is_visible(video) and video["origin"] == "upload":
            return Upload(upload_id, video["name"], video["size_bytes"], video["size_bytes"])
        raise InputError("upload_unknown", id=upload_id)

    @contextmanager
    def part(self, upload_id: str, offset: int) -> Iterator[PartialUpload]:
        """Open an upload for writing at `offset`, which must be its end, so that nothing is ever overwritten.

        Raises:
            InputError: "upload_unknown", "upload_conflict" for another offset, or "upload_busy" if it is already open.
        """
        self.upload(upload_id)  # whether another user's upload is open isn't said
        with self._upload_lock(upload_id):
            upload = self.upload(upload_id)
            if offset != upload.offset or upload.is_complete:
                raise InputError("upload_conflict", name=upload.name, given=offset, expected=upload.offset)
            with disk_errors(self._parts):
                file = self._part(upload_id).open("ab", buffering=0)
            with file:
                yield PartialUpload(upload, file, self._parts)

    def finish(self, upload_id: str) -> str:
        """Turn a complete upload for a video into a video and return its id; calling it twice, or at once, is harmless.

        Raises:
            InputError: "upload_unknown" or "upload_incomplete".
        """
        upload = self.upload(upload_id)
        if not upload.is_complete:
            raise InputError(
                "upload_incomplete", name=upload.name, received=upload.offset, size_bytes=upload.size_bytes
            )
        if upload.purpose == "video" and self._part(upload_id).exists():
            with self._upload_lock(upload_id, threading.Event()), disk_errors(self._folder):
                if self._part(upload_id).exists():  # else another request has finished it meanwhile
                    sidecar = read_json(self._parts / f"{upload_id}.json") or {}
                    self._publish(upload_id, upload.name, upload.size_bytes, sidecar.get("user_id", ""))
                _drop_part(self._parts / f"{upload_id}.json")
        return upload_id

    @requires("analyst")
    @contextmanager
    def read_once(
        self, upload_id: str, purpose: UploadPurpose, *, keeps: bool = False
    ) -> Iterator[tuple[str, BinaryIO]]:
        """Open a complete upload that is for no video, yield its name and file, and delete it afterwards.

        Args:
            upload_id: The upload.
            purpose: Its purpose.
            keeps: Delete it only if the block raises: it will be read again.

        Raises:
            InputError: "upload_unknown" or "upload_incomplete".
        """
        upload = self.upload(upload_id)
        if upload.purpose != purpose:
            raise InputError("upload_unknown", id=upload_id)
        self.finish(upload_id)
        try:
            with disk_errors(self._parts):
                file = self._part(upload_id).open("rb")
            with file:
                yield upload.name, file
        except BaseException:
            self.drop_unread(upload_id)
            raise
        if not keeps:
            self.drop_unread(upload_id)

    @requires("analyst")
    def drop_unread(self, upload_id: str) -> None:
        """Delete an upload that is for no video; ignore other uploads, and uploads that don't exist."""
        with suppress(InputError), disk_errors(self._parts):
            if self.upload(upload_id).purpose != "video":
                _drop_part(self._part(upload_id))

    @requires("analyst")
    @contextmanager
    def arriving(self, link: str, cancel: threading.Event) -> Iterator[ArrivingVideo]:
        """Open the part that has arrived of the video at a link; other fetches of the same video wait.

        The part is kept until the video is whole, as long as it can be continued.

        Args:
            link: The address, without its signature.
            cancel: Ends the wait.

        Raises:
            Cancelled: `cancel` was set while another process fetched it.
        """
        part_id = self._id_of(Path(f"link:{link}"))
        with self._upload_lock(part_id, cancel), disk_errors(self._parts):
            try:
                with ArrivingVideo(part_id, self._part(part_id), self._reserve) as arriving:
                    yield arriving
            finally:
                self._part(part_id).with_suffix(".lock").unlink(missing_ok=True)

    def _reserve(self, part_id: str, record: dict[str, Any], arrived_bytes: int) -> None:
        """Keep room for a video that arrives, and replace its record by `record`, which has the size.

        Raises:
            InputError: "upload_too_large".
            StorageError: "disk_full" or "upload_quota".
        """
        with self._creating:
            self.check_room(record["name"], record["size_bytes"], arrived_bytes, part_id)
            write_json(self._parts / f"{part_id}.json", record | {"user_id": current_user().id, "purpose": "video"})

    @requires("analyst")
    def keep_arrived(self, arriving: ArrivingVideo, name: str, link: Link, version: str) -> str:
        """Turn a whole file that has arrived from a link into a video and return its id.

        Args:
            arriving: The file.
            name: The name to show.
            link: Where it was fetched.
            version: The server's name for this content, "" without a name; see `linked`.
        """
        video_id, user_id = secrets.token_urlsafe(24), current_user().id
        size_bytes = arriving.close()
        fields = {"link": to_builtins(link), "link_id": arriving.id, "version": version}
        with disk_errors(self._folder):
            self._publish(video_id, shown_name(name), size_bytes, user_id, part=self._part(arriving.id), **fields)
        arriving.drop()
        return video_id

    def linked(self, link: str) -> dict[str, str]:
        """Map the versions of the user's videos that were fetched from this link to their ids, the newest last."""
        part_id = self._id_of(Path(f"link:{link}"))
        records = (
            (path.stem, read_json(path) or {}) for path in sorted(self._folder.glob("*.json"), key=_modified_time)
        )
        matching = (
            (video_id, record) for video_id, record in records if record.get("link_id") == part_id and record["version"]
        )
        return {
            record["version"]: video_id
            for video_id, record in matching
            if _is_visible(record) and Path(record["path"]).is_file()
        }

    def _publish(
        self, video_id: str, name: str, size_bytes: int, user_id: str, *, part: Path | None = None, **fields: object
    ) -> None:
        """Turn a complete part, by default the part with this id, into a video of this user. Raises OSError."""
        target = self._folder / video_id / safe_file_name(name)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        self._register(video_id, "upload", name, target, size_bytes, user_id, **fields)
        (part or self._part(video_id)).replace(target)

    def attach(self, video_id: str, upload_id: str, name: str) -> None:
        """Put a complete upload into the folder of an uploaded video, under `name`; it is deleted with the video.

        An upload that is already in the folder of another video is copied.

        Raises:
            InputError: "upload_unknown", "upload_incomplete", "video_unknown", "path_missing", or
                "subtitles_for_path" if the video is not an upload.
        """
        record, video = self._video(self.finish(upload_id)), self._video(video_id)
        if video["origin"] != "upload":
            raise InputError("subtitles_for_path", name=video["name"])
        source, target = self.path(upload_id), Path(video["path"]).with_name(name)
        if source == target:
            return
        with disk_errors(self._folder):
            if source.parent.name != upload_id:
                shutil.copyfile(source, target)
                return
            source.replace(target)
            source.parent.rmdir()
            write_json(self._record(upload_id), record | {"path": str(target)})

    def check_room(self, name: str, size_bytes: int, arrived_bytes: int = 0, part_id: str = "") -> None:
        """Check that the disk and the user's share of it have room for a video.

        What others announce isn't counted, so announcing keeps no room from them.

        Args:
            name: Its name, for errors.
            size_bytes: Its size.
            arrived_bytes: Number of its bytes that are on the disk.
            part_id: Id of its own part, whose room is not counted.

        Raises:
            InputError: "upload_too_large".
            StorageError: "disk_full" or "upload_quota".
        """
        everyone, user_id = (*self._unfinished_sizes(part_id), *self._upload_sizes()), current_user().id
        own = [usage for usage in everyone if usage.user_id == user_id]
        stored, due = sum(usage.stored_bytes for usage in own), sum(usage.due_bytes for usage in own)
        with disk_errors(self._folder):
            free = max(0, shutil.disk_usage(self._folder).free - KEPT_FREE_BYTES)
        missing, free_bytes = size_bytes - arrived_bytes, max(0, free - due)
        if size_bytes <= self._limits.most_bytes and missing > free_bytes:
            sizes = {"needed": human_size(missing), "free": human_size(free_bytes)}
            raise StorageError("disk_full", name=shown_name(name), folder=str(self._folder), **sizes)
        self._limits.check_bytes(name, size_bytes, stored_bytes=stored, due_bytes=due, free_bytes=free + arrived_bytes)

    # ---- videos ------------------------------------------------------------------------------------------------------

    def path(self, video_id: str) -> Path:
        """Get the file of a video.

        Raises:
            InputError: "video_unknown", "path_outside", "path_missing", "path_not_a_file" or "path_unreadable".
        """
        record = self._video(video_id)
        path = Path(record["path"])
        if record["origin"] == "path":
            # Check at every use: the allowed folders or a link in the path may have changed.
            return self._allowed_path(path)
        if not path.is_file():
            raise InputError("path_missing", path=record["name"])
        return path

    def name(self, video_id: str) -> str:
        """Get the name of a video as the user knows it.

        Raises:
            InputError: "video_unknown".
        """
        return str(self._video(video_id)["name"])

    @requires("analyst")
    def from_path(self, path_text: str) -> str:
        """Register a file below an allowed folder and return its id; a relative path is tried below each folder.

        Raises:
            InputError: "path_empty", "video_is_address", "path_none_allowed", "path_outside", "path_missing",
                "path_not_a_file" or "path_unreadable". A path outside is refused without revealing whether it exists.
        """
        text = local_path(path_text.strip().strip("\"'"))
        if not text or "\0" in text:
            raise InputError("path_empty")
        if address := address_in(text):
            raise address_error(address)
        if not self.input_dirs:
            raise InputError("path_none_allowed", path=shown_path(text))
        path = self._allowed_path(self._absolute(Path(text)))
        return self._register(self._id_of(path), "path", path.name, path, path.stat().st_size)

    def folder(self, path_text: str) -> Path | None:
        """Return the folder below an allowed folder that the text names, None if it names no such folder.

        Each file in it is checked, by `from_path`: a link may lead elsewhere.
        """
        text = local_path(path_text.strip().strip("\"'"))
        if not text or "\0" in text or address_in(text):
            return None
        try:
            real = self._absolute(Path(text)).resolve()
            return real if self._is_inside(real) and real.is_dir() else None
        except (OSError, RuntimeError):  # `from_path` reports why
            return None

    @requires("analyst")
    def sample(self) -> str:
        """Register the bundled sample and return its id.

        Raises:
            InputError: "path_missing".
        """
        if not self._sample.is_file():
            raise InputError("path_missing", path=str(self._sample))
        size = self._sample.stat().st_size
        return self._register(self._id_of(self._sample), "sample", self._sample.name, self._sample, size)

    def find(self, path: Path, owner_id: str | None = None) -> str | None:
        """Get the id of the video that is stored in this file, or None if the file isn't registered.

        `owner_id` is the user to whom it belongs, the user of the context by default.
        """
        for video_id in (path.parent.name, self._id_of(path, owner_id)):
            record = read_json(self._record(video_id)) if _ID.fullmatch(video_id) else None
            if record and _is_visible(record) and record["path"] == str(path):
                return video_id
        return None

    def keep_copy_of(self, sha256: str, video_id: str) -> None:
        """Remember that a video has this content, for reports on a file that pages may not read."""
        with disk_errors(self._folder):
            write_json(self._copy_record(sha256), {"video_id": video_id})

    def copy_of(self, sha256: str) -> str | None:
        """Get the id of the user's video that was kept for this content, or None if it no longer exists."""
        record = read_json(self._copy_record(sha256)) or {}
        return record["video_id"] if record and self.is_here(record["video_id"]) else None

    def is_here(self, video_id: str) -> bool:
        """Return whether the file of a video exists and may still be used."""
        with suppress(InputError):
            return self.path(video_id).is_file()
        return False

    def is_upload(self, path: Path) -> bool:
        """Return whether this file is an uploaded video that the user may see."""
        video_id = self.find(path)
        return video_id is not None and self._video(video_id)["origin"] == "upload"

    @requires("analyst")
    def let_go_with(self, path: Path, job_id: str) -> None:
        """Note that the uploaded video in this file, if it is an upload, is about to be deleted with an analysis.

        If the program ends between the two deletions, `going` lists the file at the next start.
        """
        self._note_on_upload(path, {_GOES_WITH: job_id})

    def keep(self, path: Path) -> None:
        """Forget that the uploaded video in this file was about to be deleted."""
        self._note_on_upload(path, {})

    def going(self) -> list[tuple[Path, str]]:
        """List the files that were about to be deleted, each with the id of its analysis."""
        records = filter(None, map(read_json, self._folder.glob("*.json")))
        return [(Path(record["path"]), record[_GOES_WITH]) for record in records if record.get(_GOES_WITH)]

    def drop_upload(self, path: Path) -> bool:
        """Delete the uploaded video that is stored in this file; leave other files alone.

        Returns:
            Whether the file was an upload.
        """
        video_id = self.find(path)
        if video_id is None or not self.is_upload(path):
            return False
        with disk_errors(self._folder):
            path.unlink(missing_ok=True)
            if path.parent.name == video_id:  # an attached file is in the folder of its video
                self._drop_attached(path.parent)
            self._record(video_id).unlink(missing_ok=True)
        return True

    # ---- internals ---------------------------------------------------------------------------------------------------

    def _absolute(self, path: Path) -> Path:
        if path.is_absolute():
            return path
        below = [folder / path for folder in self.input_dirs]
        # Path.exists raises for a name that is too long.
        return next((candidate for candidate in below if os.path.exists(candidate)), (*below, path)[0])  # noqa: PTH110

    def _is_inside(self, real: Path) -> bool:
        """Return whether a real path lies below an allowed folder and not in the data folder."""
        return is_inside(real, self.input_dirs, without=self._data_dir)

    def _allowed_path(self, path: Path) -> Path:
        folders = ", ".join(map(str, self.input_dirs))
        try:
            real = path.resolve()
            if not self._is_inside(real):
                raise InputError("path_outside", path=shown_path(path), folders=folders)
            mode = real.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            raise InputError("path_missing", path=shown_path(path)) from None
        except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError up to Python 3.12
            raise InputError("path_unreadable", path=shown_path(path), reason=reason_of(error)) from error
        # Opening a pipe or a device could block for ever.
        if not stat.S_ISREG(mode):
            raise InputError("path_not_a_file", path=shown_path(path))
        if not os.access(real, os.R_OK):
            raise InputError("path_unreadable", path=shown_path(path), reason=os.strerror(errno.EACCES))
        return real

    def _id_of(self, path: Path, owner_id: str | None = None) -> str:
        """Return the id of a file that isn't an upload, different for each user."""
        owner = current_user().id if owner_id is None else owner_id
        identity = os.fsencode(path) + (b"\0" + owner.encode() if owner else b"")
        return hmac.new(self._secret, identity, hashlib.sha256).hexdigest()[:40]

    def _register(
        self,
        video_id: str,
        origin: Origin,
        name: str,
        path: Path,
        size_bytes: int,
        user_id: str | None = None,
        **fields: object,
    ) -> str:
        owner = current_user().id if user_id is None else user_id
        record = {
            "origin": origin,
            "name": shown_name(name),
            "path": str(path),
            "size_bytes": size_bytes,
            "user_id": owner,
        }
        with disk_errors(self._folder):
            write_json(self._record(video_id), record | fields)
        return video_id

    def _note_on_upload(self, path: Path, note: dict[str, str]) -> None:
        """Write a note into the record of an upload in place of the previous note."""
        video_id = self.find(path)
        record = read_json(self._record(video_id)) if video_id else None
        if video_id and record and record["origin"] == "upload":
            rest = {name: value for name, value in record.items() if name != _GOES_WITH}
            with disk_errors(self._folder):
                write_json(self._record(video_id), rest | note)

    def _video(self, video_id: str) -> dict[str, Any]:
        record = read_json(self._record(_checked_id(video_id, "video_unknown")))
        if record is None or not _is_visible(record):
            raise InputError("video_unknown", id=video_id)
        return record

    def _record(self, video_id: str) -> Path:
        return self._folder / f"{video_id}.json"

    def _copy_record(self, sha256: str) -> Path:
        return self._folder / f"{self._id_of(Path(sha256))}.copy"

    def _part(self, upload_id: str) -> Path:
        return self._parts / f"{upload_id}.part"

    @contextmanager
    def _upload_lock(self, upload_id: str, cancel: threading.Event | None = None) -> Iterator[None]:
        """Hold an upload against other requests, also to other processes on the same data folder.

        With `cancel`, wait until the upload is free or `cancel` is set.
        """
        lock = FileLock(self._parts / f"{upload_id}.lock", mode=0o600)
        with disk_errors(self._parts):
            while True:
                try:
                    lock.acquire(blocking=False)
                    break
                except Timeout as error:
                    if cancel is None:
                        raise InputError("upload_busy", id=upload_id) from error
                if cancel.wait(_POLL_SECONDS):
                    raise Cancelled
        try:
            yield
        finally:
            lock.release()

    def _unfinished_sizes(self, without: str = "") -> list[_UploadSize]:
        """List what the unfinished uploads and the videos that arrive from links take."""
        sizes = []
        for path in self._parts.glob("*.json"):
            if path.stem == without:
                continue
            record, part = read_json(path), path.with_suffix(".part")
            with suppress(FileNotFoundError):  # it was finished meanwhile
                if record:
                    state = part.stat()
                    has_stopped = state.st_mtime < time.time() - ACTIVE_SECONDS
                    due = 0 if has_stopped else max(0, record["size_bytes"] - state.st_size)
                    sizes.append(_UploadSize(record.get("user_id", ""), state.st_size, due))
        return sizes

    @staticmethod
    def link_of(video: Path) -> Link | None:
        """Return the link from which a video in this file was fetched, None for any other file."""
        record = _record_beside(video)
        return from_builtins(record["link"], Link) if "link" in record else None

    @staticmethod
    def drop_unfinished_uploads(data_dir: Path, user_id: str) -> None:
        """Delete the unfinished uploads of a deleted user, which frees the space they reserve. Raises StorageError."""
        parts = data_dir / "videos" / "parts"
        with disk_errors(parts):
            for path in parts.glob("*.json"):
                record = read_json(path)
                if record and record.get("user_id") == user_id:
                    _drop_part(path)

    def _drop_attached(self, folder: Path) -> None:
        """Delete the folder of a video with the uploads that were attached to it."""
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        shutil.rmtree(folder, ignore_errors=True)
        if not names:
            return
        attached = {str(folder / name) for name in names}
        for path in self._folder.glob("*.json"):
            record = read_json(path)
            if record and record.get("path") in attached:
                path.unlink(missing_ok=True)

    def _upload_sizes(self) -> Iterator[_UploadSize]:
        """Yield the sizes of the finished uploads."""
        for path in self._folder.glob("*.json"):
            record = read_json(path)
            if record and record.get("origin") == "upload":
                yield _UploadSize(record.get("user_id", ""), record["size_bytes"])

    def _drop_stale_parts(self) -> None:
        now = time.time()
        for part in self._parts.glob("*.part"):
            with suppress(FileNotFoundError):  # it was finished meanwhile
                state, record = part.stat(), read_json(part.with_suffix(".json")) or {}
                is_unread = record.get("purpose", "video") != "video" and state.st_size == record["size_bytes"]
                if state.st_mtime < now - (UNREAD_SECONDS if is_unread else STALE_SECONDS):
                    _drop_part(part)


def _record_beside(video: Path) -> dict[str, Any]:
    """Return the record of a video in the data folder; an empty record for any other file."""
    return (read_json(video.parent.with_suffix(".json")) if _ID.fullmatch(video.parent.name) else None) or {}


def _drop_part(path: Path) -> None:
    """Delete the files of an unfinished upload, given any of them."""
    for suffix in (".part", ".json", ".lock"):
        path.with_suffix(suffix).unlink(missing_ok=True)


def _modified_time(path: Path) -> float:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0


def _is_visible(record: dict[str, Any]) -> bool:
    return sees(record.get("user_id", ""))


def _checked_id(identifier: str, key: str) -> str:
    """Return the id if it is valid, since it becomes part of a file name; raise InputError(key) otherwise."""
    if not _ID.fullmatch(identifier):
        raise InputError(key, id=identifier[:64])
    return identifier
