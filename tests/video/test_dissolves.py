"""Dissolves: found where one picture turns into another, and not where things move or the light changes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from app.domain import Boundary
from app.video.boundaries import joined, shots_between
from app.video.dissolves import Dissolve, DissolveDetector
from tests.media import Image, faded, moving, textured
from tests.video.test_shots import look_of


def dissolves(images: Iterable[Image], rate: float = 25) -> list[Dissolve]:
    detector = DissolveDetector()
    found = [detector.push(index / rate, look_of(image)) for index, image in enumerate(images)]
    return [one for one in (*found, detector.flush()) if one is not None]


def mixed(first: Image, second: Image, count: int) -> list[Image]:
    return [np.asarray(first * (1 - share) + second * share, np.uint8) for share in np.linspace(0, 1, count)]


def test_a_dissolve_is_found_once_and_where_it_is() -> None:
    one, two = textured(1), textured(2)
    found = dissolves([*[one] * 50, *mixed(one, two, 20), *[two] * 50])
    assert len(found) == 1
    assert 1.6 <= found[0].start_seconds <= 2.4 and 2.4 <= found[0].end_seconds <= 3.3


def test_motion_light_and_cuts_are_no_dissolves() -> None:
    still = textured(1)
    assert dissolves(moving(100)) == []
    assert dissolves([*faded(still, 40, 0.4, 1.0), *faded(still, 40, 1.0, 0.4)]) == []
    assert dissolves([*[still] * 50, *[textured(2)] * 50]) == []


def test_a_transition_is_told_once() -> None:
    inside, beside = Boundary(2.2, 2.2, "cut"), Boundary(5.0, 5.0, "cut")
    known = [Boundary(2.0, 2.6, "dissolve"), Boundary(2.3, 2.9, "dissolve"), Boundary(5.2, 5.8, "dissolve")]
    assert joined([inside, beside], known) == (known[0], beside)
    assert joined([Boundary(1.5, 2.2, "fade")], known[:1]) == (Boundary(1.5, 2.2, "fade"),)


def test_shots_meet_in_the_middle_of_a_transition() -> None:
    shots = shots_between([Boundary(2.0, 3.0, "dissolve")], 8.0)
    assert [(shot.start_seconds, shot.end_seconds) for shot in shots] == [(0.0, 2.5), (2.5, 8.0)]
