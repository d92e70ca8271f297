"""What a plugin's search adds to the library's search for words."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from framelens.core.domain import Analysis, Keyframe
from framelens.core.errors import AppError, ConfigError
from framelens.core.images import Region, is_region
from framelens.jobs.stored.library_entries import Backfill

MOST_CHECKED = 20
"""Moments that the model looks at: what comes later is rarely what is looked for."""
MomentReason = Literal["seen", "alike", "same", "words", "meaning"]
"""Why a moment was found: its picture shows what the words say, or shows the like of the given picture, or shows the
same view as that; or a passage at this time has the words, or their meaning."""


@dataclass(frozen=True)
class NearPassage:
    """An analysis and the index of its nearest passage; `score` is its similarity, at most 1."""

    job_id: str
    place: int
    score: float


@dataclass(frozen=True)
class MomentQuery:
    """A query for moments of all videos.

    Attributes:
        words: What is looked for, "" for a picture alone.
        picture: Content of an image file, empty for words alone.
        picture_name: Its name, for errors.
        limit: Number of moments at most.
        among: Ids of the analyses to look in, None for all.
        region: The part of the picture that is looked for, None for all of it.

    Raises:
        ConfigError: The region is no part of a picture, or there is no picture.
    """

    words: str = ""
    picture: bytes = field(default=b"", repr=False)
    picture_name: str = ""
    limit: int = 24
    among: frozenset[str] | None = None
    region: Region | None = None

    def __post_init__(self) -> None:
        if self.region is not None and not is_region(self.region):
            raise ConfigError("region_outside", given=",".join(f"{edge:g}" for edge in self.region))
        if self.region is not None and not self.picture:
            raise ConfigError("region_without_picture")


@dataclass(frozen=True)
class Moment:
    """A moment of a video that was found; frames of a shot that are alike are one moment.

    Attributes:
        job_id: The analysis of the video.
        name: Its name.
        time_seconds: The time of the frame or passage.
        frame_index: The keyframe, 0-based in display order; None if no keyframe is indexed.
        reasons: Why it was found.
        similarity: Cosine of the frame and the query, None where pictures were not compared.
        text: The passage that was found, "" without one.
        is_confirmed: Whether the model in use says that the frame shows it; None if it wasn't asked, or doesn't know.
        remark: Its reason.
    """

    job_id: str
    name: str
    time_seconds: float
    frame_index: int | None
    reasons: tuple[MomentReason, ...]
    similarity: float | None = None
    text: str = ""
    is_confirmed: bool | None = None
    remark: str = ""

    def frame_of(self, analysis: Analysis) -> Keyframe | None:
        """Return the keyframe that it is about, or the nearest; None if the report has no pictures."""
        return min(analysis.pictured, key=lambda frame: abs(frame.time_seconds - self.time_seconds), default=None)


@dataclass(frozen=True)
class MomentHits:
    """Moments that were found, the best first.

    Attributes:
        moments: The moments; none if nothing in the library is like the query.
        model: What compared pictures, "" if nothing did.
        num_left: Number of analyses that are not indexed yet.
        error: Why no model compared pictures, or meaning was not compared.
    """

    moments: tuple[Moment, ...]
    model: str = ""
    num_left: int = 0
    error: AppError | None = None


class LibrarySearch(Backfill):
    """Search of a library by more than words; what it needs is made for each analysis that is indexed.

    `query_error` is why the page's last search failed.
    """

    query_error: AppError | None = None

    @abstractmethod
    def catch_up_passages(self) -> None:
        """Make what `near` needs of all analyses in this thread. Raises AppErrors."""

    @abstractmethod
    def near(self, words: str) -> Sequence[NearPassage]:
        """List the visible analyses nearest to these words, judged by their nearest passage, the nearest first.

        Raises:
            AppError: The search failed; the library is then searched for words alone.
        """

    @abstractmethod
    def find(self, query: MomentQuery) -> MomentHits:
        """Find moments in all visible analyses.

        Raises:
            AppError: The query is empty, the picture can't be decoded, or the store can't be read.
        """
