"""Discovery of subtitle files beside a video, ranking of all its subtitles, and decoding of a file's text.

Runs in the decoder worker, and `files_beside` also in the parent process.
"""

from __future__ import annotations

import codecs
import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from framelens.core.domain import Language
from framelens.core.errors import InputError
from framelens.core.files import shown_path
from framelens.video.files import VIDEO_SUFFIXES, is_confined, open_input, printable
from framelens.video.subtitles import names
from framelens.video.subtitles.names import Extent

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

_READ = (
    *(".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp", ".itt", ".smi", ".sami"),
    *(".sub", ".sbv", ".mpl", ".mpl2", ".lrc", ".scc"),
)
"""Endings of files that framelens.video.subtitles.formats reads, the preferred ones first."""
SUBTITLE_SUFFIXES = ", ".join(_READ)
"""Endings of the files that are read, for messages."""
MOST_SUBTITLE_BYTES = 16 << 20
"""Bytes that are read of a subtitle file."""
CAPTIONED_CODECS = frozenset({"h264", "hevc", "mpeg2video", "av1"})
"""Codecs of pictures that may carry captions."""
_UNREAD = {
    ".idx": "VobSub",
    ".sup": "PGS",
    ".stl": "EBU STL",
    ".srv1": "YouTube srv1",
    ".srv2": "YouTube srv2",
    ".srv3": "YouTube srv3",
    ".json3": "YouTube json3",
    ".usf": "USF",
    ".mks": "Matroska",
    ".mcc": "MacCaption",
    ".ttxt": "MPEG-4 Timed Text",
    ".jss": "JACOsub",
    ".aqt": "AQTitle",
    ".pjs": "Phoenix",
    ".rt": "RealText",
}
"""Endings of subtitles that are known and not read, with the names of their forms."""
_FOLDERS = frozenset({"subs", "sub", "subtitles", "subtitle", "字幕"})
"""Folders beside a video in which subtitles are looked for, in lower case."""
SPOKEN: dict[Language, frozenset[str]] = {"zh": frozenset({"zh", "yue"}), "en": frozenset({"en"})}
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
    "cp1250": "Windows-1250",
    "iso8859_2": "ISO-8859-2",
    "cp1257": "Windows-1257",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "cp874": "Windows-874",
    "euc_jp": "EUC-JP",
    "koi8_r": "KOI8-R",
}
"""Encodings of subtitles, by charset-normalizer's names and by common names; of equally good fits the first counts.

Big5 has Hong Kong's supplement: plain Big5 lacks common letters that Windows writes, such as 裏 and 恒.
"""
_CENTRAL_EUROPE = ("ąćęłńóśźż", "áäčďéěíĺľňóôŕřšťúůýž", "áéíóöőúüű", "ăâîşţ", "čćđšž")
_LATIN_ALPHABETS: dict[str, tuple[str, ...]] = {
    "cp1252": ("äöüß", "àâæçéèêëîïôœùûüÿ", "áéíñóúüª", "àáâãçéêíóôõúü", "åäöéæø", "áðéíóúýþæö", "àèéìíîòóùú"),
    "cp1250": _CENTRAL_EUROPE,
    "iso8859_2": _CENTRAL_EUROPE,
    "cp1254": ("çğıöşüâîiû",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž"),
}
"""Letters beyond ASCII of the languages of each encoding for Latin letters, which the library can't tell apart."""
_SAME_NOISE = 0.03
"""Encodings whose noise (charset-normalizer's chaos) differs by at most this fit equally well. Of 900 files of one
sentence each in 9 languages, 69 were decoded wrongly with this value, 129 with 0 and 89 with 0.1. With two sentences:
4, 12 and 9. With five: none of 900. That was before the encodings after Windows-1251 were added."""
_SIGNS = frozenset("\u0307©®™°º€£♪")
"""Signs that texts of every language have, and the dot that "İ" keeps in lower case."""
_BROKEN_SHARE = 0.05
"""Share of the non-ASCII characters that may be broken in a damaged or truncated UTF-8 file; in a file of another
encoding most are."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # its first half is the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class UnknownEncodingError(ValueError):
    """Raised if the bytes of a file are not text in any known encoding of subtitles."""


@dataclass(frozen=True)
class Source:
    """One set of subtitles: a stream of the container or a file.

    Attributes:
        label: The name shown to the user.
        languages: ISO 639 codes, or names that are none as they came.
        is_default: It is marked as default, or is a file without a language.
        extent: What of the speech it contains.
        is_readable: It is text in a known form; if not, `kind` names what it is.
        kind: A name of its form for the user.
        is_doubtful: The file may belong to another video: only the beginning of its name is that of the video.
        leads_out: The file is a link out of the video's folder, or any link in a confined folder. It isn't read:
            otherwise anyone who can write in the folder could have any other file of this machine read.
        is_certain: It exists; captions in pictures are looked for only when they are read.
        track: The index of the stream, or None for a file.
        path: The file, or None for a stream.
    """

    label: str
    languages: tuple[str, ...]
    is_default: bool
    extent: Extent = "full"
    is_readable: bool = True
    kind: str = ""
    is_doubtful: bool = False
    leads_out: bool = False
    is_certain: bool = True
    track: int | None = None
    path: Path | None = None

    def speaks(self, language: Language) -> bool:
        """Return whether it is tagged with that language."""
        return bool(SPOKEN[language].intersection(self.languages))

    @property
    def is_used(self) -> bool:
        """Return whether it may be read."""
        return self.is_readable and not (self.leads_out or self.is_doubtful)


def is_subtitle_name(name: str) -> bool:
    """Return whether a file's name ends like one of subtitles, readable or not."""
    suffix = Path(name).suffix.lower()
    return suffix in _READ or suffix in _UNREAD


def check_subtitle_file(path: Path) -> Path:
    """Return the absolute path of a subtitle file that the user has named.

    Raises:
        InputError: There is no such file, it is a folder, or its name doesn't end like one of subtitles that are read.
    """
    if not path.is_file():
        raise InputError("subtitles_not_a_file" if path.exists() else "path_missing", path=shown_path(path))
    if path.suffix.lower() not in _READ:
        raise InputError("subtitles_not_known", name=printable(path.name), known=SUBTITLE_SUFFIXES)
    return path.absolute()


def subtitle_belongs(name: str, video: str) -> bool:
    """Return whether a subtitle file's name is the name of a video with languages and flags."""
    return is_subtitle_name(name) and names.tags_of(Path(name).stem, Path(video).stem) is not None


def ranked(sources: Sequence[Source], language: Language) -> list[Source]:
    """Sort the best first: whole speech, then in `language`, then what people wrote, marked as default, in order."""
    rank = get_args(Extent).index
    return sorted(
        sources,
        key=lambda one: (one.extent == "partial", not one.speaks(language), rank(one.extent), not one.is_default),
    )


def files_beside(video: Path) -> Iterator[Source]:
    """Yield files such as film.srt, film.zh.srt and Subs/film.en.srt; one without a language counts as the default."""
    try:
        entries, folder = sorted(video.parent.iterdir()), video.parent.resolve()
    except OSError:
        return
    videos = [one.stem for one in entries if one.suffix.lower() in VIDEO_SUFFIXES]
    places = [(one, False) for one in entries]
    for sub in (one for one in entries if one.name.lower() in _FOLDERS):
        places += [(one, len(videos) == 1) for one in _listed(sub)]
        places += [(one, True) for one in _listed(sub / video.stem)]
    found = (_file(path, video, videos, folder, is_own=is_own) for path, is_own in places)
    order = [*_READ, *_UNREAD]
    yield from sorted(filter(None, found), key=lambda one: (one.is_doubtful, order.index(_suffix_of(one.path))))


def given_file(path: Path) -> Source:
    """Return the subtitles in a file that the user has named."""
    tags = names.parse_tags(path.stem) or names.NameTags()
    return Source(printable(path.name), tags.languages, is_default=True, path=path)


def digest_beside(video: Path, given: Path | None = None) -> str:
    """Return a digest of the subtitle files that an analysis may read, beside the video or given; "" without any.

    It depends on their contents and on what their names say, not on the video's name or folder.
    """
    used = [one for one in files_beside(video) if one.is_used and one.path]
    if given:
        used.append(given_file(given))
    known = sorted(
        [one.extent, *one.languages, str(one.is_default), _content_digest(one.path)] for one in used if one.path
    )
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16] if known else ""


