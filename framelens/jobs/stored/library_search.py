"""What a plugin's search adds to the library's search for words."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from framelens.core.errors import AppError
from framelens.jobs.stored.library_entries import Backfill


@dataclass(frozen=True)
class NearPassage:
    """An analysis and the index of its nearest passage; `score` is its similarity, at most 1."""

    job_id: str
    place: int
    score: float


class LibrarySearch(Backfill):
    """Search of a library by more than words; what it needs is made for each analysis that is indexed.

    `query_error` is why the page's last search failed.
    """

    query_error: AppError | None = None

    @abstractmethod
    def near(self, words: str) -> Sequence[NearPassage]:
        """List the visible analyses nearest to these words, judged by their nearest passage, the nearest first.

        Raises:
            AppError: The search failed; the library is then searched for words alone.
        """
