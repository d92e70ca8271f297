"""Attacks on videos in a folder that a user can write to: paths are swapped for links while they are opened."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from benchmarks.torture.line import Line, Scale
from benchmarks.torture.site import Site
from framelens.composition import SAMPLE
from framelens.core.roles import as_user
from framelens.store.videos.video_repository import VideoRepository
from framelens.video.files import sha256_of
from tests.cards import write_card_video

_READS = 2000
_JOBS = 60
_OVER_SECONDS = 60
_LINKED_SECONDS, _RESTS_SECONDS = 0.0005, 0.004
"""How long a path is a link, and is not: a request takes some milliseconds."""


def swapped(site: Site, scale: Scale) -> Line:
    """Read and analyse a video whose path, or whose folder, is now and then a link to a private place."""
    inside = write_card_video(site.input_folder / "clips" / "film.mp4", ["green", "white"])
    private = scale.folder("private")
    outside = write_card_video(private / "film.mp4", ["black", "red"])
    known, content = sha256_of(inside), inside.read_bytes()
    count = lost = served = 0
    with site.client("ann") as page, site.client(Authorization=f"Bearer {site.api['ann']}") as program:
        address = f"/api/videos/{_id_of(site, inside)}"
        assert _read(page, address) == content
        with _swapping(inside, (outside, site.database)), _swapping(inside.parent, (private,)):
            for _ in range(scale.count(_READS)):
                read = _read(page, address)
                count, lost, served = count + 1, lost + (read not in (content, b"")), served + (read == content)
            for _ in range(scale.count(_JOBS)):
                answer = program.post("/api/v1/jobs", json=_asked(inside))
                sha256 = _sha256_of_report(program, answer.json()["id"]) if answer.status_code < 300 else ""
                count, lost, served = count + 1, lost + (sha256 not in (known, "")), served + (sha256 == known)
        for path in (outside, site.database):  # the data folder lies in the folder that is allowed
            answer = program.post("/api/v1/jobs", json=_asked(path))
            count, lost = count + 1, lost + (answer.status_code < 300)
    assert served, "nothing was served while paths were swapped"
    return Line("paths that are swapped for links", count, lost, note=f"{served} served")


def _read(page: httpx.Client, address: str) -> bytes:
    """Return what a route sends of a file, perhaps not all that it announced; b"" for a refusal."""
    with page.stream("GET", address) as answer:
        read = bytearray()
        with suppress(httpx.RemoteProtocolError):
            for chunk in answer.iter_raw():
                read += chunk
        return bytes(read) if answer.status_code == 200 else b""


def _asked(path: Path) -> dict[str, object]:
    source = {"type": "path", "path": str(path)}
    return {"source": source, "use_model": False, "frames": 2, "force": True}


def _id_of(site: Site, path: Path) -> str:
    """Return the id that the page would get for a file in an allowed folder."""
    session = site.logins.session(site.cookies["ann"])
    assert session
    with as_user(session.user):
        return VideoRepository(site.database.parent, (site.input_folder,), SAMPLE).from_path(str(path))


def _sha256_of_report(program: httpx.Client, job_id: str) -> str:
    """Return the SHA-256 of the video that was analysed, or "" if there is no report."""
    end = time.monotonic() + _OVER_SECONDS
    while not program.get(f"/api/v1/jobs/{job_id}").json()["is_over"]:
        assert time.monotonic() < end
        time.sleep(0.05)
    answer = program.get(f"/api/v1/jobs/{job_id}/reports/json")
    return str(answer.json()["source"]["sha256"]) if answer.status_code == 200 else ""


@contextmanager
def _swapping(path: Path, targets: tuple[Path, ...]) -> Iterator[None]:
    """Replace the file or folder at the path by links to the targets and back, as fast as possible."""
    own, link, ends = path.with_name(f"own-{path.name}"), path.with_name(f"link-{path.name}"), threading.Event()

    def swap() -> None:
        while not ends.is_set():
            for target in targets:
                with _turns:
                    link.symlink_to(target)
                    path.rename(own)
                    link.rename(path)
                    time.sleep(_LINKED_SECONDS)
                    path.unlink()
                    own.rename(path)
                time.sleep(_RESTS_SECONDS)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


_turns = threading.Lock()
"""A file is swapped while its folder is in its place."""
