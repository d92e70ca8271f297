"""Discovery of subtitle files beside a video, and ranking of all its subtitles.

Runs in the decoder worker, and `files_beside` also in the parent process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from framelens.core.domain import Language
from framelens.core.errors import InputError
from framelens.core.files import name_key, shown_path
from framelens.video.files import VIDEO_SUFFIXES, is_confined, open_input, printable_path
from framelens.video.subtitles import names
from framelens.video.subtitles.names import Extent

_READ = (
    *(".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp", ".itt", ".smi", ".sami"),
    *(".sub", ".sbv", ".mpl", ".mpl2", ".lrc", ".scc", ".json3", ".srv3", ".srv2", ".srv1"),
)
"""Endings of files that framelens.video.subtitles.formats reads, in order of preference."""
_AMBIGUOUS = (".xml", ".txt", ".json", ".tsv")
"""Endings that other files have, too: such a file counts if it begins as subtitles do."""
SUBTITLE_SUFFIXES = ", ".join(_READ)
"""Endings of the files that are read, for messages."""
MOST_SUBTITLE_BYTES = 16 << 20
"""Bytes that are read of a subtitle file."""
_BEGINNING_BYTES = 4096
CAPTIONED_CODECS = frozenset({"h264", "hevc", "mpeg2video", "av1"})
"""Codecs of pictures that may carry captions."""
_PACKED = {".gz": "gzip", ".bz2": "bzip2", ".xz": "XZ", ".zip": "ZIP", ".7z": "7z", ".rar": "RAR"}
"""Endings of files that are subtitles if the ending before is, as in film.srt.gz."""
_UNREAD = {
    **_PACKED,
    ".idx": "VobSub",
    ".sup": "PGS",
    ".stl": "EBU or Spruce STL",
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


@dataclass(frozen=True)
class Source:
    """Set of subtitles: a stream of the container or a file.

    Attributes:
        label: The name shown to the user.
        languages: ISO 639 codes.
        is_default: It is marked as default, or is a file without a language.
        extent: Part of the speech that it contains.
        is_readable: It is text in a known form; if not, `kind` names what it is.
        kind: A name of its form for the user.
        is_doubtful: The file may belong to another video: only the beginning of its name matches the video's.
        leads_out: The file is a link out of the video's folder, or any link in a confined folder. It isn't read:
            otherwise anyone who can write in the folder could have any other file of this machine read.
        is_certain: It exists; captions in pictures are looked for only when they are read.
        track: The index of a stream.
        path: The path of a file.
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
    """Return whether a file's name ends like a subtitle file's, readable or not."""
    suffix = _suffix_of(Path(name))
    return suffix in _READ or suffix in _UNREAD


def check_subtitle_file(path: Path) -> Path:
    """Return the absolute path of a subtitle file that the user has named.

    Raises:
        InputError: There is no such file, it is a folder, or it is in no form that is read.
    """
    if not path.is_file():
        raise InputError("subtitles_not_a_file" if path.exists() else "path_missing", path=shown_path(path))
    if form := _UNREAD.get(_suffix_of(path)):
        raise InputError("subtitles_form_not_read", name=printable_path(path.name), form=form)
    if path.suffix.lower() not in _READ and not _begins_as_subtitles(path):
        raise InputError("subtitles_not_known", name=printable_path(path.name), known=SUBTITLE_SUFFIXES)
    return path.absolute()


def subtitle_belongs(name: str, video: str) -> bool:
    """Return whether a subtitle file's name is the name of a video with languages and flags."""
    return is_subtitle_name(name) and names.tags_of(Path(name).stem, Path(video).stem) is not None


def ranked(sources: Sequence[Source], language: Language) -> list[Source]:
    """Sort the best first: whole speech, in `language`, by extent, marked as default, in the given order."""
    rank = get_args(Extent).index
    return sorted(
        sources,
        key=lambda source: (
            source.extent == "partial",
            not source.speaks(language),
            rank(source.extent),
            not source.is_default,
        ),
    )


