"""Which subtitles there are, in a container and in files beside it, and which of them are the ones to read.

Also from the bytes of such a file to its text, whatever its encoding. Runs in the decoding child; `files_beside`, which
needs no decoder, in its parent too.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.domain import Language
from app.video.files import printable
from app.video.subtitles.parser import Timed, read_arrows, read_ass

if TYPE_CHECKING:
    from av.container import InputContainer
    from charset_normalizer import CharsetMatch

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
"""What subtitles are written in, as charset-normalizer names it and as people do; of those that fit alike, the first.

Big5 with Hong Kong's supplement: without it Big5 lacks common letters that Windows writes, such as 裏 and 恒.
"""
_SAME_NOISE = 0.03
"""Of 900 files of one sentence each in 9 languages, 69 were decoded wrongly with this and 129 without; with 0.1, 89.
Of two sentences: 4, 12 and 9. From five on: none of 900."""
_BROKEN_SHARE = 0.05
"""Of what is not ASCII in a damaged or cut UTF-8 file, so much may be broken; in a file of another encoding most is."""
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class UnknownEncodingError(ValueError):
    """The bytes of a file are no text in any encoding that subtitles come in."""


@dataclass(frozen=True)
class Source:
    """One set of subtitles: stream `track` of the container, or the file `path`. `tag` is its language, or "".

    `leads_out`: the file is a link out of the video's folder. It is not read: anyone who can write there could have any
    other file of this machine read.
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
        """Whether it is tagged as being in that language."""
        return self.tag.lower().replace("_", "-").partition("-")[0] in _TAGS[language]


def ranked(sources: Sequence[Source], language: Language) -> list[Source]:
    """The best first: in `language`, marked as default, the first. Those for a few foreign words only come last."""
    return sorted(sources, key=lambda one: (one.is_forced, not one.speaks(language), not one.is_default))


def files_beside(video: Path) -> Iterator[Source]:
    """Files such as film.srt and film.zh.srt beside film.mp4; the one without a language counts as the default."""
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
    """The subtitle tracks, in the order of the file; those of pictures are not readable."""
    from av.stream import Disposition  # who looks for files alone needs no decoder

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
    """The text of a subtitle file; `assumed` names the encoding where the file does not show which one it is."""

    text: str
    assumed: str = ""


def decoded(data: bytes) -> Decoded:
    """Decode a subtitle file by its byte order mark, as UTF-8, or in the legacy encoding that its bytes fit best.

    Raises:
        UnknownEncodingError: No encoding of those that subtitles come in fits the bytes.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return Decoded(data.decode(name))
    head = data[:4096]
    if head.count(0) > len(head) // 8:  # Latin letters and digits, which times are made of, have a zero byte each
        name = "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"
        return Decoded(data.decode(name), "UTF-16")
    text = data.decode(errors="replace")
    if num_broken := text.count("\N{REPLACEMENT CHARACTER}"):
        is_utf8 = num_broken <= _BROKEN_SHARE * sum(not letter.isascii() for letter in text)
        return Decoded(text, "UTF-8") if is_utf8 else _guessed(data)
    return Decoded(text)


def _guessed(data: bytes) -> Decoded:
    # Real text can look like noise to the library, as many short lines of Chinese do: better that than none.
    matches = _matches(data) or _matches(data, threshold=1.0)
    if not matches:
        raise UnknownEncodingError
    best = matches[0]
    fits = [one for one in matches if one.chaos <= best.chaos + _SAME_NOISE and one.coherence >= best.coherence]
    found = min(fits, key=lambda one: list(_ENCODINGS).index(one.encoding))
    return Decoded(str(found), _ENCODINGS[found.encoding])


def _matches(data: bytes, threshold: float = 0.2) -> list[CharsetMatch]:
    """The encodings that fit, best first, with noise up to `threshold`; 0.2 is what charset-normalizer asks for."""
    from charset_normalizer import from_bytes  # few files need it

    return list(from_bytes(data, cp_isolation=list(_ENCODINGS), threshold=threshold))
