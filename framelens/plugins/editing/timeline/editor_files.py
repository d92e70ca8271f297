"""Timelines for editing software: CMX 3600 EDL, Final Cut Pro 7 XML and OpenTimelineIO."""

import json
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as Xml

from framelens import Analysis, Language
from framelens.plugin import in_language
from framelens.plugin.files import file_address
from framelens.plugin.reports import AudioTrack, aigc_text, escape_comment, json_text, one_line, shortened
from framelens.plugins.editing.timeline import markers as timeline
from framelens.plugins.editing.timeline import rates

_LONGEST_TITLE = 70  # characters
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n'
_FILE = "file-1"
_OUTPUT_CHANNELS = 2
"""Least number of a sequence: stereo."""
_BITS_A_SAMPLE = 16
_MOST_AUDIO_TRACKS = 32
_USUAL_AUDIO = (AudioTrack(2, 48_000),)
_RESOLVE_LAYOUTS = {1: "Mono", 2: "Stereo"}
"""DaVinci Resolve's names of tracks by their channels, of those that were seen in its files."""
_Object = dict[str, object]


def write_edl(analysis: Analysis, language: Language) -> bytes:
    """Return the EDL in UTF-8, with timecodes of a timeline that begins at 01:00:00:00.

    Sources have the video's own timecode, or else the timeline's.

    The last marker says how the markers were made: readers refuse comments before the first event, and a comment after
    an event would become part of its note.
    """
    rate = rates.rate_of(analysis.video, analysis.decode)
    with in_language(language):
        return "\n".join(_lines(analysis, rate)).encode()


def _lines(analysis: Analysis, rate: rates.Rate) -> Iterator[str]:
    yield f"TITLE: {shortened(analysis.video.name, _LONGEST_TITLE)}"
    yield f"FCM: {'DROP FRAME' if rate.drops else 'NON-DROP FRAME'}"
    yield ""
    media = rates.media_start(analysis.video, rate)
    markers = timeline.markers_of(analysis, rate)
    for number, marker in enumerate((*markers, timeline.about(analysis, markers, rate)), start=1):
        start, end = (
            rates.timecode(rates.first_frame(rate) + frame, rate) for frame in (marker.frame, marker.frame + 1)
        )
        first, last = start, end
        if analysis.video.timecode:
            first, last = (
                rates.timecode(media.frame + frame, rate, drops=media.drops)
                for frame in (marker.frame, marker.frame + 1)
            )
        yield f"{number:03d}  001      V     C        {first} {last} {start} {end}"
        name = f"|C:ResolveColor{timeline.COLOURS[marker.kind]} |M:{_escape(marker.name)}"
        yield f"{_note(marker)} {name} |D:{marker.length}"
        yield ""


def _note(marker: timeline.Marker) -> str:
    """Return a marker's note; a note that begins with a digit would look like an event and gets a dash."""
    note = _escape(marker.note)
    return f"- {note}" if note[:1].isdigit() else note


def _escape(text: str) -> str:
    return text.replace("|", "¦")


def write_fcp7_xml(analysis: Analysis, language: Language) -> bytes:
    """Return the XML in UTF-8. Times are frames of a sequence that begins at 01:00:00:00.

    The video is referred to by its file name alone, so editing programs ask for its folder. Its file has the video's
    own timecode.
    """
    rate = rates.rate_of(analysis.video, analysis.decode)
    with in_language(language):
        pieces, markers = timeline.clips_of(analysis, rate), timeline.markers_of(analysis, rate)
        sound = timeline.clips_of(analysis, rate, is_sound=True) if _audio_tracks(analysis) else ()
        notes = (*timeline.notes_of(analysis, rate), aigc_text(analysis))
    root = Xml.Element("xmeml", version="5")
    _sequence(root, analysis, (pieces, sound), markers, rate)
    Xml.indent(root)
    head = _HEAD + "".join(f"<!-- {one_line(escape_comment(note))} -->\n" for note in notes if note)
    return (head + Xml.tostring(root, encoding="unicode") + "\n").encode()


def _sequence(
    root: Xml.Element,
    analysis: Analysis,
    tracks: tuple[Sequence[timeline.ShotClip], Sequence[timeline.ShotClip]],
    markers: Sequence[timeline.Marker],
    rate: rates.Rate,
) -> None:
    pieces, sound = tracks
    end = (sound or pieces)[-1].end
    sequence = Xml.SubElement(root, "sequence", id="sequence-1")
    _texts(sequence, name=one_line(analysis.video.name), duration=end)
    _rate(sequence, rate)
    _timecode(sequence, rates.first_frame(rate), rate, drops=rate.drops)
    for marker in markers:
        frames = {"in": marker.frame, "out": marker.frame + marker.length if marker.length > 1 else -1}
        _texts(Xml.SubElement(sequence, "marker"), comment=marker.note, name=marker.name, **frames)
    media = Xml.SubElement(sequence, "media")
    video = Xml.SubElement(media, "video")
    _picture(Xml.SubElement(video, "format"), analysis, rate)
    whole = _media_length(analysis, rate)
    clips = [_clips(Xml.SubElement(video, "track"), pieces, "clipitem", whole, rate)]
    _file(clips[0][0][1], analysis, rate)
    if sound:
        audio = Xml.SubElement(media, "audio")
        for number, track in enumerate(_channel_tracks(audio, analysis), start=1):
            clips.append(_clips(track, sound, f"sound-{number}", whole, rate))
        _link(clips)


