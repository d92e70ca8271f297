"""Reader of a video's subtitles, from a track or a file beside it, as a transcript. Runs in the decoder worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle

from app.core import Cue, Language, Notice, Noticed, Transcript, VideoInfo
from app.video.limits import move_on
from app.video.readers.pyav import open_video
from app.video.subtitles import discovery
from app.video.subtitles.parser import MOST_CUES, Cues, Timed, from_ass

_MOST_TRIES = 4
"""Sources that are tried. Reading a track means reading the whole file; empty tracks are rare. Chosen by hand; not
tuned."""
_ASS_COMMAS = 8
"""Commas before the text of an ASS event as FFmpeg writes it."""
_NO_END = (1 << 32) - 1
"""FFmpeg's display time of an event without an end."""


def read(info: VideoInfo, language: Language) -> Iterator[Noticed | Transcript]:
    """Yield notices, and the transcript of the best readable subtitles if there is one; see app.video.subtitles_of."""
    container, _ = open_video(info.path)
    with container:
        sources = [*discovery.files_beside(info.path), *discovery.tracks_in(container)]
    if links := [one.label for one in sources if one.leads_out]:
        yield Noticed(Notice("subtitles_lead_out", {"names": ", ".join(links)}))
    readable = discovery.ranked([one for one in sources if one.is_readable and not one.leads_out], language)
    if pictures := [one.label for one in sources if not one.is_readable]:
        yield Noticed(Notice("subtitles_are_pictures", {"tracks": ", ".join(pictures)}, "info"))
    for source in readable[:_MOST_TRIES]:
        # The times of a file beside the video are a player's, those of a track the container's.
        cues = Cues(-(info.start_seconds if source.path is None else info.player_start_seconds))
        assumed = ""
        try:
            assumed = _fill(cues, info, source)
        except discovery.UnknownEncodingError:
            yield Noticed(Notice("subtitles_encoding_unknown", {"name": source.label}))
        except (OSError, ValueError, av.error.FFmpegError) as error:
            yield Noticed(Notice("subtitles_unreadable", {"name": source.label, "reason": str(error)[:200]}))
        if found := cues.in_order():
            if assumed:
                yield Noticed(Notice("subtitles_encoding", {"name": source.label, "encoding": assumed}))
            yield from _transcript(source, found, [one for one in readable if one is not source], cues)
            return


def _transcript(
    source: discovery.Source, found: tuple[Cue, ...], others: Sequence[discovery.Source], cues: Cues
) -> Iterator[Noticed | Transcript]:
    if others:
        values = {"used": source.label, "others": ", ".join(one.label for one in others[:12])}
        yield Noticed(Notice("subtitles_others", values, "info"))
    if cues.is_full:
        yield Noticed(Notice("subtitles_too_many", {"name": source.label, "most": MOST_CUES}))
    yield Transcript("subtitles", source.label, found)


def _fill(cues: Cues, info: VideoInfo, source: discovery.Source) -> str:
    """Add the cues of the source to `cues`; return the encoding if it had to be guessed, else ""."""
    content = _content(source.path) if source.path else None
    lines = _from_track(info, source) if content is None else discovery.READERS[_suffix(source)](content.text)
    for timed in lines:
        cues.add(timed)
        if cues.is_full:
            break
    return "" if content is None else content.assumed


def _suffix(source: discovery.Source) -> str:
    assert source.path
    return source.path.suffix.lower()


def _content(path: Path) -> discovery.Decoded:
    with path.open("rb") as file:
        return discovery.decoded(file.read(discovery.MOST_BYTES))


def _from_track(info: VideoInfo, source: discovery.Source) -> Iterator[Timed]:
    container, _ = open_video(info.path)
    with container:
        stream = next(one for one in container.streams.subtitles if one.index == source.track)
        for other in container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        for packet in _packets(container, stream):
            move_on()
            yield from _events(packet, stream)


def _packets(container: InputContainer, stream: SubtitleStream) -> Iterator[Packet[SubtitleStream]]:
    try:
        yield from container.demux(stream)
    except (IndexError, av.error.FFmpegError):  # a truncated file has the subtitles up to there
        return


def _events(packet: Packet[SubtitleStream], stream: SubtitleStream) -> Iterator[Timed]:
    if packet.pts is None or not packet.size:
        return
    try:
        decoded_set = stream.codec_context.decode2(packet)
    except av.error.FFmpegError:
        return
    if decoded_set is None:
        return
    unit = packet.time_base.numerator / packet.time_base.denominator
    begins = packet.pts * unit
    start = begins + decoded_set.start_display_time / 1000
    end = begins + packet.duration * unit if packet.duration else start
    if not packet.duration and 0 < decoded_set.end_display_time < _NO_END:
        end = begins + decoded_set.end_display_time / 1000
    for rect in decoded_set.rects:
        if isinstance(rect, AssSubtitle):
            yield start, end, from_ass(_text(rect))


def _text(rect: AssSubtitle) -> str:
    """Return the text of an event; FFmpeg converts every format to ASS: fields between commas, the text last."""
    event = rect.ass.decode("utf-8", "replace")
    return event.split(",", _ASS_COMMAS)[-1] if event else rect.text.decode("utf-8", "replace")
