"""Many analyses on their way out: the files of each in the wanted formats, under names that do not meet.

A JSON report is always what can be taken in again elsewhere; all other formats can be made of it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, count

from app.domain import Analysis, Language
from app.file_names import safe_stem
from app.reports import FORMATS, files_of
from app.reports.files import Entry


def bundle(
    analyses: Iterable[Analysis],
    formats: Sequence[str],
    language: Language | None = None,
    *,
    is_free: Callable[[str], bool] = lambda name: True,
) -> Iterator[Entry]:
    """The files, one after the other. They are called as the video is; where such a name was given already, or is not
    `is_free`, a number follows. `language` None leaves each report in its own. A format that would have nothing to say
    is left out beside others; alone it raises InputError.
    """
    given: set[str] = set()
    for analysis in analyses:
        stem = _stem(analysis, formats, lambda name: name not in given and is_free(name))
        for name in [name for name in formats if FORMATS[name].fits(analysis)] or formats:
            file_name = stem + FORMATS[name].suffix
            given.add(file_name)
            yield from files_of(name, analysis, language or analysis.request.language, file_name)


def _stem(analysis: Analysis, formats: Sequence[str], is_free: Callable[[str], bool]) -> str:
    usual = safe_stem(analysis.video.name)
    stems = chain([usual], (f"{usual}-{number}" for number in count(2)))
    return next(stem for stem in stems if all(is_free(stem + FORMATS[name].suffix) for name in formats))
