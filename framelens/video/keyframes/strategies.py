"""Strategies that select frames by time: one function each, their registry, and the frames that they lead to.

"auto" is not among them: it compares the frames themselves, in framelens.video.keyframes.selector. Nothing here reads a
picture, so frames of an already surveyed video can be selected without reading it. The request to a decoder worker and
its answers about frames are here, too, since parent and worker share them.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, takewhile
from pathlib import Path
from typing import Literal, Protocol

from framelens.core.domain import Boundary, DecodeSummary, Keyframe, Language, Notice, Reason, Selection, Shot, Strategy
from framelens.core.errors import VideoError
from framelens.video import limits
from framelens.video.files import confined_folders, printable_path
from framelens.video.keyframes.options import ExtractOptions, adapted_frames


@dataclass(frozen=True)
class SurveyFacts:
    """Surveyed range [start_seconds, end_seconds), its shots and the times of the frames the codec stored whole.

    `num_frames` frames follow each other every `frame_seconds`; that is 0.0 where they do so unevenly.
    """

    start_seconds: float
    end_seconds: float
    shots: Sequence[Shot]
    whole_frames: Sequence[float]
    num_frames: int = 0
    frame_seconds: float = 0.0
    boundaries: Sequence[Boundary] = ()


@dataclass(frozen=True)
class FrameTarget:
    """Wanted frame, which is shown at `time_seconds`."""

    time_seconds: float
    reason: Reason


SHORT_SECONDS = 0.3
"""A shot that is no longer than this is hardly seen: it may be left out where frames would suffice for it."""
SAME_SECONDS = 1e-5
"""Two times nearer than this are the same: timestamps are whole ticks, and ticks in use are a microsecond or longer."""
_ROUNDED_SECONDS = 0.0005 + SAME_SECONDS
"""Half a millisecond, the last digit of times that people read and give again: 0.133 is the frame at 0.13347."""
LONG_SECONDS = 1.0
"""A frame that is shown for longer, since no other follows, is a still picture: a range that begins within this time
begins with the frame, although the frame is earlier."""
_FADE_IN_SECONDS = 0.6
"""From the first picture of a fade that isn't dark until the picture is clear, as fades are set by editing programs."""
_MOST_TARGETS = 100_000
"""Most targets: a file whose header claims years must not fill memory. Far fewer frames than this are kept, so the
exact value has no effect."""

Span = tuple[float, float]
"""Half-open part of a video: seconds from its start."""
Times = Callable[[Selection, SurveyFacts, int], list[FrameTarget]]


def uniform(_selection: Selection, surveyed: SurveyFacts, frames: int) -> list[FrameTarget]:
    """Return the middle of each of `frames` equal parts."""
    return evenly(surveyed.start_seconds, surveyed.end_seconds, frames)


def evenly(start_seconds: float, end_seconds: float, frames: int) -> list[FrameTarget]:
    """Return the middle of each of `frames` equal parts of [start, end); empty for no frames."""
    step = (end_seconds - start_seconds) / max(1, frames)
    return [FrameTarget(start_seconds + (index + 0.5) * step, "even") for index in range(frames)]


def every(selection: Selection, surveyed: SurveyFacts, _frames: int) -> list[FrameTarget]:
    """Return the start of the range and each `every_seconds` after it, or every frame if these are further apart."""
    if surveyed.frame_seconds > (selection.every_seconds or 1.0):
        end = surveyed.start_seconds + surveyed.num_frames * surveyed.frame_seconds
        return [
            replace(target, reason="interval") for target in evenly(surveyed.start_seconds, end, surveyed.num_frames)
        ]
    step = max(selection.every_seconds or 1.0, (surveyed.end_seconds - surveyed.start_seconds) / _MOST_TARGETS)
    times = (surveyed.start_seconds + index * step for index in count())
    return [FrameTarget(time, "interval") for time in takewhile(lambda time: time < surveyed.end_seconds, times)]


def scenes(_selection: Selection, surveyed: SurveyFacts, frames: int) -> list[FrameTarget]:
    """Return the first frame of each shot after the transition before it: neither mixed nor dark.

    Shots of SHORT_SECONDS or less are left out if there are more shots than frames.
    """
    shots = surveyed.shots
    if len(shots) > frames:
        shots = [shot for shot in shots if shot.end_seconds - shot.start_seconds > SHORT_SECONDS] or shots
    spans = [_unclear(boundary) for boundary in surveyed.boundaries]
    return [FrameTarget(_clear_start(shot, spans), "shot") for shot in shots]


def _unclear(boundary: Boundary) -> Span:
    start, end = boundary.mixed_seconds
    return (start, end + _FADE_IN_SECONDS) if boundary.type == "fade" else (start, end)


def _clear_start(shot: Shot, spans: Iterable[Span]) -> float:
    """Return the end of the unclear pictures at the start of a shot, its middle at most."""
    clear = max((end for start, end in spans if start <= shot.start_seconds < end), default=shot.start_seconds)
    return min(clear, (shot.start_seconds + shot.end_seconds) / 2)


