"""Benchmark of overviews of links: the share of the bytes of a two-hour video that is read, and the time it takes.

The video is served by this machine, as an MP4 with its index at the end and as Matroska, at the speed of a network.
Run it with `python -m benchmarks.overview [--minutes 120] [--megabits 100] [--delay 0.03]`.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from framelens.core.links import SourceSettings
from framelens.core.units import human_size
from framelens.i18n import notice_text
from framelens.services.links import LinkFetcher
from framelens.store.videos.video_repository import VideoRepository, notice_of

_SECONDS, _RATE, _SIZE = 60, 25, (640, 360)
"""Of the piece that is repeated."""
_BITS_A_SECOND = 800_000
_IFRAME_DISTANCE = 250
"""x264's default: 10 s."""
_PIECE_BYTES = 256 << 10


def make_videos(folder: Path, minutes: int) -> list[Path]:
    """Make the same video as MP4 and as Matroska, with sound, by repeating a piece."""
    piece = folder / "piece.mkv"
    with av.open(piece, "w") as container:
        _encode_pictures(container)
    paths = [folder / "film.mp4", folder / "film.mkv"]
    for path in paths:
        _repeat(piece, path, minutes * 60 // _SECONDS)
    return paths


def _encode_pictures(container: OutputContainer) -> None:
    """Encode scenes of seven seconds with a moving square and noise."""
    random = np.random.default_rng(1)
    video = container.add_stream("libx264", rate=_RATE, options={"preset": "ultrafast"})
    assert isinstance(video, VideoStream)
    video.width, video.height, video.pix_fmt = *_SIZE, "yuv420p"
    video.bit_rate, video.gop_size = _BITS_A_SECOND, _IFRAME_DISTANCE
    sound = container.add_stream("aac", rate=48000)
    assert isinstance(sound, AudioStream)
    noise = random.integers(0, 20, (_SIZE[1], _SIZE[0], 3), dtype=np.uint8)
    for index in range(_SECONDS * _RATE):
        if index % (7 * _RATE) == 0:
            tiles = random.integers(0, 200, (9, 16, 3), dtype=np.uint8)
            scene = np.kron(tiles, np.ones((_SIZE[1] // 9, _SIZE[0] // 16, 1), np.uint8))
        picture = scene + np.roll(noise, index * 3, axis=1)
        left = index * 5 % (_SIZE[0] - 60)
        picture[150:210, left : left + 60] = (30, 30, 240)
        container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        hum = np.sin(np.arange(1920) * (index % 50 + 20) / 600).astype(np.float32)[None] * 0.1
        frame = av.AudioFrame.from_ndarray(np.repeat(hum, 2, axis=0), "fltp", "stereo")
        frame.sample_rate, frame.pts = 48000, index * 1920
        container.mux(sound.encode(frame))
    container.mux(video.encode(None))
    container.mux(sound.encode(None))


def _repeat(piece: Path, path: Path, times: int) -> None:
    with av.open(path, "w") as into:
        outputs: dict[int, VideoStream | AudioStream] = {}
        latest: dict[int, int] = {}
        for number in range(times):
            with av.open(piece) as container:
                for stream in container.streams:
                    if isinstance(stream, VideoStream | AudioStream) and stream.index not in outputs:
                        outputs[stream.index] = into.add_stream_from_template(stream)
                for packet in container.demux():
                    if packet.dts is None or packet.pts is None or packet.time_base is None:
                        continue
                    shift = round(number * _SECONDS / Fraction(packet.time_base))
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    index = packet.stream.index
                    if packet.dts <= latest.get(index, packet.dts - 1):  # the piece before ends a little later
                        continue
                    latest[index], packet.stream = packet.dts, outputs[index]
                    into.mux(packet)


class Served(BaseHTTPRequestHandler):
    """A file with ranges, at a limited speed; counts what is sent."""

    protocol_version = "HTTP/1.1"
    path_of: Path
    bytes_a_second: float
    delay_seconds: float
    sent = requests = 0

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Send the file, or a part of it."""
        kind, size = type(self), self.path_of.stat().st_size
        kind.requests += 1
        time.sleep(self.delay_seconds)
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(found[1]), min(int(found[2] or size - 1), size - 1)) if found else (0, size - 1)
        self.send_response(206 if found else 200)
        if found:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        for name, value in {"ETag": f'"{size}"', "Content-Type": "video/mp4"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        with self.path_of.open("rb") as file:
            file.seek(first)
            while (left := last + 1 - file.tell()) > 0:
                piece = file.read(min(_PIECE_BYTES, left))
                self.wfile.write(piece)
                kind.sent += len(piece)
                time.sleep(len(piece) / self.bytes_a_second)


@contextmanager
def serving(path: Path, megabits: float, delay: float) -> Iterator[tuple[str, type[Served]]]:
    """Serve a file on loopback and yield its address and the counters."""
    kind = type("Film", (Served,), {"path_of": path, "bytes_a_second": megabits * 125_000, "delay_seconds": delay})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{path.name}", kind
    finally:
        server.shutdown()
        server.server_close()


def measure(path: Path, folder: Path, megabits: float, delay: float, *, overview: bool) -> None:
    """Fetch a video, or an overview of it, and print what the server sent and how long it took."""
    videos = VideoRepository(folder / f"{path.suffix}{overview}", (), folder / "sample.mp4")
    links = LinkFetcher(videos, SourceSettings(private_networks=("127.0.0.0/8",)), is_open=True)
    with serving(path, megabits, delay) as (url, served):
        begun = time.monotonic()
        found = videos.path(links.fetch(url, lambda now: None, threading.Event(), overview=overview))
        seconds = time.monotonic() - begun
    size = path.stat().st_size
    what = "overview" if overview else "whole"
    share = f"{100 * served.sent / size:.1f} %"
    print(
        f"{path.name} {what}: {human_size(served.sent)} of {human_size(size)} ({share}) in {served.requests} requests,"
        f" {seconds:.1f} s"
    )
    if notice := notice_of(found):
        print(f"  {notice_text(notice)}")


def main() -> None:
    """Make the videos, fetch both, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=120)
    parser.add_argument("--megabits", type=float, default=100)
    parser.add_argument("--delay", type=float, default=0.03, help="seconds before each answer")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="framelens-overview-") as name:
        folder = Path(name)
        for path in make_videos(folder, given.minutes):
            for overview in (True, False):
                measure(path, folder, given.megabits, given.delay, overview=overview)


if __name__ == "__main__":
    main()