def _audio_tracks(analysis: Analysis) -> tuple[AudioTrack, ...]:
    """Return the sound tracks of the video; a report of an earlier version knows only that there is sound."""
    video = analysis.video
    return video.audio_tracks[:_MOST_AUDIO_TRACKS] or (_USUAL_AUDIO if video.has_audio else ())


def _media_length(analysis: Analysis, rate: rates.Rate) -> int:
    """Return the frames of the media file, of which a range may be analysed."""
    seconds = analysis.decode.readable_seconds
    if analysis.request.selection.end_seconds is not None:
        seconds = max(seconds, analysis.video.duration_seconds_from_header or 0.0)
    return max(1, rate.frame(seconds))


def _channel_tracks(audio: Xml.Element, analysis: Analysis) -> Iterator[Xml.Element]:
    """Describe the sound of the sequence and yield a track for each channel, as the format has them.

    Only the two channels of a single stereo track are marked as a pair: where there are several tracks, programs differ
    in whether the number of a pair's source counts channels or tracks.
    """
    sounds = _audio_tracks(analysis)
    _texts(audio, numOutputChannels=max(_OUTPUT_CHANNELS, *(sound.num_channels for sound in sounds)))
    _samples(Xml.SubElement(audio, "format"), sounds[0].sample_rate)
    is_pair = [sound.num_channels for sound in sounds] == [2]
    for sound in sounds:
        for channel in range(sound.num_channels):
            pair = {"currentExplodedTrackIndex": str(channel), "totalExplodedTrackCount": "2"} if is_pair else {}
            track = Xml.SubElement(audio, "track", pair | ({"premiereTrackType": "Stereo"} if is_pair else {}))
            _texts(track, outputchannelindex=channel + 1)
            yield track


def _samples(parent: Xml.Element, sample_rate: int) -> None:
    _texts(Xml.SubElement(parent, "samplecharacteristics"), depth=_BITS_A_SAMPLE, samplerate=sample_rate)


def _clips(
    track: Xml.Element, pieces: Sequence[timeline.ShotClip], name: str, end: int, rate: rates.Rate
) -> list[tuple[Xml.Element, Xml.Element]]:
    """Add the pieces to a track; return each clip with its reference to the file."""
    clips = []
    for number, piece in enumerate(pieces, start=1):
        clip = Xml.SubElement(track, "clipitem", id=f"{name}-{number}")
        _texts(clip, name=piece.name, enabled="TRUE", duration=end)
        _rate(clip, rate)
        _texts(clip, start=piece.start, end=piece.end, **{"in": piece.start}, out=piece.end)
        clips.append((clip, Xml.SubElement(clip, "file", id=_FILE)))
    return clips


def _link(tracks: Sequence[Sequence[tuple[Xml.Element, Xml.Element]]]) -> None:
    """Link the clips of picture and sound that are at the same place, so that they are moved together."""
    places = [("video", 1), *(("audio", channel) for channel in range(1, len(tracks)))]
    for (kind, index), clips in zip(places, tracks, strict=True):
        for clip, _ in clips:
            _texts(Xml.SubElement(clip, "sourcetrack"), mediatype=kind, trackindex=index)
    for number, linked in enumerate(zip(*tracks, strict=False), start=1):
        for clip, _ in linked:
            for (kind, index), (other, _) in zip(places, linked, strict=True):
                values = {"linkclipref": other.get("id"), "mediatype": kind, "trackindex": index, "clipindex": number}
                _texts(Xml.SubElement(clip, "link"), **values)


def _file(file: Xml.Element, analysis: Analysis, rate: rates.Rate) -> None:
    """Describe the file where it is referred to first."""
    name, start = analysis.video.name, rates.media_start(analysis.video, rate)
    _texts(file, name=one_line(name), pathurl=f"file://localhost/{file_address(name, analysis.video.path)}")
    _rate(file, rate)
    _texts(file, duration=_media_length(analysis, rate))
    _timecode(file, start.frame, rate, drops=start.drops)
    media = Xml.SubElement(file, "media")
    _picture(Xml.SubElement(media, "video"), analysis, rate)
    for audio_track in _audio_tracks(analysis):
        audio = Xml.SubElement(media, "audio")
        _samples(audio, audio_track.sample_rate)
        _texts(audio, channelcount=audio_track.num_channels)


def _picture(parent: Xml.Element, analysis: Analysis, rate: rates.Rate) -> None:
    traits = Xml.SubElement(parent, "samplecharacteristics")
    _rate(traits, rate)
    _texts(traits, width=analysis.video.width, height=analysis.video.height, pixelaspectratio="square")


