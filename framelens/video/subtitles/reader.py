"""Reader of a video's subtitles, from a track or a file beside it, as a transcript. Runs in the decoder worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import av.error

from framelens.core.domain import Cue, Language, Notice, Transcript, VideoInfo
from framelens.core.events import Noticed
from framelens.core.units import clock
from framelens.video.files import open_input
from framelens.video.readers.pyav import open_video
from framelens.video.subtitles import discovery, names, tracks
from framelens.video.subtitles.cues import MOST_CUES, Cues, PluginNeededError, Timed, Unread, is_speech
from framelens.video.subtitles.encodings import Decoded, UnknownEncodingError, decoded
from framelens.video.subtitles.formats import SubtitleForms, reader_of

_MOST_TRIES = 4
"""Sources that are tried. Reading a track means reading the whole file; empty tracks are rare."""
_PROGRAM_STREAM = b"\x00\x00\x01\xba"
"""First bytes of pictures in a .sub file (MPEG-2 program stream)."""
_NO_LINE_ENDS = dict.fromkeys(map(ord, "\v\f\x1c\x1d\x1e\x85\u2028\u2029"), " ")
"""Characters at which Python divides lines, too; within a cue they come from other programs; no format means them."""


def read(
    info: VideoInfo, language: Language, file: Path | None = None, forms: SubtitleForms | None = None
) -> Iterator[Noticed | Transcript]:
    """Yield notices, and the transcript of the best readable subtitles, if any; see `subtitles_of`.

    `forms` are what a plugin reads.
    """
    container, video = open_video(info.path)
    with container:
        inside = chain(tracks.tracks_in(container), tracks.captions_in(container, video, forms))
        sources = [*discovery.files_beside(info.path), *inside]
    yield from map(Noticed, _unused_notices(sources))
    readable = discovery.ranked(
        [source for source in sources if source.is_used and not (file and source.path == file)], language
    )
    if file:
        readable.insert(0, discovery.given_file(file))
    for index, source in enumerate(readable[:_MOST_TRIES], 1):
        # The times of a file beside the video are a player's, the times of a track the container's.
        cues = Cues(-(info.start_seconds if source.path is None else info.player_start_seconds))
        notices: list[Notice] = []
        try:
            notices = _fill(cues, info, source, language, forms)
        except UnknownEncodingError:
            notices = [Notice("subtitles_encoding_unknown", {"name": source.label})]
        except PluginNeededError:
            notices = [Notice("subtitles_need_plugin", {"name": source.label})]
        except (OSError, ValueError, av.error.FFmpegError) as error:
            notices = [Notice("subtitles_unreadable", {"name": source.label, "reason": str(error)[:200]})]
        if cues.num_before:
            counted = Notice("subtitles_before_picture", {"name": source.label, "count": cues.num_before}, "info")
            notices.append(counted)
        timed_cues = cues.in_order()
        first_seconds = timed_cues[0].start_seconds if timed_cues else 0.0
        if source.path and (start := _programme_start(first_seconds, info, source.path, forms)):
            values = {
                "name": source.label,
                "first": clock(first_seconds, form="hh"),
                "start": clock(start, form="hh"),
            }
            notices.append(Notice("subtitles_from_programme", values, "info"))
            timed_cues = tuple(Cue(cue.start_seconds - start, cue.end_seconds - start, cue.text) for cue in timed_cues)
        if timed_cues and not is_speech(timed_cues):
            yield Noticed(Notice("subtitles_are_telemetry", {"name": source.label}, "info"))
            continue
        if not (timed_cues or notices or source.path is None):
            notices = [Notice("subtitles_empty", {"name": source.label})]
        yield from map(Noticed, notices)
        if timed_cues:
            others = [source for source in readable[index:] if source.is_certain]  # earlier files have notices
            yield from _transcript(source, timed_cues, others, cues)
            return


def _unused_notices(sources: Sequence[discovery.Source]) -> Iterator[Notice]:
    """Yield notices that name the subtitles that aren't read, with the reason."""
    if links := [source.label for source in sources if source.leads_out]:
        yield Notice("subtitles_lead_out", {"names": ", ".join(links)})
    if doubtful := [source.label for source in sources if source.is_doubtful and not source.leads_out]:
        yield Notice("subtitles_of_other_video", {"names": ", ".join(doubtful)}, "info")
    if pictures := [source.label for source in sources if not (source.is_readable or source.path or source.kind)]:
        yield Notice("subtitles_are_pictures", {"tracks": ", ".join(pictures)}, "info")
    for source in sources:
        if source.kind:
            yield Notice("subtitles_form_unread", {"name": source.label, "form": source.kind})


