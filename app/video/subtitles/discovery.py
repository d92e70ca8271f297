"""Discovery and ranking of subtitles in a container and in files beside it, and decoding of a file's text.

Runs in the decoder worker; `files_beside`, which needs no decoder, also runs in the parent process.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core import Language
from app.video.files import printable
from app.video.subtitles.parser import Timed, read_arrows, read_ass, read_srt

if TYPE_CHECKING:
    from av.container import InputContainer
    from charset_normalizer import CharsetMatch

READERS: dict[str, Callable[[str], Iterable[Timed]]] = {
    ".srt": read_srt,
    ".vtt": read_arrows,
    ".ass": read_ass,
    ".ssa": read_ass,
}
MOST_BYTES = 16 << 20
"""Bytes that are read of a subtitle file. Chosen by hand; not tuned."""
_TEXT_CODECS = frozenset({"mov_text", "subrip", "ass", "webvtt", "text"})
_TAGS: dict[Language, frozenset[str]] = {
    "zh": frozenset({"zh", "zho", "chi", "cmn", "yue", "chs", "cht"}),
    "en": frozenset({"en", "eng"}),
}
_ENCODINGS = {
    "utf_8": "UTF-8",
    "utf_16_le": "UTF-16",
    "utf_16_be": "UTF-16",
    "gb18030": "GB18030",
    "big5hkscs": "Big5",
    "cp932": "Shift-JIS",
    "cp949": "EUC-KR",
    "cp1252": "Windows-1252",
    "cp1251": "Windows-1251",
}
"""Encodings of subtitles, by charset-normalizer's names and by common names; of equally good fits the first counts.

Big5 has Hong Kong's supplement: plain Big5 lacks common letters that Windows writes, such as 裏 and 恒.
"""
_SAME_NOISE = 0.03
"""Encodings whose noise (charset-normalizer's chaos) differs by at most this fit equally well. Of 900 files of one
sentence each in 9 languages, 69 were decoded wrongly with this value, 129 with 0 and 89 with 0.1. With two sentences:
4, 12 and 9. With five: none of 900."""
_BROKEN_SHARE = 0.05
"""Share of the non-ASCII characters that may be broken in a damaged or truncated UTF-8 file; in a file of another
encoding most are. Chosen by hand; not tuned."""
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class UnknownEncodingError(ValueError):
    """Raised if the bytes of a file are not text in any known encoding of subtitles."""


@dataclass(frozen=True)
class Source:
    """One set of subtitles: a stream of the container or a file.

    Attributes:
        label: The name shown to the user.
        tag: The language tag, or "".
        is_default: It is marked as default, or is a file without a language.
        is_forced: It only translates foreign words.
        is_readable: It is text, not pictures.
        leads_out: The file is a link out of the video's folder. It isn't read: otherwise anyone who can write in the
            folder could have any other file of this machine read.
        track: The index of the stream, or None for a file.
        path: The file, or None for a stream.
    """

    label: str
    tag: str
    is_default: bool
    is_forced: bool = False
    is_readable: bool = True
    leads_out: bool = False
    track: int | None = None
    path: Path | None = None

    def speaks(self, language: Language) -> bool:
        """Return whether it is tagged with that language."""
        return self.tag.lower().replace("_", "-").partition("-")[0] in _TAGS[language]


def ranked(sources: Sequence[Source], language: Language) -> list[Source]:
    """Sort the best first: in `language`, then marked as default, then in order; forced subtitles come last."""
    return sorted(sources, key=lambda one: (one.is_forced, not one.speaks(language), not one.is_default))


def files_beside(video: Path) -> Iterator[Source]:
    """Yield files such as film.srt and film.zh.srt beside film.mp4; one without a language counts as the default."""
    try:
        entries, folder = sorted(video.parent.iterdir()), video.parent.resolve()
    except OSError:
        return
    for suffix in READERS:
        for path in entries:
            if path.suffix.lower() != suffix or path == video:
                continue
            stem, _, tag = path.stem.rpartition(".")
            is_same = path.stem == video.stem
            if (is_same or (stem == video.stem and 0 < len(tag) <= 10)) and path.is_file():
                leads_out = not path.resolve().is_relative_to(folder)
                label, tag = printable(path.name), "" if is_same else tag
                yield Source(label, tag, is_default=is_same, leads_out=leads_out, path=path)


def tracks_in(container: InputContainer) -> Iterator[Source]:
    """Yield the subtitle tracks in the order of the file; those stored as pictures are not readable."""
    from av.stream import Disposition  # `files_beside` alone needs no decoder

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


@dataclass(frozen=True)
class Decoded:
    """The text of a subtitle file; `assumed` names the encoding if it had to be guessed."""

    text: str
    assumed: str = ""


def decoded(data: bytes) -> Decoded:
    """Decode a subtitle file by its byte order mark, as UTF-8, or in the legacy encoding that its bytes fit best.

    Raises:
        UnknownEncodingError: No known encoding of subtitles fits the bytes.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return Decoded(data.decode(name))
    head = data[:4096]
    if head.count(0) > len(head) // 8:  # the Latin letters and digits of times have a zero byte each
        name = "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"
        return Decoded(data.decode(name), "UTF-16")
    text = data.decode(errors="replace")
    if num_broken := text.count("\N{REPLACEMENT CHARACTER}"):
        is_utf8 = num_broken <= _BROKEN_SHARE * sum(not letter.isascii() for letter in text)
        return Decoded(text, "UTF-8") if is_utf8 else _guessed(data)
    return Decoded(text)


def _guessed(data: bytes) -> Decoded:
    # Real text, such as many short lines of Chinese, can look like noise to the library: accept that over no match.
    matches = _matches(data) or _matches(data, threshold=1.0)
    if not matches:
        raise UnknownEncodingError
    best = matches[0]
    fits = [one for one in matches if one.chaos <= best.chaos + _SAME_NOISE and one.coherence >= best.coherence]
    found = min(fits, key=lambda one: list(_ENCODINGS).index(one.encoding))
    return Decoded(str(found), _ENCODINGS[found.encoding])


def _matches(data: bytes, threshold: float = 0.2) -> list[CharsetMatch]:
    """List the encodings that fit, best first, with noise up to `threshold`; charset-normalizer's default is 0.2."""
    from charset_normalizer import from_bytes  # few files need it

    return list(from_bytes(data, cp_isolation=list(_ENCODINGS), threshold=threshold))
