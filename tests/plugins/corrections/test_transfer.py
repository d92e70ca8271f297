"""Corrections of an earlier report that fit a new one on the same video."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from framelens import config
from framelens.api.tools import ToolCall
from framelens.composition import Services, open_library
from framelens.core.domain import Finding, Keyframe
from framelens.core.errors import InputError
from framelens.jobs.stored.corrections import Draft
from framelens.plugins.corrections.tools import correct
from framelens.plugins.corrections.transfer import corrected_before, offer_of, offers, take_over
from tests.core.test_corrections import report
from tests.reports.test_reports import NASTY

pytestmark = pytest.mark.usefixtures("english")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Give two reports on a video: the later one has a frame more, and another sentence."""
    with open_library(config.load({"FRAMELENS_DATA_DIR": str(tmp_path)}, Path("/dev/null"))) as services:
        made = replace(report(), id="earlier-1")
        services.reports.add(made)
        first, second = made.keyframes
        frames = (first, replace(first, number=2, time_seconds=2.0, frame_index=50), replace(second, number=3))
        assert all(isinstance(frame, Keyframe) for frame in frames)
        findings = (Finding(NASTY, (1,)), Finding("later at 9:59", (3,)), Finding("something else", (2,)))
        chunk = replace(made.chunks[0], findings=findings, frames=(1, 2, 3), overview=(Finding("it all", (1, 3)),))
        services.reports.add(replace(made, id="later-01", keyframes=frames, chunks=(chunk,)))
        drafts = [
            *(Draft("replace", "f2", "a van"), Draft("replace", "f3", "lost"), Draft("strike", "s1")),
            *(
                Draft("add", text="a dog", frames=(2,)),
                Draft("replace", "note", "Mind the gate."),
                Draft("strike", "p2"),
            ),
        ]
        services.reports.correct("earlier-1", drafts, author="Anna")
        yield services


def test_what_fits_is_offered_and_taken_over_in_its_authors_name(services: Services) -> None:
    later = services.jobs.snapshot("later-01")
    assert corrected_before(services, later) == "earlier-1" and not later.corrections
    assert corrected_before(services, services.jobs.snapshot("earlier-1")) == ""
    offer = offer_of(services, "later-01", "earlier-1")
    assert [(draft.kind, draft.target, draft.frames) for draft in offer.drafts] == [
        ("replace", "note", ()),
        ("strike", "s1", ()),
        ("replace", "f2", (3,)),
        ("add", "", (3,)),
        ("strike", "p3", ()),
    ]
    assert offer.num_left == 1
    assert offers(services, later) == {
        "report": "earlier-1",
        "fitting": 5,
        "text": "Another report on this video was corrected by people. 5 corrections fit this report, too. 1 doesn't,"
        " because the model wrote other sentences or chose other pictures.",
        "command": "framelens library correct later-01 --take-over earlier-1",
    }
    listed = correct(ToolCall(services, lambda video: (None, services.reports.get(video)), Path), "later-01")
    assert listed.quoted and listed.quoted.offer and listed.quoted.offer.report == "earlier-1"
    made = take_over(services, "later-01", offer, "Bo").analysis
    assert offers(services, services.jobs.snapshot("later-01")) is None
    assert [finding.text for finding in made.findings] == [NASTY, "a van", "something else", "a dog"]
    assert made.corrections and made.corrections.authors == ("Anna",) and made.findings[1].frames == (3,)
    assert (
        services.reports.correct("later-01", [Draft("undo")], author="Bo").analysis.findings
        == services.jobs.snapshot("later-01").written.findings
    )  # type: ignore[union-attr]


def test_another_video_or_nothing_that_fits_is_refused(services: Services) -> None:
    services.reports.add(replace(report(), id="other-01", sha256="cd" * 32))
    with pytest.raises(InputError, match="correction_other_video"):
        offer_of(services, "other-01", "earlier-1")
    offer = offer_of(services, "earlier-1", "later-01")
    with pytest.raises(InputError, match="correction_none_fits"):
        take_over(services, "earlier-1", offer, "")
