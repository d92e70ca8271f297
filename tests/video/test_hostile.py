"""Files that claim what cannot be are refused with a sentence, or read within the limits."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from framelens.core.domain import Selection
from framelens.i18n import LANGUAGES, t
from tests.harness import Job, Outcome, outcomes
from tests.hostile import FILES, NUM_FRAMES

pytestmark = pytest.mark.slow
_SELECTIONS = (Selection(), Selection("every", every_seconds=0.05), Selection(start_seconds=0.5))
_MEGABYTES = 300
_MOST_MEGABYTES = 1.5e9 / 2**20
_LARGE_PICTURES = {"gif of 5,000 x 5,000", "gif of 12,000 x 12,000", "packed pictures"}
_REFUSED = {
    "gif of 30,000 x 30,000": "video_no_frames",
    "gif of 12,000 x 12,000": "video_too_large",
    "jpeg of 30,000 x 30,000": "video_no_frames",
    "jpeg of 12,000 x 12,000": "video_too_large",
    "10,000 streams": "video_index_missing",
    "900 streams": "video_index_missing",
    "box of 4 GB: stsd": "video_no_frames",
    "table of 100 million sizes": "video_index_missing",
    "table of 2 billion times": "video_index_missing",
}
_FEWER = {"gif of 5,000 x 5,000", "packed pictures", "size changes", "clock set back by hours"}

_VALUES = ("name", "codec", "start", "readable", "width", "height", "megapixels", "format")

Judged = dict[str, list[Outcome]]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    folder = tmp_path_factory.mktemp("hostile")
    jobs = []
    for number, (name, write) in enumerate(FILES.items()):
        (folder / str(number)).mkdir()
        path = write(folder / str(number))
        jobs += [Job(path, selection) for selection in _selections(name)]
    found = iter(outcomes(jobs, limit_seconds=120.0))
    yield {name: [next(found) for _ in _selections(name)] for name in FILES}


def _selections(name: str) -> tuple[Selection, ...]:
    return _SELECTIONS[:1] if name in _LARGE_PICTURES else _SELECTIONS


@pytest.mark.parametrize("name", FILES)
def test_it_ends_in_a_sentence_or_in_frames(name: str, judged: Judged) -> None:
    for outcome in judged[name]:
        assert outcome.faults == ()
        assert outcome.error not in ("hung", "crashed")
        assert outcome.error or outcome.times_seconds
        for language in LANGUAGES if outcome.error else ():
            assert t(f"error.{outcome.error}", language, **dict.fromkeys(_VALUES, "x"))


@pytest.mark.parametrize("name", sorted(set(FILES) - _LARGE_PICTURES))
def test_memory_does_not_follow_the_claim(name: str, judged: Judged) -> None:
    assert max(outcome.peak_megabytes for outcome in judged[name]) < _MEGABYTES


@pytest.mark.parametrize("name", sorted(_LARGE_PICTURES))
def test_large_pictures_stay_within_the_limit(name: str, judged: Judged) -> None:
    assert max(outcome.peak_megabytes for outcome in judged[name]) < _MOST_MEGABYTES


@pytest.mark.parametrize("name", _REFUSED)
def test_what_cannot_be_is_refused(name: str, judged: Judged) -> None:
    assert {outcome.error for outcome in judged[name]} == {_REFUSED[name]}


@pytest.mark.parametrize("name", sorted(set(FILES) - set(_REFUSED) - _FEWER))
def test_a_lie_about_the_whole_costs_no_frame(name: str, judged: Judged) -> None:
    assert judged[name][0].error is None
    assert judged[name][0].frames_decoded == NUM_FRAMES


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_the_harness_itself_notices_a_hang(tmp_path: Path) -> None:
    """A file that can never be opened, so that it is known that the other tests could fail."""
    os.mkfifo(tmp_path / "pipe.mp4")
    (outcome,) = outcomes([Job(tmp_path / "pipe.mp4")], workers=1, limit_seconds=2.0)
    assert outcome.error == "hung"
