"""Subtitle tracks and closed captions in a container. Runs in the decoder worker."""

from __future__ import annotations

import heapq
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle
from av.video.stream import VideoStream

from framelens.core.domain import VideoInfo
from framelens.video.files import printable_path
from framelens.video.limits import move_on
from framelens.video.readers import track_header
from framelens.video.readers.packets import demuxed
from framelens.video.readers.pyav import open_video
from framelens.video.subtitles import names
from framelens.video.subtitles.cues import MOST_CUES, PluginNeededError, Timed, Unread
from framelens.video.subtitles.discovery import CAPTIONED_CODECS, Source
from framelens.video.subtitles.encodings import decoded, decoded_texts
from framelens.video.subtitles.formats import Block, SubtitleForms, cues_of, from_ass, plugin_reader
from framelens.video.subtitles.names import Extent

_ASS_COMMAS = 8
"""Commas before the text of an ASS event in Matroska, and as FFmpeg writes it."""
_ASS_SPOKEN = slice(2, 4)
"""Its fields Style and Name."""
_NO_END = (1 << 32) - 1
"""FFmpeg's display time of an event without an end."""
_TIMED_TEXT = "mov_text"
_ASS = "ass"
_TEXTS = frozenset({"subrip", "webvtt", "text", _TIMED_TEXT, _ASS})
"""Codecs whose packets hold the text of a cue as it was written; in FFmpeg's conversion to ASS, braces and backslashes
become markup, and its decoder refuses what isn't UTF-8."""
_CAPTION_TRACK = "eia_608"
_WEBVTT_SAMPLES = b"wvtt"
_BOX_HEAD = 8
"""Bytes of length and kind before the contents of a box."""
_ANALOGUE, _DIGITAL = "CEA-608", "CEA-708"
"""Kinds of captions in pictures, in the order in which they are read: broadcasters send both."""
_MARK = b"GA94\x03"
_OWNERS = (b"\x00\x31", b"\x00\x01\xb2")
"""Number of bytes before the mark: the number of ATSC (H.264, HEVC and AV1), or the code of user data (MPEG-2)."""
_MOST_REORDERED = 32
"""Pictures that may be shown before a picture that is coded earlier: H.264 and HEVC allow 16, and two fields each."""
_SMALL_BYTES = 256 << 20
"""Size up to which a file is read whole in search of captions."""
_PROBED = (0.0, 0.25, 0.5, 0.75)
"""Places in a larger file where captions are looked for first, as shares of its duration."""
_PROBED_PICTURES = 300


def tracks_in(container: InputContainer) -> Iterator[Source]:
    """Yield the subtitle tracks in the order of the file; those stored as pictures are not readable.

    A track is named by its language and title, and by its number where another track has the same or both are missing.
    """
    streams = container.streams.subtitles
    named = [" ".join(filter(None, (_tag_of(stream), _title_of(stream)))) for stream in streams]
    for number, (stream, name) in enumerate(zip(streams, named, strict=True), 1):
        tag, title = _tag_of(stream), _title_of(stream)
        marks = names.parse_tags(title) or names.NameTags()
        kind = "" if stream.codec_context else _kind_without_decoder(container)
        yield Source(
            label=name if name and named.count(name) == 1 else f"{name} #{number}".strip(),
            languages=tuple(filter(None, (names.language_code(tag),))) or marks.languages,
            is_default=bool(stream.disposition & Disposition.default),
            extent=_extent_of(stream, marks.extent),
            is_readable=_is_text(stream) if stream.codec_context else kind == "TTML",
            kind="" if kind == "TTML" else kind,
            track=stream.index,
        )
    yield from _webvtt_in(container)


def _webvtt_in(container: InputContainer) -> Iterator[Source]:
    """Yield the tracks of WebVTT in an MP4 (ISO/IEC 14496-30), which FFmpeg takes for data."""
    if "mp4" not in container.format.name or not container.streams.data:
        return
    ids = track_header.tracks_of(Path(container.name), _WEBVTT_SAMPLES)
    for stream in (stream for stream in container.streams.data if stream.id in ids):
        tag = _tag_of(stream)
        languages = tuple(filter(None, (names.language_code(tag),)))
        is_default = bool(stream.disposition & Disposition.default)
        yield Source(tag or f"WebVTT #{stream.id}", languages, is_default, track=stream.index)


def captions_in(container: InputContainer, video: VideoStream, forms: SubtitleForms | None) -> Iterator[Source]:
    """Yield the closed captions that pictures of this codec may have, as one source if no plugin reads them."""
    if video.codec_context.codec.canonical_name in CAPTIONED_CODECS:
        for label in (_ANALOGUE, _DIGITAL) if forms else (f"{_ANALOGUE}, {_DIGITAL}",):
            yield Source(label, (), is_default=False, extent="hearing", track=video.index, is_certain=False)


