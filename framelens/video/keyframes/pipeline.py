"""Extraction pipeline: from an opened reader and a Selection to events. Runs in the decoder worker.

The range is surveyed through a Clip. "auto" chooses among the survey's candidates; the other strategies use its shots
to select times, and read exactly the frames at those times. The results for a whole video are reported, so that its
next selection of times needs no survey (see `extract_named` in framelens.video.extractor).

With an Opening the choice is made twice: for the beginning as soon as it was read, and at the end for the rest, where
the content of the first frames counts as shown.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from math import inf

import cv2

from framelens.core.domain import DecodeSummary, Keyframe, Notice, Selection
from framelens.core.errors import VideoError
from framelens.core.events import KeyframeFound, KeyframesChosen, OpeningChosen, SurveyProgress, VideoEvent
from framelens.video.corruption import CheckedReader, damaged_spans, with_parts
from framelens.video.files import printable_path
from framelens.video.keyframes import strategies
from framelens.video.keyframes.candidates import Candidate, sample_seconds
from framelens.video.keyframes.clip import Clip
from framelens.video.keyframes.options import ExtractOptions, Opening, adapted_frames
from framelens.video.keyframes.pace import paced
from framelens.video.keyframes.selector import SelectedFrame, choose
from framelens.video.keyframes.survey import OpeningRead, Survey
from framelens.video.keyframes.time_limit import Deadline, EarlyEnd, timed
from framelens.video.readers import open_reader
from framelens.video.readers.base import JPEG_QUALITY, FrameReader, as_jpeg
from framelens.video.seeking import InaccurateSeekError, SeekReader, pictures_at

_FULL_QUALITY = 95  # of JPEG.
_FRAMES_FOR_TIMES = 1
"""Number of frames for which a survey is set up when times are selected: it chooses no frames itself."""
FULL_SIDE = 65_500
"""The longest side that a JPEG can have."""
Event = VideoEvent | strategies.SurveyResult | strategies.Thumbnails


def run(reader: FrameReader, options: ExtractOptions, *, shows: bool = True) -> Iterator[Event]:
    """Return the events of framelens.video.extractor.extract between Probed and the facts.

    Among them is SurveyResult, too, after a survey of a whole video, and Thumbnails after any survey. Without `shows`
    there is no KeyframeFound. Both the call and the iterator raise.

    Raises:
        VideoError: The range contains no frame, or no frame matches the selection.
    """
    selection = options.selection
    deadline = Deadline(selection.limit_seconds) if selection.limit_seconds else None
    other = timed(reader, selection, deadline) if deadline else paced(reader, selection)
    if other is not None:
        return _closed_after(other, options, shows=shows)
    events = _survey(reader, options, deadline, shows=shows)
    return _noted_full(events) if selection.pace == "fast" and not deadline else events


def _closed_after(reader: FrameReader, options: ExtractOptions, *, shows: bool) -> Iterator[Event]:
    with reader:
        yield from _survey(reader, options, shows=shows)


def _noted_full(events: Iterator[Event]) -> Iterator[Event]:
    """Say in the result that the fast pace was asked for and not possible."""
    for event in events:
        if isinstance(event, KeyframesChosen):
            notices = (*event.decode.notices, Notice("surveyed_full", level="info"))
            yield replace(event, decode=replace(event.decode, notices=notices))
        else:
            yield event


def _survey(
    reader: FrameReader, options: ExtractOptions, deadline: Deadline | None = None, *, shows: bool
) -> Iterator[Event]:
    selection = options.selection
    reader = _seek_reader(reader, selection.start_seconds)
    reader = EarlyEnd(reader, deadline) if deadline else reader
    clip = Clip(reader, selection.start_seconds, selection.end_seconds)
    return _automatic(clip, options, shows=shows) if selection.strategy == "auto" else _by_times(clip, options)


def full_pictures(
    reader: FrameReader, times_seconds: Sequence[float], *, seeks: bool = True
) -> Iterator[KeyframeFound]:
    """Yield the frames at exactly these rising times at full resolution, numbered from 1.

    Without `seeks` the file is decoded from its start, as in the survey.

    Raises:
        VideoError: The file has no frame at one of the times, so the times belong to another file.
    """
    pictures = pictures_at(reader.info, reader.name, times_seconds, exactly=True, seeks=seeks)
    for number, (picture, time) in enumerate(zip(pictures, times_seconds, strict=True), 1):
        if abs(picture.time_seconds - time) > strategies.SAME_SECONDS:
            raise VideoError("frame_not_there", name=printable_path(reader.info.name), time=f"{time:.3f}")
        jpeg, width, height = as_jpeg(picture.upright(FULL_SIDE), _FULL_QUALITY)
        yield KeyframeFound(Keyframe(number, picture.index, time, "asked", 1, width, height, jpeg))


class _Check:
    """Check of a surveyed clip with a second decoder, for which a time limit leaves no time."""

    def __init__(self, clip: Clip, selection: Selection) -> None:
        self._clip, self._selection = clip, selection
        self._again: Clip | None = None
        self._seconds: list[float] = []

    def again(self, survey: Survey) -> FrameReader | None:
        """Return a reader of the clip without its damaged frames, or None if no frame is damaged."""
        clip, selection = self._clip, self._selection
        self._find(survey)
        if not self._seconds:
            return None
        reader = CheckedReader(
            open_reader(clip.info.path, every_frame=not strategies.is_whole(selection)), self._seconds
        )
        self._again = Clip(reader, selection.start_seconds, selection.end_seconds)
        return self._again

    def noted(self, survey: Survey) -> DecodeSummary:
        """Return the survey's summary with a notice of damage that only a second decoder finds."""
        summary = survey.summary()
        self._find(survey)
        return with_parts(summary, self._seconds)

    @property
    def shown(self) -> list[strategies.Span]:
        """Return the parts whose frames show damage in the last survey, on the time axis of the whole video."""
        return (self._again or self._clip).damaged

    @property
    def unconfirmed(self) -> list[strategies.Span]:
        """Return the parts that the second decoder didn't confirm, on the time axis of the whole video."""
        return damaged_spans(self._seconds, self._clip.whole_frames)

    def _find(self, survey: Survey) -> None:
        if self._selection.limit_seconds:
            return
        clip = self._clip
        self._seconds = survey.suspects.damaged_seconds(
            clip.info, num_reported=clip.num_damaged, offset_seconds=clip.first[1]
        )


