"""Videos fetched from links: to the data folder, continued where a fetch ended, and not fetched again while unchanged.

A link leads to a file of a video, or to a page with a video, which a plugin finds (the slot "link.page"). If the server
gives the version of a file (an ETag, or the time of its last change), an interrupted fetch continues with a range
request. A file that has changed is fetched from its beginning, so that no two versions are mixed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from framelens import registry
from framelens.core.errors import InputError
from framelens.core.files import single_line
from framelens.core.links import Link, SourceSettings, unsigned
from framelens.core.roles import current_user
from framelens.core.units import human_size
from framelens.store.videos.arriving_video import ArrivingVideo
from framelens.store.videos.link_transfer import ArrivedFile, FetchProgress, OnProgress, RemoteVideo, Transfer, WebPage
from framelens.store.videos.outbound import BROKEN, Outbound
from framelens.store.videos.video_repository import VideoRepository
from framelens.video import ffmpeg

_MOST_ATTEMPTS = 5
"""Most attempts at a file whose connection breaks off, each from where the last attempt ended."""
_PASSWORD = re.compile(rb"<input[^>]+type\s*=\s*[\"']?password", re.IGNORECASE)


@dataclass(frozen=True)
class _Fetch:
    """Values that all requests of a fetch share.

    Attributes:
        link: The address that was given, without its signature.
        on_progress: Called with the progress.
        cancel: Ends the fetch.
        ids_by_version: Ids of videos that were fetched from this link before, by their versions.
    """

    link: str
    on_progress: OnProgress
    cancel: threading.Event
    ids_by_version: Mapping[str, str]


class LinkFetcher:
    """Fetcher of videos from links. Safe to use from several threads, not from an event loop.

    Args:
        videos: Repository for the videos.
        settings: The addresses that may be reached.
        is_open: Every public address may be named, not only listed addresses; see `may_name_any`.
    """

    def __init__(self, videos: VideoRepository, settings: SourceSettings, *, is_open: bool = False) -> None:
        self._videos = videos
        self._outbound = Outbound(settings, is_open=is_open)

    def check(self, url: str) -> None:
        """Check that a video may be fetched from this address, without resolving its name.

        Raises:
            InputError: "url_invalid", "url_none_allowed" or "url_not_allowed".
        """
        self._outbound.check_source(url)

    def fetch(self, url: str, on_progress: OnProgress, cancel: threading.Event, *, name: str = "") -> str:
        """Fetch the video at an address and return its id; an unchanged video isn't fetched again.

        Args:
            url: The address of a file, or of a page with a video.
            on_progress: Called before the first bytes, and with each piece.
            cancel: Ends the fetch within 0.1 s once it is set; the bytes are kept if the fetch can be continued.
            name: Name to show, "" for the file's.

        Raises:
            InputError: As `Outbound.get`, or "url_cut_off", "url_broken_off", "url_changes", "url_compressed",
                "url_empty", "url_other", "url_live", "url_is_page", "url_login", or an error of the plugin that finds
                a page's video.
            StorageError: There is no room for it.
            Cancelled: `cancel` was set.
        """
        self.check(url)
        link = unsigned(url)
        with self._videos.arriving(link, cancel) as part:
            fetch = _Fetch(link, on_progress, cancel, self._videos.linked(link))
            remote = RemoteVideo(url, name=name)
            received = self._receive_file(part, remote, fetch)
            if isinstance(received, WebPage):
                remote = self._video_of(received, cancel)
                remote = replace(remote, name=name or remote.name)
                received = self._receive_file(part, remote, fetch)
            if isinstance(received, WebPage):
                raise InputError("url_other", url=link, type="text/html")
            if isinstance(received, ArrivedFile):
                origin = _origin(remote, link)
                return self._videos.keep_arrived(part, received.name, origin, received.version)
            return received

    def _receive_file(self, part: ArrivingVideo, remote: RemoteVideo, fetch: _Fetch) -> str | ArrivedFile | WebPage:
        """Receive a file in up to _MOST_ATTEMPTS attempts.

        Returns:
            The file; the id of its video if it is unchanged; or a page.
        """
        if remote.sound:
            return self._receive_joined(part, remote, fetch)
        if remote.stream:
            return self._receive_stream(part, remote, fetch)
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            before, transfer = part.offset, Transfer(part, remote, fetch.ids_by_version, fetch.on_progress)
            try:
                self._outbound.get(remote.url, transfer.receive, fetch.cancel, headers=transfer.headers)
                transfer.check_whole(fetch.link)
            except InputError as error:
                may_continue = part.version and part.offset > before and error.key in BROKEN
                if may_continue and attempt < _MOST_ATTEMPTS:
                    continue
                if error.key == "url_unreachable" and part.offset:  # the server was reached before
                    about = {"received": part.offset, "total": part.size_bytes or 0}
                    key = "url_cut_off" if part.size_bytes else "url_broken_off"
                    raise InputError(key, url=fetch.link, **about) from error
                raise
            if transfer.unchanged:
                return fetch.ids_by_version[transfer.unchanged]
            if transfer.page:
                return transfer.page
            if transfer.is_stale:  # the bytes that have arrived are of another version
                part.drop()
                continue
            return ArrivedFile(transfer.name, part.version)
        raise InputError("url_changes", url=fetch.link)

    def _receive_joined(self, part: ArrivingVideo, remote: RemoteVideo, fetch: _Fetch) -> str | ArrivedFile:
        """Receive pictures and sound as separate files, each of which can be continued, and join them."""
        if video_id := fetch.ids_by_version.get(remote.version):
            return video_id
        assert remote.sound
        tracks = {"pictures": replace(remote, sound=None), "sound": replace(remote.sound, is_sound=True)}
        alone = replace(fetch, ids_by_version={})
        with ExitStack() as stack:
            parts = []
            for kind, track in tracks.items():
                parts.append(stack.enter_context(self._videos.arriving(f"{kind} of {fetch.link}", fetch.cancel)))
                if not isinstance(self._receive_file(parts[-1], track, alone), ArrivedFile):
                    raise InputError("url_other", url=fetch.link, type="text/html")
                parts[-1].close()
            part.begin(remote.name, sum(track.offset for track in parts), "")
            ffmpeg.join(parts[0].path, parts[1].path, part.path, fetch.cancel)
            part.note_written()
            for track_part in parts:
                track_part.drop()
        return ArrivedFile(remote.name, remote.version)

    def _receive_stream(self, part: ArrivingVideo, remote: RemoteVideo, fetch: _Fetch) -> ArrivedFile:
        """Receive a video that comes in segments; it can't be continued."""
        assert remote.stream
        most_bytes, link = self._outbound.settings.most_bytes, fetch.link
        part.begin(remote.name, None, "")

        def write(piece: bytes) -> None:
            if part.offset + len(piece) > most_bytes:
                raise InputError("url_too_large", url=link, most=human_size(most_bytes))
            part.write(piece)
            fetch.on_progress(FetchProgress(remote.name, part.offset, None, remote.duration_seconds))

        remote.stream(write, fetch.cancel)
        if not part.offset:
            raise InputError("url_empty", url=link)
        return ArrivedFile(remote.name)

    def _video_of(self, page: WebPage, cancel: threading.Event) -> RemoteVideo:
        """Return the video of a page, as a plugin finds it."""
        if page.is_playlist and b"#EXT-X-TARGETDURATION" in page.text and b"#EXT-X-ENDLIST" not in page.text:
            raise InputError("url_live", url=unsigned(page.url))
        find = next(registry.functions("link.page"), None)
        if find is None:
            raise InputError("url_is_page", url=unsigned(page.url))
        try:
            video: RemoteVideo = find(page.url, self._outbound, cancel)
            for track in filter(None, (video, video.sound)):
                if not track.stream:
                    self._outbound.check_source(track.url)
        except InputError as error:
            if error.key == "url_no_video" and _PASSWORD.search(page.text):
                raise InputError("url_login", url=unsigned(page.url)) from error
            raise
        return video


def _origin(remote: RemoteVideo, link: str) -> Link:
    retrieved = datetime.now(UTC).isoformat(timespec="seconds")
    return Link(link, single_line(remote.title), single_line(remote.uploader), retrieved)


def may_name_any(*, is_shared: bool) -> bool:
    """Return whether the user of this context may fetch from every public address, not only from listed addresses.

    Args:
        is_shared: Others may use the page although there are no accounts.
    """
    return current_user().role == "administrator" and not is_shared