def files_beside(video: Path) -> Iterator[Source]:
    """Yield files such as film.srt, film.zh.srt and Subs/film.en.srt; files without a language count as default."""
    try:
        entries, folder = sorted(video.parent.iterdir()), video.parent.resolve()
    except OSError:
        return
    videos = [entry.stem for entry in entries if entry.suffix.lower() in VIDEO_SUFFIXES]
    places = [(entry, False) for entry in entries]
    for sub in (entry for entry in entries if entry.name.lower() in _FOLDERS):
        places += [(path, len(videos) == 1) for path in _list_files(sub)]
        places += [(path, True) for path in _list_files(sub / video.stem)]
    sources = (_file(path, video, videos, folder, is_own=is_own) for path, is_own in places)
    order = [*_READ, *_AMBIGUOUS, *_UNREAD]
    yield from sorted(
        filter(None, sources), key=lambda source: (source.is_doubtful, order.index(_suffix_of(source.path)))
    )


def given_file(path: Path) -> Source:
    """Return the subtitles in a file that the user has named."""
    tags = names.parse_tags(path.stem) or names.NameTags()
    return Source(printable_path(path.name), tags.languages, is_default=True, path=path)


def digest_beside(video: Path, subtitles: Path | None = None) -> str:
    """Return a digest of the subtitle files that an analysis may read, beside the video or given.

    It depends on their contents and on what their names say, not on the video's name or folder, and it is "" without
    any. Where no plugin reads further forms it is another.
    """
    from framelens import registry  # decoders don't need it

    used = [source for source in files_beside(video) if source.is_used and source.path]
    if subtitles:
        used.append(given_file(subtitles))
    keys = sorted(
        [source.extent, *source.languages, str(source.is_default), _content_digest(source.path)]
        for source in used
        if source.path
    )
    if not any(registry.placed("subtitles")):
        keys.append(["common forms"])
    return hashlib.sha256(repr(keys).encode()).hexdigest()[:16] if keys else ""


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
        subs = [path for path in sorted(folder.iterdir()) if path.name.lower() in _FOLDERS and path.is_dir()]
    except OSError:
        return [folder]
    return [folder, *(path for sub in subs for path in (sub, sub / video.stem) if path.is_dir())]


def _list_files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _begins_as_subtitles(path: Path) -> bool:
    from framelens.video.subtitles.formats import begins_as_subtitles

    try:
        with open_input(path) as file:
            return begins_as_subtitles(file.read(_BEGINNING_BYTES))
    except OSError:
        return False


def _suffix_of(path: Path | None) -> str:
    """Return the ending in lower case, "" for a packed file that isn't named like subtitles."""
    suffix = path.suffix.lower() if path else ""
    return "" if path and suffix in _PACKED and Path(path.stem).suffix.lower() not in _READ else suffix


def _is_near(stem: str, video: str, videos: Sequence[str]) -> bool:
    """Return whether a subtitle file may be a video's: one of their names begins the other, and is no other video's."""
    begins = names.beginning_of(video, stem)
    return names.may_belong_to(stem, video) or (begins != "" and begins not in map(name_key, videos))


def _file(path: Path, video: Path, videos: Sequence[str], folder: Path, *, is_own: bool) -> Source | None:
    """Return the subtitles in a file; None if it isn't a subtitle file, or belongs to another video."""
    suffix = _suffix_of(path)
    if suffix not in (*_READ, *_AMBIGUOUS, *_UNREAD):
        return None
    tags = names.tags_of(path.stem, video.stem) or (names.parse_tags(path.stem) if is_own else None)
    rivals = [stem for stem in videos if len(stem) > len(video.stem) and names.may_belong_to(stem, video.stem)]
    if any(names.may_belong_to(path.stem, rival) for rival in rivals):
        return None
    is_doubtful = tags is None and suffix in _READ and _is_near(path.stem, video.stem, videos)
    if (tags is None and not is_doubtful) or not path.is_file():
        return None
    leads_out = not path.resolve().is_relative_to(folder) or (is_confined(path) and path.resolve() != path)
    if suffix in _AMBIGUOUS and (leads_out or not _begins_as_subtitles(path)):
        return None
    tags = tags or names.NameTags()
    return Source(
        printable_path(path.name),
        tags.languages,
        tags.is_default,
        tags.extent,
        is_readable=suffix not in _UNREAD,
        kind=_UNREAD.get(suffix, ""),
        is_doubtful=is_doubtful,
        leads_out=leads_out,
        path=path,
    )