def _automatic(clip: Clip, options: ExtractOptions, *, shows: bool) -> Iterator[Event]:
    """Yield the events of an automatic choice as `run` returns them."""
    check, is_whole = _Check(clip, options.selection), strategies.is_whole(options.selection)
    keyframes, decode = yield from _choose(clip, options, check, shows=shows)
    if is_whole and _looked_as_for_times(clip, options.most_of(clip.info)):
        yield clip.result(decode, check.unconfirmed)
    if not is_whole:
        keyframes, decode = clip.keyframes(keyframes), clip.summary(decode)
    yield KeyframesChosen(keyframes, strategies.with_damaged(decode, keyframes, check.shown))


def _looked_as_for_times(clip: Clip, frames: int) -> bool:
    """Return whether a survey for selected times would have sampled the same pictures; not so in very short videos."""
    duration = clip.info.duration_seconds_from_header
    return sample_seconds(frames, duration) == sample_seconds(_FRAMES_FOR_TIMES, duration)


def _seek_reader(reader: FrameReader, start_seconds: float) -> FrameReader:
    """Return a reader that seeks to the start instead of decoding everything before it, if that is accurate."""
    if not start_seconds or reader.name != SeekReader.name:
        return reader
    try:
        return SeekReader(reader.info, start_seconds)
    except InaccurateSeekError:
        return reader


def _by_times(clip: Clip, options: ExtractOptions) -> Iterator[Event]:
    selection, opening, max_side = options.selection, options.opening, options.max_side
    survey = create_survey(clip, frames=_FRAMES_FOR_TIMES, max_side=max_side, opening=opening)
    begins = strategies.Fetched((), ())
    for event in survey.events():
        if isinstance(event, SurveyProgress):
            yield clip.placed(event)
        elif isinstance(event, OpeningRead) and opening is not None:
            begins = _opening(clip, survey, opening, max_side)
            yield OpeningChosen(begins.keyframes)
    clip.close()
    check = _Check(clip, selection)
    result = clip.result(check.noted(survey), check.unconfirmed)
    if strategies.is_whole(selection):
        yield result
    yield strategies.Thumbnails(strategies.in_shots(clip.keyframes(survey.thumbnails()), result.decode.shots))
    targets, decode = strategies.targets_of(result, options, clip.info.name)
    if opening is not None and begins.keyframes:
        targets = targets[opening.frames :]
    rest = fetch(clip, targets, result.edges, max_side, after=begins.keyframes)
    keyframes = strategies.in_shots([*begins.keyframes, *rest.keyframes], decode.shots)
    numbers = (*begins.damaged, *rest.damaged)
    yield KeyframesChosen(keyframes, strategies.with_damaged(decode, keyframes, result.damaged, numbers))


def _opening(clip: Clip, survey: Survey, opening: Opening, max_side: int) -> strategies.Fetched:
    """Return the keyframes of the opening, read in a second pass over the file while the survey waits."""
    start = clip.first[1]
    targets = strategies.evenly(start, start + opening.seconds, opening.frames)
    fetched = fetch(clip, targets, clip.edges, max_side)
    return replace(
        fetched, keyframes=strategies.in_shots(fetched.keyframes, clip.moved(survey.shots_until(opening.seconds)))
    )


