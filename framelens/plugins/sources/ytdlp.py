"""Videos of pages as yt-dlp finds them, in a process of its own whose every connection passes the guard.

yt-dlp is no dependency of FrameLens: it is used where it is installed beside FrameLens, or found on PATH. It finds the
file; FrameLens fetches it like any other file. Only videos in segments are read by yt-dlp itself, and written by
FrameLens. It gets no settings, no plugins, no cookies and no FFmpeg, which would open addresses itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from framelens import Cancelled, InputError
from framelens.plugin.files import redact
from framelens.plugin.links import Outbound, RemoteVideo, Write, typed_link, unsigned
from framelens.plugin.outputs import safe_file_name
from framelens.plugin.processes import reader_environment
from framelens.plugin.texts import foreign_number, single_line
from framelens.plugins.sources.guard_proxy import GuardProxy

INSTALL = 'pip install "framelens[links]"'
_OPTIONS = (
    *("--ignore-config", "--no-plugin-dirs", "--no-cookies", "--no-cookies-from-browser", "--no-cache-dir"),
    *("--no-update", "--no-playlist", "--flat-playlist", "--playlist-items", "1:6", "--no-color", "--no-progress"),
    *("--socket-timeout", "20", "--retries", "2", "--extractor-retries", "1", "--fragment-retries", "5"),
    *("--hls-use-mpegts", "--downloader", "native"),
)
_PLAIN = "[protocol^=http][protocol!=http_dash_segments]"
_LINES = "[height<=?1080]"
_FORMATS = "/".join(
    (
        f"b{_PLAIN}{_LINES}[height>=720]",
        *(f"bv{plain}{_LINES}+ba{plain}" for plain in (_PLAIN, "")),
        *(f"{kind}{plain}{size}" for kind in ("b", "bv*") for plain in (_PLAIN, "") for size in (_LINES, "")),
    )
)
"""A file with sound of 720 to 1080 lines, else pictures of at most 1080 lines and sound apart, as large sites have
them, else any format; files before segments."""
_FIND_SECONDS = 120.0
_MOST_JSON_BYTES = 32 << 20
_MOST_SAID_BYTES = 64 << 10
_POLL_SECONDS = 0.1
_OLD_DAYS = 90
_MOST_NAMED = 5
_NONE = re.compile(
    r"unsupported url|no video formats|no media found|unable to extract|is not a valid url", re.IGNORECASE
)
_LOGIN = re.compile(r"log ?in|sign in|cookies|private video|members|subscri|account|password", re.IGNORECASE)
_PROTECTED = re.compile(r"\bDRM\b")
_HEADERS = ("user-agent", "referer", "origin", "accept", "accept-language")
_NUMBERED = re.compile(r" \(1\)$")


def find(url: str, outbound: Outbound, cancel: threading.Event) -> RemoteVideo:
    """Return the video of a page.

    Raises:
        InputError: "links_missing" without yt-dlp, "url_no_video", "url_login", "url_live", "url_several",
            "url_protected", "url_unknown_page", or why its address may not be reached.
        Cancelled: `cancel` was set.
    """
    if (command := _command()) is None:
        raise InputError("links_missing", url=unsigned(url), command=INSTALL)
    with _start(command, ("--dump-single-json", "--format", _FORMATS, "--", url), outbound) as (child, proxy):
        output, faults = _output(child, cancel, _FIND_SECONDS)
        if child.returncode or not output.strip():
            raise proxy.refused or _fault(url, faults)
    try:
        return _video(url, json.loads(output), outbound)
    except (
        ValueError,
        AttributeError,
        KeyError,
        TypeError,
        RecursionError,
    ) as error:  # it makes no sense
        raise _fault(url, "") from error


def version() -> str:
    """Return the version of yt-dlp, which is its date such as "2026.10.26"; "" if it isn't installed."""
    if find_spec("yt_dlp"):
        return metadata.version("yt-dlp")
    if (command := _command()) is None:
        return ""
    done = subprocess.run(
        [*command, "--version"], capture_output=True, timeout=30, env=reader_environment(), check=False
    )
    return single_line(done.stdout.decode(errors="replace"))