def from_track(
    info: VideoInfo, source: Source, on_encoding: Callable[[str], object], forms: SubtitleForms | None
) -> Iterator[Timed | Unread]:
    """Yield the timed texts of a source in the container, and the times in a document that could not be read.

    Args:
        info: The video.
        source: The source.
        on_encoding: Called with the name of an encoding that had to be guessed.
        forms: What a plugin reads.

    Raises:
        UnknownEncodingError: No known encoding fits the texts.
        PluginNeededError: `forms` lack the form.
    """
    container, video = open_video(info.path)
    with container:
        if source.track == video.index:
            if info.size_bytes <= _SMALL_BYTES or _has_captions(container, video):
                yield from _read_captions(container, video, forms, is_digital=source.label == _DIGITAL)
            return
        stream = next(candidate for candidate in container.streams if candidate.index == source.track)
        if not isinstance(stream, SubtitleStream):
            blocks = [block for packet in _packets(container, stream) for block in _webvtt_of(packet)]
            yield from cues_of(blocks, is_webvtt=True)
        elif stream.codec_context is None:
            for packet in _packets(container, stream):
                yield from _shift(packet, forms)
        elif stream.codec_context.codec.canonical_name == _CAPTION_TRACK:
            yield from _read_captions(container, stream, forms)
        elif (form := stream.codec_context.codec.canonical_name) in _TEXTS:
            events = filter(None, (_text_in(packet, form) for packet in _packets(container, stream)))
            timed = list(islice(events, MOST_CUES + 1))
            languages = names.written_languages(source.languages, source.label)
            texts = decoded_texts([text for _, _, text in timed], languages)
            if assumed := next((text.assumed for text in texts if text.assumed), ""):
                on_encoding(assumed)
            if form == _ASS:
                for (start, end, _), fields in zip(timed, texts, strict=True):
                    style, name, text = fields.text.split(",", 2)
                    yield start, end, from_ass(text, name, style)
                return
            blocks = [
                Block(start, end, tuple(line for line in text.text.splitlines() if line.strip()))
                for (start, end, _), text in zip(timed, texts, strict=True)
            ]
            yield from cues_of(blocks, is_webvtt=form == "webvtt")
        else:
            for packet in _packets(container, stream):
                yield from _events(packet, stream)


def _tag_of(stream: Stream) -> str:
    return "" if stream.language in (None, "und") else str(stream.language)


def _title_of(stream: Stream) -> str:
    return printable_path(stream.metadata.get("title", "") or _handler_of(stream))[:40]


def _handler_of(stream: Stream) -> str:
    """Return the name of a track in MP4 and QuickTime, unless it names a program's component."""
    name = stream.metadata.get("handler_name", "")
    return name if names.parse_tags(name) else ""


def _extent_of(stream: Stream, by_title: Extent) -> Extent:
    if stream.disposition & (Disposition.forced | Disposition.comment | Disposition.lyrics | Disposition.karaoke):
        return "partial"
    is_for_hearing = stream.disposition & (Disposition.hearing_impaired | Disposition.captions)
    return "hearing" if is_for_hearing and by_title == "full" else by_title


def _is_text(stream: SubtitleStream) -> bool:
    return stream.codec_context.codec.text_sub


def _kind_without_decoder(container: InputContainer) -> str:
    """Return the kind of a track for which FFmpeg's library here has no decoder."""
    if "mp4" in container.format.name:
        return "TTML"
    return "DVB Teletext / ARIB" if container.format.name == "mpegts" else "?"


def _packets(container: InputContainer, stream: Stream) -> Iterator[Packet[Stream]]:
    """Yield the packets of a stream up to the end, or to where the file is damaged."""
    for other in container.streams:
        other.discard = Discard.default if other is stream else Discard.all
    with suppress(IndexError, av.error.FFmpegError):
        for packet in demuxed(container, stream):
            move_on()
            yield packet


def _shift(packet: Packet[Stream], forms: SubtitleForms | None) -> Iterator[Timed | Unread]:
    """Yield the texts of a TTML document, whose times count from the start of the track."""
    if packet.size:
        yield from plugin_reader(".ttml", forms)(bytes(packet).decode("utf-8", "replace"), 0.0)