def codec(_selection: Selection, surveyed: SurveyFacts, _frames: int) -> list[FrameTarget]:
    """Return each frame that the codec stored whole."""
    return [FrameTarget(time, "codec") for time in surveyed.whole_frames]


def times(selection: Selection, surveyed: SurveyFacts, _frames: int) -> list[FrameTarget]:
    """Return the given times that lie in the range, sorted and each once."""
    first = surveyed.start_seconds - _ROUNDED_SECONDS
    inside = (t for t in selection.times_seconds if first <= t < surveyed.end_seconds)
    return [FrameTarget(time, "asked") for time in sorted(set(inside))]


TIMES: dict[Strategy, Times] = {
    "uniform": uniform,
    "every": every,
    "scenes": scenes,
    "codec": codec,
    "times": times,
}


def thinned(targets: Sequence[FrameTarget], frames: int) -> list[FrameTarget]:
    """Return at most `frames` of the targets, evenly among them, with the first and, of two or more, the last."""
    if len(targets) <= frames:
        return list(targets)
    step = (len(targets) - 1) / max(1, frames - 1)
    return [targets[round(index * step)] for index in range(frames)]


def rounding_of(frame_rate: float | None) -> float:
    """Return how much later than a given time a frame may begin that is shown then, at most half a frame."""
    return max(SAME_SECONDS, min(_ROUNDED_SECONDS, 0.5 / frame_rate if frame_rate else 0.0))


class FileTask(Protocol):
    """File and limits in the request to any worker; see WorkerRequest."""

    @property
    def path(self) -> Path:
        """Return the file to read."""

    @property
    def confined(self) -> tuple[Path, ...]:
        """Return the folders below which no link is followed."""

    @property
    def memory_bytes(self) -> int:
        """Return the limit of memory."""

    @property
    def stuck_seconds(self) -> float:
        """Return the time without progress after which the worker ends."""


@dataclass(frozen=True)
class WorkerRequest:
    """A task of a decoder worker on a file, with the options of that task.

    Attributes:
        options: For "extract", "named" and "facts".
        keyframes: For "facts", in time order.
        have_text: For these three, keys of the pictures whose text is known (`picture_key`).
        targets: Frames for "named".
        edges: (index, seconds) of frames that a seek for "named" must find before its results are trusted.
        times_seconds: Frames for "pictures".
        seeks: For "pictures", seek to the frames instead of decoding the file from its start.
        language: For "subtitles".
        subtitles: For "subtitles", the file to use first.
        forms: For "subtitles", the plugin that reads further forms, and the function that it names; () without one.
        start_seconds: Start of the sound.
        end_seconds: End of the sound, None for the end of the video; for "facts", None if its silence is known.
        spoken: Language (ISO 639-1) of the sound track that is preferred, "" for any.
        only_frames: For "extract", yield no pictures before the frames are chosen, and no facts of them.
        later: For "times", files that are named later.
        confined: Folders below which no link is followed; see framelens.video.files.
        memory_bytes: Limit of memory.
        stuck_seconds: Time without progress after which the worker ends.
    """

    task: Literal["probe", "extract", "named", "facts", "pictures", "subtitles", "sound", "stills", "times"]
    path: Path
    options: ExtractOptions | None = None
    keyframes: tuple[Keyframe, ...] = ()
    have_text: tuple[str, ...] = ()
    targets: tuple[FrameTarget, ...] = ()
    edges: tuple[tuple[int, float], ...] = ()
    times_seconds: tuple[float, ...] = ()
    seeks: bool = True
    language: Language = "en"
    subtitles: Path | None = None
    forms: tuple[str, ...] = ()
    start_seconds: float = 0.0
    end_seconds: float | None = None
    spoken: str = ""
    only_frames: bool = False
    later: tuple[Path, ...] = ()
    confined: tuple[Path, ...] = field(default_factory=confined_folders)
    memory_bytes: int = limits.MEMORY_BYTES
    stuck_seconds: float = limits.STUCK_SECONDS


@dataclass(frozen=True)
class FrameTimes:
    """Times of the frames of a video, by its packets; in seconds from the first displayed frame.

    Attributes:
        shown_seconds: When each frame is shown, in the order of decoding.
        keys: Places in `shown_seconds` of the key frames.
        closed: Those of them after which no frame refers to one before.
        end_seconds: When the last frame is no longer shown, or the sound ends, if that is clearly later.
        container_start_seconds: What the container says about its start.
        video: Index of the stream of the frames.
        sounds: Indexes of the sound tracks that a decoder exists for.
        has_restarted: The container's clock starts again within; times continue nevertheless.
    """

    shown_seconds: tuple[float, ...]
    keys: tuple[int, ...]
    closed: tuple[int, ...]
    end_seconds: float
    container_start_seconds: float
    video: int
    sounds: tuple[int, ...]
    has_restarted: bool = False


@dataclass(frozen=True)
class Fetched:
    """Frames that were fetched for targets; the numbers of their shots are not set.

    `damaged` are the numbers of the frames that the decoder reported as damaged.
    """

    keyframes: tuple[Keyframe, ...]
    damaged: tuple[int, ...]