def fetch(
    reader: FrameReader,
    targets: Sequence[strategies.FrameTarget],
    edges: Sequence[tuple[int, float]],
    max_side: int,
    *,
    after: Sequence[Keyframe] = (),
) -> strategies.Fetched:
    """Return the wanted frames without a survey, each once, numbered from after the keyframes in `after`.

    Targets and edges come from the SurveyResult of the video.
    """
    keyframes: list[Keyframe] = []
    damaged: list[int] = []
    number, last_index = len(after), after[-1].frame_index if after else -1
    pictures = pictures_at(reader.info, reader.name, [target.time_seconds for target in targets], edges=edges)
    for picture, target in zip(pictures, targets, strict=True):
        if picture.index <= last_index:  # two targets for one frame, or an earlier frame in place of a damaged frame
            continue
        number, last_index = number + 1, picture.index
        jpeg, width, height = as_jpeg(picture.upright(max_side), JPEG_QUALITY)
        keyframes.append(Keyframe(number, picture.index, picture.time_seconds, target.reason, 1, width, height, jpeg))
        damaged += [number] if picture.is_damaged else []
    return strategies.Fetched(tuple(keyframes), tuple(damaged))


def _choose(
    clip: Clip, options: ExtractOptions, check: _Check, *, shows: bool
) -> Generator[Event, None, tuple[tuple[Keyframe, ...], DecodeSummary]]:
    """Survey a clip, yield the events meanwhile, and return the chosen frames, on the clip's own time axis.

    Where the check finds damage, the frames are chosen in a second survey.
    """
    frames, opening, max_side = options.most_of(clip.info), options.opening, options.max_side
    shifted = (lambda event: event) if strategies.is_whole(options.selection) else clip.placed
    survey = create_survey(clip, frames=frames, max_side=max_side, opening=opening, shows=shows)
    begins: list[Candidate] = []
    for event in survey.events():
        if not isinstance(event, OpeningRead):
            yield shifted(event)
        elif opening is not None and (choices := _opening_choices(survey, opening)):
            begins = [choice.candidate for choice in choices]
            yield shifted(OpeningChosen(_keyframes(choices, max_side)))
    clip.close()  # other decoders and the choice use its memory
    if (again := check.again(survey)) is not None:
        with again:
            survey = create_survey(again, frames=frames, max_side=max_side)
            yield from (shifted(event) for event in survey.events() if not isinstance(event, OpeningRead))
            summary = survey.summary()
    else:
        summary = survey.summary()
    yield shifted(strategies.Thumbnails(strategies.in_shots(survey.thumbnails(), summary.shots)))
    candidates = survey.collector.candidates()
    if opening is not None and begins:
        candidates = [*begins, *(candidate for candidate in candidates if candidate.time_seconds >= opening.seconds)]
    values = survey.collector.cell_values(candidates)
    if options.adapts:
        frames = max(len(begins), adapted_frames(summary.readable_seconds, len(summary.shots), frames))
    unclear = survey.unclear(candidates)
    choices = choose(candidates, summary.shots, frames, cell_values=values, unclear=unclear, num_fixed=len(begins))
    if len(choices) < frames and any(boundary.type == "page" for boundary in summary.boundaries):
        shown = Notice("all_pages_shown", {"kept": len(choices), "asked": frames}, "info")
        summary = replace(summary, notices=(*summary.notices, shown))
    return _keyframes(choices, max_side), summary


def create_survey(
    reader: FrameReader, *, frames: int, max_side: int, opening: Opening | None = None, shows: bool = False
) -> Survey:
    """Create a Survey with OpenCV threading disabled."""
    cv2.setNumThreads(1)  # the decoder's own threads have the cores; these pictures are small
    until = opening.settled_seconds if opening else inf
    return Survey(reader, frames=frames, max_side=max_side, opening_until=until, shows=shows)


def _opening_choices(survey: Survey, opening: Opening) -> list[SelectedFrame]:
    candidates = [candidate for candidate in survey.collector.candidates() if candidate.time_seconds < opening.seconds]
    shots = survey.shots_until(opening.seconds)
    values = survey.collector.cell_values(candidates)
    unclear = survey.unclear(candidates)
    return choose(candidates, shots, opening.frames, cell_values=values, unclear=unclear, continues=True)


def _keyframes(choices: Sequence[SelectedFrame], max_side: int) -> tuple[Keyframe, ...]:
    return tuple(_keyframe(number, choice, max_side) for number, choice in enumerate(choices, 1))


def _keyframe(number: int, choice: SelectedFrame, max_side: int) -> Keyframe:
    item = choice.candidate
    jpeg, width, height = item.jpeg(max_side)
    return Keyframe(number, item.index, item.time_seconds, choice.reason, choice.shot, width, height, jpeg)