def _content_digest(path: Path) -> str:
    try:
        with open_input(path) as file:
            return hashlib.sha256(file.read(MOST_SUBTITLE_BYTES)).hexdigest()
    except OSError:  # the analysis says so
        return ""


def folders_beside(video: Path) -> list[Path]:
    """Return the existing folders that may hold subtitles of the video, its own first."""
    folder = video.absolute().parent
    try:
        subs = [one for one in sorted(folder.iterdir()) if one.name.lower() in _FOLDERS and one.is_dir()]
    except OSError:
        return [folder]
    return [folder, *(place for sub in subs for place in (sub, sub / video.stem) if place.is_dir())]


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _suffix_of(path: Path | None) -> str:
    return path.suffix.lower() if path else ""


def _file(path: Path, video: Path, videos: Sequence[str], folder: Path, *, is_own: bool) -> Source | None:
    """Return the subtitles in a file; None if it has none, or belongs to another video with a longer name."""
    suffix = _suffix_of(path)
    if suffix not in _READ and suffix not in _UNREAD:
        return None
    tags = names.tags_of(path.stem, video.stem) or (names.parse_tags(path.stem) if is_own else None)
    rivals = [one for one in videos if len(one) > len(video.stem) and names.may_belong_to(one, video.stem)]
    if any(names.may_belong_to(path.stem, one) for one in rivals):
        return None
    is_doubtful = tags is None and suffix in _READ and names.may_belong_to(path.stem, video.stem)
    if (tags is None and not is_doubtful) or not path.is_file():
        return None
    tags = tags or names.NameTags()
    return Source(
        printable(path.name),
        tags.languages,
        tags.is_default,
        tags.extent,
        is_readable=suffix in _READ,
        kind=_UNREAD.get(suffix, ""),
        is_doubtful=is_doubtful,
        leads_out=not path.resolve().is_relative_to(folder) or (is_confined(path) and path.resolve() != path),
        path=path,
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
            return Decoded(_without_marks(data.decode(name, "replace")))
    head = data[:4096]
    if head.count(0) > len(head) // 8:  # the Latin letters and digits of times have a zero byte each
        name = "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"
        return Decoded(_without_marks(data.decode(name, "replace")), "UTF-16")
    text = _without_marks(data.decode(errors="replace"))
    if num_broken := text.count("\N{REPLACEMENT CHARACTER}"):
        is_utf8 = num_broken <= _BROKEN_SHARE * sum(not letter.isascii() for letter in text)
        return Decoded(text, "UTF-8") if is_utf8 else _guessed(data)
    return Decoded(text)


def _without_marks(text: str) -> str:
    """Return the text without byte order marks: files that were joined have some in the middle."""
    return text.replace("\ufeff", "")


def _guessed(data: bytes) -> Decoded:
    # Real text, such as many short lines of Chinese, can look like noise to the library: accept that over no match.
    matches = _matches(data) or _matches(data, threshold=1.0)
    if not matches:
        raise UnknownEncodingError
    best = matches[0]
    fits = [one for one in matches if one.chaos <= best.chaos + _SAME_NOISE and one.coherence >= best.coherence]
    found = min(fits, key=_place)
    if found.encoding in _LATIN_ALPHABETS:
        latin = [one for one in matches if one.encoding in _LATIN_ALPHABETS and one.chaos <= best.chaos + _SAME_NOISE]
        found = min(latin, key=lambda one: (_num_foreign(one), _place(one)))
    return Decoded(str(found), list(_ENCODINGS.values())[_place(found)])


def _place(match: CharsetMatch) -> int:
    """Return the place of the first encoding that gives this text; the library lists those with the same text once."""
    return min(place for place, one in enumerate(_ENCODINGS) if one in match.could_be_from_charset)


def _num_foreign(match: CharsetMatch) -> int:
    """Return how many letters and signs of a text don't belong to the language that fits it best."""
    text = unicodedata.normalize("NFC", str(match)).lower()
    used = {
        char for char in text if not char.isascii() and unicodedata.category(char)[0] not in "PZ" and char not in _SIGNS
    }
    return min(len(used.difference(letters)) for letters in _LATIN_ALPHABETS[match.encoding])


def _matches(data: bytes, threshold: float = 0.2) -> list[CharsetMatch]:
    """List the encodings that fit, best first, with noise up to `threshold`; charset-normalizer's default is 0.2."""
    from charset_normalizer import from_bytes  # few files need it

    return list(from_bytes(data, cp_isolation=list(_ENCODINGS), threshold=threshold))