@dataclass(frozen=True)
class Thumbnails:
    """Small pictures of a surveyed range, in time order and numbered from 1: its candidates and shots."""

    keyframes: tuple[Keyframe, ...]


@dataclass(frozen=True)
class SurveyResult:
    """Results of the survey of a video or of a range, on the time axis of the whole video.

    `first` and `last` are (index, seconds) of the frames that were read, `whole_frames` the seconds of those that the
    codec stored whole, `edges` the (index, seconds) that a seek must find before its results are trusted, and `damaged`
    the parts that a second decoder did not confirm.
    """

    decode: DecodeSummary
    first: tuple[int, float]
    last: tuple[int, float]
    whole_frames: tuple[float, ...]
    edges: tuple[tuple[int, float], ...]
    damaged: tuple[Span, ...]


def targets_of(result: SurveyResult, options: ExtractOptions, name: str) -> tuple[list[FrameTarget], DecodeSummary]:
    """Return the targets in time order, and the summary with the notices about them.

    Args:
        result: Results of the survey.
        options: Options with a strategy of TIMES.
        name: Name of the video, for messages.

    Raises:
        VideoError: No frame matches the selection.
    """
    selection, frames, opening = options.selection, options.frames, options.opening
    surveyed = _facts_of(result)
    if opening is not None and result.last[1] - result.first[1] >= opening.settled_seconds:  # it was reported
        start = surveyed.start_seconds
        begins = evenly(start, start + opening.seconds, opening.frames)
        rest = evenly(start + opening.seconds, surveyed.end_seconds, frames - opening.frames)
        return [*begins, *rest], result.decode
    if options.adapts:
        frames = adapted_frames(surveyed.end_seconds - surveyed.start_seconds, len(surveyed.shots), frames)
    notices = list(result.decode.notices)
    targets = TIMES[selection.strategy](selection, surveyed, frames)
    values = {"readable": f"{surveyed.end_seconds:.3f}"}
    if not is_whole(selection):
        values["start"] = f"{surveyed.start_seconds:.3f}"
    outside = len(set(selection.times_seconds)) - len(targets)
    if selection.strategy == "times" and outside:
        key = "times_outside" if is_whole(selection) else "times_outside_range"
        notices.append(Notice(key, {"count": outside, **values}))
    if not targets:
        raise VideoError(_reason_for_none(selection, notices), name=printable_path(name), **values)
    chosen = thinned(targets, frames)
    if len(chosen) < len(targets):
        notices.append(Notice("frames_thinned", {"found": len(targets), "kept": len(chosen)}))
    return chosen, replace(result.decode, notices=tuple(notices))


def _reason_for_none(selection: Selection, notices: Sequence[Notice]) -> str:
    """Return the key of the error for a selection that matches no frame."""
    if selection.strategy != "codec":
        return "times_without_frames" if is_whole(selection) else "range_without_times"
    is_unknown = is_whole(selection) or any(notice.key == "second_reader" for notice in notices)
    return "codec_keyframes_unknown" if is_unknown else "range_without_codec_keyframes"


def _facts_of(result: SurveyResult) -> SurveyFacts:
    decode, (first, start), (last, end) = result.decode, result.first, result.last
    step = (end - start) / (last - first) if last > first and not decode.is_variable_frame_rate else 0.0
    return SurveyFacts(
        start, decode.readable_seconds, decode.shots, result.whole_frames, last - first + 1, step, decode.boundaries
    )


def names_times(selection: Selection) -> bool:
    """Return whether the selection needs only times of a whole video, which `SurveyResult` provides."""
    return is_whole(selection) and selection.strategy in TIMES


def is_whole(selection: Selection) -> bool:
    """Return whether the selection covers the whole video, so that `SurveyResult` of the video applies to it."""
    return not selection.start_seconds and selection.end_seconds is None


def in_shots(keyframes: Sequence[Keyframe], shots: Sequence[Shot]) -> tuple[Keyframe, ...]:
    """Return the keyframes with the numbers of the shots that contain them."""
    starts = [shot.start_seconds for shot in shots]
    numbers = (max(1, bisect_right(starts, keyframe.time_seconds + SAME_SECONDS)) for keyframe in keyframes)
    return tuple(replace(keyframe, shot=number) for keyframe, number in zip(keyframes, numbers, strict=True))


def with_damaged(
    decode: DecodeSummary, keyframes: Sequence[Keyframe], parts: Sequence[Span], numbers: Sequence[int] = ()
) -> DecodeSummary:
    """Return `decode` with a notice for each keyframe in a damaged part, and for keyframes with these numbers."""
    shown = (
        keyframe.number
        for keyframe in keyframes
        if keyframe.number in numbers
        or any(start - SAME_SECONDS <= keyframe.time_seconds < end - SAME_SECONDS for start, end in parts)
    )
    notices = (Notice("damaged_keyframe", {"number": number}) for number in shown)
    return replace(decode, notices=(*decode.notices, *notices))