def _transcript(
    source: discovery.Source, timed_cues: tuple[Cue, ...], others: Sequence[discovery.Source], cues: Cues
) -> Iterator[Noticed | Transcript]:
    if source.extent == "partial":
        yield Noticed(Notice("subtitles_partial", {"name": source.label}, "info"))
    if others:
        values = {"used": source.label, "others": ", ".join(other.label for other in others[:12])}
        yield Noticed(Notice("subtitles_others", values, "info"))
    if cues.is_full:
        yield Noticed(Notice("subtitles_too_many", {"name": source.label, "most": MOST_CUES}))
    yield Transcript("subtitles", source.label, timed_cues)


def _fill(
    cues: Cues, info: VideoInfo, source: discovery.Source, language: Language, forms: SubtitleForms | None
) -> list[Notice]:
    """Add the cues of the source to `cues`; return notices of a guessed encoding and of lines that weren't read."""
    if source.path is None:
        guessed: list[str] = []
        _add_all(cues, tracks.from_track(info, source, guessed.append, forms))
        return [Notice("subtitles_encoding", {"name": source.label, "encoding": encoding}) for encoding in guessed]
    content = _content(source.path, source)
    reader = reader_of(source.path.suffix.lower(), content.text, discovery.SPOKEN[language], forms)
    unread = _add_all(cues, reader(content.text, info.frame_rate or 0.0))
    notices: list[Notice] = []
    if content.assumed:
        notices.append(Notice("subtitles_encoding", {"name": source.label, "encoding": content.assumed}))
    notices += [Notice("subtitles_cut_off", {"name": source.label, "line": item.line}) for item in unread if item.ends]
    if unread := [item for item in unread if not item.ends]:
        first = f"{unread[0].line}: {unread[0].text.strip()[:80]}"
        notices.append(Notice("subtitles_times_unread", {"name": source.label, "count": len(unread), "first": first}))
    return notices


def _programme_start(first_seconds: float, info: VideoInfo, path: Path, forms: SubtitleForms | None) -> float:
    """Return which time of a subtitle file is the video's beginning: 0, unless all of it would come after the end.

    Editors and broadcasters count time codes from 01:00:00:00 or 10:00:00:00 on, the video's own where it has a time
    code.
    """
    duration = info.duration_seconds_from_header
    if not duration or first_seconds < duration:
        return 0.0
    hour = forms.hour_seconds(_content(path).text) if forms else 3600.0
    starts = (_timecode_hours(info) * hour, first_seconds // hour * hour)
    return next((start for start in starts if start and 0 <= first_seconds - start < duration), 0.0)


def _timecode_hours(info: VideoInfo) -> float:
    """Return the time code of the first picture in hours, 0.0 without a time code."""
    if not info.timecode:
        return 0.0
    hours, minutes, seconds, frames = map(int, info.timecode.replace(";", ":").split(":"))
    return hours + minutes / 60 + (seconds + frames / round(info.frame_rate or 25)) / 3600


def _add_all(cues: Cues, items: Iterable[Timed | Unread]) -> list[Unread]:
    """Add timed texts up to the limit; return what could not be read."""
    unread = []
    for item in items:
        if isinstance(item, Unread):
            unread.append(item)
        else:
            cues.add(item)
        if cues.is_full:
            break
    return unread


def _content(path: Path, source: discovery.Source | None = None) -> Decoded:
    """Read and decode a file, with the source's languages as a hint of its encoding.

    Raises:
        ValueError: It holds pictures (VobSub in a .sub file).
    """
    with open_input(path) as file:
        data = file.read(discovery.MOST_SUBTITLE_BYTES)
    if data.startswith(_PROGRAM_STREAM):
        raise ValueError("VobSub")
    content = decoded(data, names.written_languages(source.languages, source.label) if source else ())
    return replace(content, text=content.text.translate(_NO_LINE_ENDS))