def _webvtt_of(packet: Packet[Stream]) -> Iterator[Block]:
    """Yield the cues of a sample: boxes `vttc`, each with its text in a box `payl`."""
    if packet.pts is None or not packet.size:
        return
    start, end = (float(time * packet.time_base) for time in (packet.pts, packet.pts + (packet.duration or 0)))
    for kind, cue in _boxes(bytes(packet)):
        texts = [text for inner, text in _boxes(cue) if inner == b"payl"] if kind == b"vttc" else []
        if texts:
            yield Block(start, end, tuple(texts[0].decode("utf-8", "replace").splitlines()))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and contents of the boxes of MP4."""
    while len(data) >= _BOX_HEAD and (length := int.from_bytes(data[:4])) >= _BOX_HEAD:
        yield data[4:_BOX_HEAD], data[_BOX_HEAD:length]
        data = data[length:]


def _read_captions(
    container: InputContainer, stream: Stream, forms: SubtitleForms | None, *, is_digital: bool = False
) -> Iterator[Timed]:
    pictures = _pictures_in(_packets(container, stream), is_coded=stream.type == "video")
    if forms:
        yield from forms.captions(pictures, is_digital)
    elif any(_has_words(triples) for _, triples in pictures):
        raise PluginNeededError


def _has_words(triples: bytes) -> bool:
    """Return whether captions aren't empty, as pictures without words have them."""
    return any(flags & 4 and first & 0x7F for flags, first in zip(triples[::3], triples[1::3], strict=False))


def _coded_in(data: bytes) -> bytes:
    r"""Return the triples of captions in a coded picture of H.264, HEVC, AV1 or MPEG-2.

    >>> _coded_in(b"\x00\x00\x01\xb2GA94\x03\x41\xff\xfc\xc8\xe9\xff").hex()
    'fcc8e9'
    """
    triples = b""
    position = data.find(_MARK)
    while position >= 0:
        if data[max(0, position - 3) : position].endswith(_OWNERS):
            rest = data[position + len(_MARK) : position + 160]
            if not data[max(0, position - 3) : position].endswith(_OWNERS[1]):
                rest = rest.replace(b"\0\0\3", b"\0\0")  # H.264 and HEVC: keeps zeros from looking like a start
            if rest and rest[0] & 0x40:
                triples += rest[2 : 2 + 3 * (rest[0] & 0x1F)]
        position = data.find(_MARK, position + 1)
    return triples


def _pictures_in(packets: Iterable[Packet[Stream]], *, is_coded: bool) -> Iterator[tuple[float, bytes]]:
    """Yield the seconds and triples of packets as they are shown; pictures are coded in another order.

    Args:
        packets: Packets of a track of pictures or of captions.
        is_coded: They are coded pictures; else they are the triples.
    """
    waiting: list[tuple[float, int, bytes]] = []
    for number, packet in enumerate(packets):
        pts = packet.dts if packet.pts is None else packet.pts
        if pts is None or not (triples := _coded_in(bytes(packet)) if is_coded else bytes(packet)):
            continue
        heapq.heappush(waiting, (pts * packet.time_base.numerator / packet.time_base.denominator, number, triples))
        if len(waiting) > _MOST_REORDERED:
            at, _, triples = heapq.heappop(waiting)
            yield at, triples
    while waiting:
        at, _, triples = heapq.heappop(waiting)
        yield at, triples


def _has_captions(container: InputContainer, video: VideoStream) -> bool:
    """Return whether pictures at some places carry captions, so that few files are read whole for nothing."""
    duration = container.duration or 0
    for share in _PROBED:
        with suppress(av.error.FFmpegError):
            container.seek(int((container.start_time or 0) + share * duration))
            for _, packet in zip(range(_PROBED_PICTURES), _packets(container, video), strict=False):
                if _coded_in(bytes(packet)):
                    container.seek(container.start_time or 0)
                    return True
    return False


def _text_in(packet: Packet[Stream], form: str) -> tuple[float, float, bytes] | None:
    """Return the times and the bytes of a cue; None if it is empty, as between two cues of MP4."""
    data = bytes(packet)
    if form == _TIMED_TEXT:  # a length, the text, and boxes with its style
        data = data[2 : 2 + int.from_bytes(data[:2])]
    elif form == _ASS:
        fields = data.split(b",", _ASS_COMMAS)
        data = b",".join([*fields[_ASS_SPOKEN], fields[-1]]) if fields[-1].strip(b"\0 \t\r\n") else b""
    if data.startswith((BOM_UTF16_BE, BOM_UTF16_LE)):
        data = decoded(data).text.encode(errors="replace")
    if packet.pts is None or not data.strip(b"\0 \t\r\n"):
        return None
    start, end = (float(time * packet.time_base) for time in (packet.pts, packet.pts + (packet.duration or 0)))
    return start, end, data


def _events(packet: Packet[Stream], stream: SubtitleStream) -> Iterator[Timed]:
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