def age_days(version_text: str, today: date | None = None) -> int | None:
    """Return how old a version is, None if it names no date.

    >>> age_days("2026.10.26", date(2026, 11, 26))
    31
    """
    match = re.match(r"(\d{4})\.(\d{1,2})\.(\d{1,2})", version_text)
    if not match:
        return None
    released = date(*map(int, match.groups()))
    return max(0, ((today or datetime.now(UTC).date()) - released).days)


def is_old(version_text: str) -> bool:
    """Return whether a version is so old that large sites may refuse it."""
    return (age_days(version_text) or 0) > _OLD_DAYS


def _command() -> list[str] | None:
    """Return the beginning of the command line: the module beside FrameLens, or the program on PATH."""
    if find_spec("yt_dlp"):
        return [sys.executable, "-P", "-m", "yt_dlp"]
    program = shutil.which("yt-dlp")
    return [program] if program else None


@contextmanager
def _start(
    command: list[str], options: Sequence[str], outbound: Outbound
) -> Iterator[tuple[subprocess.Popen[bytes], GuardProxy]]:
    """Start yt-dlp behind a proxy of its own, and end it with all its processes."""
    with GuardProxy(outbound) as proxy, tempfile.TemporaryDirectory(prefix="framelens-links-") as home:
        environment = {
            **{name: value for name, value in reader_environment().items() if not name.startswith(("HOME", "PYTHON"))},
            "HOME": home,
            "XDG_CONFIG_HOME": home,
            "XDG_CACHE_HOME": home,
            "DENO_DIR": home,
            "DENO_NO_UPDATE_CHECK": "1",
            "YTDLP_NO_PLUGINS": "1",
            "PYTHONUTF8": "1",
        }
        own = ("--proxy", proxy.url, "--ffmpeg-location", str(Path(home, "none")))
        child = subprocess.Popen(
            [*command, *_OPTIONS, *own, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=home,
            start_new_session=True,
        )
        try:
            yield child, proxy
        finally:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a process with those that it started."""
    if child.poll() is None:
        if os.name == "nt":
            child.kill()
        else:
            os.killpg(child.pid, 9)
    child.wait()
    for stream in (child.stdout, child.stderr):
        if stream:
            stream.close()


def _output(child: subprocess.Popen[bytes], cancel: threading.Event, most_seconds: float) -> tuple[str, str]:
    """Return what a process writes to both streams until it ends.

    Raises:
        InputError: "url_too_slow".
        Cancelled: `cancel` was set.
    """
    output, faults = bytearray(), bytearray()
    readers = [_reader(child.stdout, output, _MOST_JSON_BYTES), _reader(child.stderr, faults, _MOST_SAID_BYTES)]
    left = most_seconds
    while child.poll() is None:
        if cancel.wait(_POLL_SECONDS):
            raise Cancelled
        left -= _POLL_SECONDS
        if left < 0:
            raise InputError("url_too_slow", url="yt-dlp", seconds=round(most_seconds))
    for reader in readers:
        reader.join()
    return output.decode(errors="replace"), faults.decode(errors="replace")


def _reader(stream: IO[bytes] | None, into: bytearray, most_bytes: int) -> threading.Thread:
    def read() -> None:
        while stream and (piece := stream.read1(1 << 16)):  # type: ignore[attr-defined]
            into.extend(piece[: max(0, most_bytes - len(into))])

    thread = threading.Thread(target=read, name="yt-dlp", daemon=True)
    thread.start()
    return thread


def _fault(url: str, output: str) -> InputError:
    """Return the error for what yt-dlp says."""
    lines = [line for line in output.splitlines() if line.startswith("ERROR:")]
    reason, about = (lines[-1].removeprefix("ERROR:").strip() if lines else ""), {"url": unsigned(url)}
    if _PROTECTED.search(reason):
        return InputError("url_protected", **about)
    if _LOGIN.search(reason.replace(url, "")):
        return InputError("url_login", **about)
    if not reason or _NONE.search(reason):
        return InputError("url_no_video", **about)
    return InputError("url_unknown_page", reason=redact(single_line(reason)), version=version(), **about)


def _video(url: str, info: dict[str, Any] | None, outbound: Outbound) -> RemoteVideo:
    """Return the video that yt-dlp describes."""
    about = {"url": unsigned(url)}
    if not info:
        raise InputError("url_no_video", **about)
    if info.get("_type") == "playlist":
        entries = [entry for entry in info.get("entries") or () if entry]
        if not entries:
            raise InputError("url_no_video", **about)
        count = max(len(entries), round(foreign_number(info.get("playlist_count")) or 0))
        raise InputError("url_several", count=count, names=_names(entries), **about)
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming", "post_live"):
        raise InputError("url_live", **about)
    chosen = (info.get("requested_downloads") or [info])[0]
    tracks = chosen.get("requested_formats") or [chosen]
    if any(track.get("has_drm") for track in tracks):
        raise InputError("url_protected", **about)
    pictures, *sound = (_track(url, info, track, outbound) for track in tracks)
    if not sound:
        return pictures
    sizes = [track.get("filesize") for track in tracks]
    named = [f"{track.get('format_id')}/{size}" for track, size in zip(tracks, sizes, strict=True)]
    version = " ".join(["tracks:", str(info.get("id")), *named]) if all(sizes) else ""
    return replace(pictures, sound=sound[0], version=version, name=f"{Path(pictures.name).stem}.mp4")


def _track(url: str, info: dict[str, Any], chosen: dict[str, Any], outbound: Outbound) -> RemoteVideo:
    """Return the file of a format of a video: all of it, or its pictures or sound alone."""
    title = _NUMBERED.sub("", str(info.get("title") or ""))
    suffix = re.sub(r"\W", "", str(chosen.get("ext") or "mp4"))
    described = RemoteVideo(
        typed_link(str(chosen.get("url") or "")),
        {name: str(value) for name, value in (chosen.get("http_headers") or {}).items() if name.lower() in _HEADERS},
        title,
        str(info.get("uploader") or info.get("channel") or info.get("creator") or ""),
        safe_file_name(f"{title or 'video'}.{suffix}"),
        foreign_number(info.get("duration")) or None,
    )
    if str(chosen.get("protocol")) in ("http", "https") and described.url:
        return described
    stream = partial(_stream, url, str(chosen.get("format_id") or "b"), outbound)
    name = safe_file_name(f"{title or 'video'}.{'ts' if 'm3u8' in str(chosen.get('protocol')) else suffix}")
    return RemoteVideo("", {}, title, described.uploader, name, described.duration_seconds, stream)


def _names(entries: Sequence[dict[str, Any]]) -> str:
    """Return the titles of the first videos of a page, with their addresses if they have them."""
    named = []
    for entry in entries[:_MOST_NAMED]:
        address = entry.get("url") or (entry.get("formats") or [{}])[-1].get("url") or ""
        named.append(" ".join((single_line(str(entry.get("title") or entry.get("id") or "")), address)).strip())
    return "; ".join(named)


def _stream(url: str, format_id: str, outbound: Outbound, write: Write, cancel: threading.Event) -> None:
    """Write a video that comes in segments, as yt-dlp reads them.

    Raises:
        InputError: yt-dlp failed, or its time is over.
        Cancelled: `cancel` was set.
    """
    command = _command()
    assert command
    with _start(command, ("--format", format_id, "--output", "-", "--", url), outbound) as (child, proxy):
        faults = bytearray()
        reader = _reader(child.stderr, faults, _MOST_SAID_BYTES)
        deadline = threading.Timer(outbound.settings.most_seconds, _end, [child])
        stop = threading.Thread(target=_end_on, args=(cancel, child), daemon=True)
        deadline.start()
        stop.start()
        try:
            while child.stdout and (piece := child.stdout.read1(1 << 16)):  # type: ignore[attr-defined]
                write(piece)
            child.wait()
        finally:
            was_in_time = deadline.is_alive()
            deadline.cancel()
        if cancel.is_set():
            raise Cancelled
        if not was_in_time:
            raise InputError("url_too_slow", url=unsigned(url), seconds=round(outbound.settings.most_seconds))
        reader.join()
        if child.returncode:
            raise proxy.refused or _fault(url, faults.decode(errors="replace"))


def _end_on(cancel: threading.Event, child: subprocess.Popen[bytes]) -> None:
    while child.poll() is None:
        if cancel.wait(_POLL_SECONDS):
            os.killpg(child.pid, 9) if os.name != "nt" else child.kill()
            return