def _timecode(parent: Xml.Element, frame: int, rate: rates.Rate, *, drops: bool) -> None:
    element = Xml.SubElement(parent, "timecode")
    _rate(element, rate)
    string = rates.timecode(frame, rate, drops=drops)
    _texts(element, string=string, frame=frame, displayformat="DF" if drops else "NDF")


def _rate(parent: Xml.Element, rate: rates.Rate) -> None:
    element = Xml.SubElement(parent, "rate")
    _texts(element, timebase=rate.timebase, ntsc="TRUE" if rate.is_ntsc else "FALSE")


def _texts(parent: Xml.Element, **values: object) -> None:
    for name, value in values.items():
        Xml.SubElement(parent, name).text = str(value)


def write_otio(analysis: Analysis, language: Language) -> bytes:
    """Return the timeline as JSON in UTF-8.

    The video is referred to by its file name alone. Its times begin with its own timecode, or else at 0; the timeline
    begins at 01:00:00:00.
    """
    rate = rates.rate_of(analysis.video, analysis.decode)
    with in_language(language):
        tracks = [_track("Video", timeline.clips_of(analysis, rate), analysis, rate)]
        sound = timeline.clips_of(analysis, rate, is_sound=True)
        for index, audio_track in enumerate(_audio_tracks(analysis)):
            tracks.append(_track("Audio", sound, analysis, rate, (index, audio_track.num_channels)))
        markers = [_marker(marker, rate) for marker in timeline.markers_of(analysis, rate)]
        return json_text(
            _object(
                "Timeline.1",
                one_line(analysis.video.name),
                metadata=_metadata(analysis, timeline.notes_of(analysis, rate)),
                global_start_time=_time(rates.first_frame(rate), rate),
                tracks=_item("Stack.1", "tracks", markers=markers, children=tracks),
            )
        )


def _metadata(analysis: Analysis, notes: list[str]) -> _Object:
    about = {"version": analysis.app_version, "sha256": analysis.sha256, "remarks": notes}
    return {"framelens": about, **json.loads(aigc_text(analysis) or "{}")}


def _track(
    kind: str,
    pieces: Sequence[timeline.ShotClip],
    analysis: Analysis,
    rate: rates.Rate,
    source: tuple[int, int] = (0, 0),
) -> _Object:
    """Return the pieces as a track; `source` is the index of a sound track in the file, and its number of channels."""
    index, num_channels = source
    of_track: _Object = {}
    of_clip: _Object = {}
    if layout := _RESOLVE_LAYOUTS.get(num_channels):
        channels = [{"Source Channel ID": channel, "Source Track ID": index} for channel in range(num_channels)]
        of_track, of_clip = {"Resolve_OTIO": {"Audio Type": layout}}, {"Resolve_OTIO": {"Channels": channels}}
    clips = [_clip(piece, analysis, rate, of_clip) for piece in pieces]
    return _item("Track.1", kind, kind=kind, children=clips, metadata=of_track)


def _clip(piece: timeline.ShotClip, analysis: Analysis, rate: rates.Rate, metadata: _Object) -> _Object:
    name, start = analysis.video.name, rates.media_start(analysis.video, rate).frame
    media = _object(
        "ExternalReference.1",
        one_line(name),
        target_url=file_address(name, analysis.video.path),
        available_range=_range(start, start + _media_length(analysis, rate), rate),
        available_image_bounds=None,
    )
    return _item(
        "Clip.2",
        piece.name,
        source_range=_range(start + piece.start, start + piece.end, rate),
        media_references={"DEFAULT_MEDIA": media},
        active_media_reference_key="DEFAULT_MEDIA",
        metadata=metadata,
    )


def _marker(marker: timeline.Marker, rate: rates.Rate) -> _Object:
    return _object(
        "Marker.2",
        marker.name,
        color=timeline.COLOURS[marker.kind].upper(),
        comment=marker.note,
        marked_range=_range(marker.frame, marker.frame + marker.length, rate),
        # where DaVinci Resolve looks for it
        metadata={"framelens": {"kind": marker.kind}, "Resolve_OTIO": {"Keywords": [], "Note": marker.note}},
    )


def _item(schema: str, name: str, **fields: object) -> _Object:
    return _object(schema, name, **{"source_range": None, "effects": [], "markers": [], "enabled": True, **fields})


def _object(schema: str, name: str, **fields: object) -> _Object:
    return {"OTIO_SCHEMA": schema, "name": name, "metadata": {}, **fields}


def _range(start: int, end: int, rate: rates.Rate) -> _Object:
    return {
        "OTIO_SCHEMA": "TimeRange.1",
        "start_time": _time(start, rate),
        "duration": _time(end - start, rate),
    }


def _time(frame: int, rate: rates.Rate) -> _Object:
    return {"OTIO_SCHEMA": "RationalTime.1", "value": float(frame), "rate": float(rate.frames_per_second)}
