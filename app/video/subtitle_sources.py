"""Which subtitles there are, in a container and in files beside it, and which of them are the ones to read.

Also from the bytes of such a file to its text, whatever its encoding. Runs in the decoding child.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from av.container import InputContainer
from av.stream import Disposition

from app.domain import Language
from app.video.files import printable
from app.video.subtitle_text import Timed, read_arrows, read_ass

READERS: dict[str, Callable[[str], Iterable[Timed]]] = {
    ".srt": read_arrows,
    ".vtt": read_arrows,
    ".ass": read_ass,
    ".ssa": read_ass,
}
MOST_BYTES = 16 << 20
_TEXT_CODECS = frozenset({"mov_text", "subrip", "ass", "webvtt", "text"})
_TAGS: dict[Language, frozenset[str]] = {
    "zh": frozenset({"zh", "zho", "chi", "cmn", "yue", "chs", "cht"}),
    "en": frozenset({"en", "eng"}),
}
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class Source:
    """One set of subtitles: stream `track` of the container, or the file `path`. `tag` is its language, or ""."""

    label: str
    tag: str
    is_default: bool
    is_forced: bool = False
    is_readable: bool = True
    track: int | None = None
    path: Path | None = None

    def speaks(self, language: Language) -> bool:
        """Whether it is tagged as being in that language."""
        return self.tag.lower().replace("_", "-").partition("-")[0] in _TAGS[language]


def ranked(sources: Sequence[Source], language: Language) -> list[Source]:
    """The best first: in `language`, marked as default, the first. Those for a few foreign words only come last."""
    return sorted(sources, key=lambda one: (one.is_forced, not one.speaks(language), not one.is_default))


def files_beside(video: Path) -> Iterator[Source]:
    """Files such as film.srt and film.zh.srt beside film.mp4; the one without a language counts as the default."""
    try:
        entries = sorted(video.parent.iterdir())
    except OSError:
        return
    for suffix in READERS:
        for path in entries:
            if path.suffix.lower() != suffix or path == video:
                continue
            stem, _, tag = path.stem.rpartition(".")
            is_same = path.stem == video.stem
            if (is_same or (stem == video.stem and 0 < len(tag) <= 10)) and path.is_file():
                yield Source(printable(path.name), "" if is_same else tag, is_default=is_same, path=path)


def tracks_in(container: InputContainer) -> Iterator[Source]:
    """The subtitle tracks, in the order of the file; those of pictures are not readable."""
    for number, stream in enumerate(container.streams.subtitles, 1):
        tag = stream.language or ""
        title = printable(stream.metadata.get("title", ""))[:40]
        codec = stream.codec_context.codec.canonical_name if stream.codec_context is not None else "?"
        yield Source(
            label=" ".join(filter(None, ("" if tag == "und" else tag, title))) or f"#{number}",
            tag=tag,
            is_default=bool(stream.disposition & Disposition.default),
            is_forced=bool(stream.disposition & Disposition.forced),
            is_readable=codec in _TEXT_CODECS,
            track=stream.index,
        )


def decoded(data: bytes) -> str:
    """The text, by its mark, as UTF-8, as UTF-16 that has no mark, or as GB18030, the first that fits.

    Raises UnicodeDecodeError where none does.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data.decode(name)
    head = data[:4096]
    if head.count(0) > len(head) // 8:  # Latin letters and digits, which times are made of, have a zero byte each
        return data.decode("utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("gb18030")
