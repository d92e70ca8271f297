"""A server of a video that behaves as its path says: well, slowly, falsely, or not at all."""

import gzip
import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tests.loopback import Handler, listening

PIECE = 16 << 10


@dataclass
class Served:
    """What a server has, and what it was asked.

    Attributes:
        data: The video.
        asked: Path, and the headers Range, If-Range and If-None-Match of each request.
        going: Cleared, it makes a slow answer wait after its first half.
        sent: Bytes of videos that were sent.
        files: Further files, by their names: type and content.
    """

    data: bytes
    url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    going: threading.Event = field(default_factory=threading.Event)
    sent: int = 0
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """The name of its content."""
        return f'"{hashlib.sha256(self.data).hexdigest()[:16]}"'


@contextmanager
def serving(data: bytes) -> Iterator[Served]:
    """Serve a video until the block ends."""
    served = Served(data)
    served.going.set()
    with listening(type("Videos", (_Videos,), {"state": served})) as url:
        served.url = url
        try:
            yield served
        finally:
            served.going.set()


class _Videos(Handler):
    state: Served
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        names = ("Range", "If-Range", "If-None-Match", "Host")
        self.state.asked.append((self.path, {name: self.headers[name] for name in names if self.headers[name]}))
        kind = unquote(urlsplit(self.path).path).split("/")[1]
        with suppress(ConnectionError):
            getattr(self, f"_{kind}", self._good)()

    def _start(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def _body(self, data: bytes) -> None:
        self.wfile.write(data)
        self.state.sent += len(data)

    def _good(self, *, type: str = "video/mp4", **more: object) -> None:
        """The video, with ranges, an ETag and answers to conditions."""
        data, tag = self.state.data, self.state.etag
        if tag in self.headers.get("If-None-Match", ""):
            self._start(304, ETag=tag)
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        common = {"ETag": tag, "Accept_Ranges": "bytes", "Content_Type": type, **more}
        if found and self.headers.get("If-Range", tag) == tag:
            first, last = int(found[1]), int(found[2] or len(data) - 1)
            if first >= len(data):
                self._start(416, Content_Range=f"bytes */{len(data)}", Content_Length=0)
                return
            part = data[first : last + 1]
            at = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
            self._start(206, Content_Range=at, Content_Length=len(part), **common)
            self._body(part)
            return
        self._start(200, Content_Length=len(data), **common)
        self._body(data)

    def _typed(self) -> None:
        """The video, with the type that the last part of the path names."""
        self._good(type=f"video/{urlsplit(self.path).path.rpartition('.')[2]}")

    def _files(self) -> None:
        """A further file."""
        kind, data = self.state.files[urlsplit(self.path).path.rpartition("/")[2]]
        self._whole(200, data, Content_Type=kind, ETag=f'"{len(data)}"')

    def _unversioned(self) -> None:
        """Parts of the video, and nothing that names its content."""
        data = self.state.data
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not found:
            self._noranges()
            return
        first, last = int(found[1]), min(int(found[2] or len(data) - 1), len(data) - 1)
        at = f"bytes {first}-{last}/{len(data)}"
        self._start(206, Content_Range=at, Content_Length=last + 1 - first, Content_Type="video/mp4")
        self._body(data[first : last + 1])

    def _changing(self) -> None:
        """A video that is another video from the tenth request on."""
        if len(self.state.asked) == 10:
            self.state.data = self.state.data[::-1]
        self._good()

    def _moving(self) -> None:
        """A video that from the tenth request on is said to be in a network that may not be reached."""
        if len(self.state.asked) < 10:
            self._good()
        else:
            self._start(302, Location="http://10.0.0.1/a.mp4", Content_Length=0)

    def _shaky(self) -> None:
        """A video whose connection breaks in the middle of every third answer."""
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not found or len(self.state.asked) % 3:
            self._good()
            return
        data, first, last = self.state.data, int(found[1]), int(found[2])
        at = f"bytes {first}-{last}/{len(data)}"
        self._start(206, ETag=self.state.etag, Content_Range=at, Content_Length=last + 1 - first)
        self._body(data[first : (first + last) // 2])
        self.close_connection = True

    def _slow(self) -> None:
        """The first half, then nothing until the test goes on; without a range."""
        if self.headers.get("Range"):
            self._good()
            return
        data = self.state.data
        self._start(200, ETag=self.state.etag, Content_Length=len(data), Content_Type="video/mp4")
        self._body(data[: len(data) // 2])
        self.wfile.flush()
        self.state.going.wait(60)
        self._body(data[len(data) // 2 :])

    def _cut(self) -> None:
        """An announced size that never comes."""
        self._start(200, Content_Length=2 * len(self.state.data), Content_Type="video/mp4")
        self._body(self.state.data)
        self.close_connection = True

    def _unsized(self) -> None:
        """Half of it in chunks, without a size, then the end of the connection."""
        self._start(200, Transfer_Encoding="chunked", Content_Type="video/mp4")
        half = self.state.data[: len(self.state.data) // 2]
        self._body(b"%x\r\n%b\r\n" % (len(half), half))
        self.close_connection = True

    def _part(self) -> None:
        """A part that wasn't asked for: all of it or, below `first/`, the first bytes."""
        data = self.state.data
        part = data[:1000] if "/first/" in self.path else data
        at = f"bytes 0-{len(part) - 1}/{len(data)}"
        self._start(206, Content_Range=at, Content_Length=len(part), Content_Type="video/mp4")
        self._body(part)

    def _nowhere(self) -> None:
        """A redirect that doesn't say where."""
        self._start(302, Content_Length=0)

    def _broken(self) -> None:
        """Half of it, then the end of the connection; a range is answered as a whole."""
        if self.headers.get("Range"):
            self._good()
            return
        data = self.state.data
        self._start(200, ETag=self.state.etag, Content_Length=len(data), Content_Type="video/mp4")
        self._body(data[: len(data) // 2])
        self.close_connection = True

    def _noranges(self) -> None:
        """The whole, whatever was asked for, without a name of its content."""
        self._start(200, Content_Length=len(self.state.data), Content_Type="video/mp4")
        self._body(self.state.data)

    def _wrongrange(self) -> None:
        """Another range than was asked for."""
        if not self.headers.get("Range"):
            self._broken()
            return
        data = self.state.data
        at = f"bytes 0-{len(data) - 1}/{len(data)}"
        self._start(206, ETag=self.state.etag, Content_Range=at, Content_Length=len(data), Content_Type="video/mp4")
        self._body(data)

    def _endless(self) -> None:
        self._start(200, Content_Type="video/mp4", Connection="close")
        while True:
            self.wfile.write(bytes(PIECE))

    def _huge(self) -> None:
        self._start(200, Content_Length=20_000_000_001, Content_Type="video/mp4")
        self.wfile.write(bytes(PIECE))
        self.close_connection = True

    def _packed(self) -> None:
        self._whole(200, gzip.compress(self.state.data), Content_Encoding="gzip", Content_Type="video/mp4")

    def _whole(self, status: int, data: bytes, **headers: object) -> None:
        self._start(status, Content_Length=len(data), **headers)
        self._body(data)

    def _html(self) -> None:
        self._whole(200, b"<!doctype html><title>News</title><p>No video here", Content_Type="text/html; charset=utf-8")

    def _hidden(self) -> None:
        """A page that claims to be a video."""
        self._whole(200, b"\n<!DOCTYPE html><title>News</title>", Content_Type="video/mp4")

    def _login(self) -> None:
        page = b"<html><form><input name=user><input type='password' name=p></form></html>"
        self._whole(200, page, Content_Type="text/html")

    def _page(self) -> None:
        """A page with a video."""
        page = "<!doctype html><html><head><title>门口的猫</title></head><body><video src='/good/cat.mp4'></video>"
        self._whole(200, page.encode(), Content_Type="text/html; charset=utf-8")

    def _film(self) -> None:
        """A page with a video that can be read in parts."""
        page = "<!doctype html><html><head><title>Film</title></head><body><video src='/good/film.mp4'></video>"
        self._whole(200, page.encode(), Content_Type="text/html; charset=utf-8")

    def _two(self) -> None:
        videos = "".join(f"<video src='/good/{name}.mp4'></video>\n" for name in "ab")
        page = f"<html><head><title>Two</title></head><body>{videos}"
        self._whole(200, page.encode(), Content_Type="text/html; charset=utf-8")

    def _inward(self) -> None:
        """A page whose video is in a network that may not be reached."""
        page = "<html><title>x</title><body><video src='http://169.254.169.254/a.mp4'></video>"
        self._whole(200, page.encode(), Content_Type="text/html; charset=utf-8")

    def _live(self) -> None:
        text = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n"
        self._whole(200, text, Content_Type="application/vnd.apple.mpegurl")

    def _segments(self) -> None:
        """A playlist of two pieces, which has an end."""
        name = urlsplit(self.path).path.rpartition("/")[2]
        half = len(self.state.data) // 2
        if name.endswith(".m3u8"):
            pieces = "#EXTINF:4,\na.ts\n#EXTINF:4,\nb.ts\n"
            text = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{pieces}#EXT-X-ENDLIST\n"
            self._whole(200, text.encode(), Content_Type="application/vnd.apple.mpegurl")
        else:
            part = self.state.data[:half] if name == "a.ts" else self.state.data[half:]
            self._whole(200, part, Content_Type="video/mp2t")

    def _camera(self) -> None:
        self._start(200, Content_Type="multipart/x-mixed-replace; boundary=x", Connection="close")

    def _picture(self) -> None:
        self._whole(200, b"\xff\xd8\xff", Content_Type="image/jpeg")

    def _empty(self) -> None:
        self._whole(200, b"", Content_Type="video/mp4")

    def _expired(self) -> None:
        self._whole(403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")

    def _busy(self) -> None:
        self._whole(429, b"", Retry_After="17")

    def _gone(self) -> None:
        self._whole(404, b"")

    def _to(self) -> None:
        """A redirect to the address in the query."""
        self._start(302, Location=unquote(urlsplit(self.path).query), Content_Length=0)

    def _named(self) -> None:
        disposition = "attachment; filename*=UTF-8''%E9%97%A8%E5%8F%A3.mp4"
        self._good(Content_Disposition=disposition)
