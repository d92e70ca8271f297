"""Findings about a video from before a question is answered: when something is visible in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from framelens.core.units import clock

Issue = Literal["borders", "flicker", "contrary", "lookalike", "misread", "letters"]
SearchBy = Literal["votes", "text", "speech"]
SearchEnd = Literal["", "complete", "rounds", "frames", "seconds", "says_yes", "says_nothing"]


class VoteSample(NamedTuple):
    """A frame that was looked at. It is known to be shown from its time until `until_seconds`, when it was decoded."""

    frame_index: int
    time_seconds: float
    until_seconds: float
    probability: float
    round: int

    @property
    def says_yes(self) -> bool:
        """Return whether the frame shows the wanted thing, by the engine's vote."""
        return self.probability > 0.5


@dataclass(frozen=True)
class Point:
    """A frame and its decoder time."""

    frame_index: int
    time_seconds: float


@dataclass(frozen=True)
class Lookalike:
    """Something that looks like the wanted thing, and the model's mean vote on it."""

    thing: str
    probability: float


@dataclass(frozen=True)
class Interval:
    """A part of the video in which something is visible.

    Attributes:
        first: First frame that shows it.
        last: Last frame that shows it.
        before: Last frame before it that doesn't show it; None at the start of what was searched.
        after: First frame after it that doesn't; None at the end.
        best: The frame with the highest vote.
        yes: Number of its frames that say yes.
        no: Number of its frames that say no.
        probability: Mean vote of its frames.
        contrary: Mean vote of some of its frames on the contrary question, whether it is absent; None if that wasn't
            asked.
        changed: Mean vote on some of its frames after slight changes of the picture; None if that wasn't asked.
        lookalike: What looks alike and gets the highest votes in these frames, if they say yes to it and the frames
            next to the interval don't; else None.
        issues: Why it is uncertain; empty if it isn't. "borders": they are not known to the frame. "flicker": the
            answers change within it. "contrary": the model says yes to the contrary question, too. "lookalike": it is
            no less sure of what looks alike. "misread": the text wasn't read on every frame within it. "letters": the
            words were not read letter by letter.
        gone_seconds: When it is gone: the time of the next frame, or the end of what was searched; None in reports of
            earlier versions.
    """

    first: Point
    last: Point
    before: Point | None
    after: Point | None
    best: Point
    yes: int
    no: int
    probability: float
    contrary: float | None = None
    changed: float | None = None
    lookalike: Lookalike | None = None
    issues: tuple[Issue, ...] = ()
    gone_seconds: float | None = None

    @property
    def start_seconds(self) -> float:
        """Return the time of its first frame."""
        return self.first.time_seconds

    @property
    def end_seconds(self) -> float:
        """Return when it is gone."""
        if self.gone_seconds is not None:
            return self.gone_seconds
        return self.after.time_seconds if self.after else self.last.time_seconds

    @property
    def length_seconds(self) -> float:
        """Return the difference of its times as they are shown, in milliseconds."""
        return round(round(self.end_seconds, 3) - round(self.start_seconds, 3), 3)

    @property
    def times(self) -> str:
        """Return its times as every text shows them: "00:12.360–00:13.840"."""
        return f"{clock(self.start_seconds)}–{clock(self.end_seconds)}"


@dataclass(frozen=True)
class Moments:
    """Findings of a search in a video until now; the search can be continued from here.

    Attributes:
        analysis_id: Analysis of the video.
        thing: What is looked for.
        start_seconds: Start of the part that is searched.
        end_seconds: Its end.
        samples: Frames looked at, in time order.
        unreadable: Times at which no frame could be decoded.
        controls: Votes on pictures that can't show it.
        contrary: Votes on the contrary question, by index of the frame.
        changed: Mean votes on slightly changed pictures, by index of the frame.
        lookalikes: Votes on things that look alike, by thing and index of the frame; None before these were named.
        intervals: Where it is visible, in time order.
        doubted: Where the frames say yes, but the contrary question or something that looks alike gets a surer yes, or
            the slightly changed pictures say no; not among `intervals`.
        widest_gap_seconds: Longest time between two frames that were looked at.
        rounds: Number of rounds.
        seconds: Time spent.
        ended: Why the search ended: nothing was left to look at, a ceiling was reached, or the model says yes to
            everything. "" while it runs, or if it was interrupted.
        by: What says where it is: the votes of a model, text that was read on the frames, or cues of the transcript.
        texts: Lines with the wanted words as they were read or said, by index of the frame.
    """

    analysis_id: str
    thing: str
    start_seconds: float
    end_seconds: float
    samples: tuple[VoteSample, ...] = ()
    unreadable: tuple[float, ...] = ()
    controls: tuple[float, ...] = ()
    contrary: Mapping[int, float] = field(default_factory=dict)
    changed: Mapping[int, float] = field(default_factory=dict)
    lookalikes: Mapping[str, Mapping[int, float]] | None = None
    intervals: tuple[Interval, ...] = ()
    doubted: tuple[Interval, ...] = ()
    widest_gap_seconds: float = 0.0
    rounds: int = 0
    seconds: float = 0.0
    ended: SearchEnd = ""
    by: SearchBy = "votes"
    texts: Mapping[int, str] = field(default_factory=dict)
