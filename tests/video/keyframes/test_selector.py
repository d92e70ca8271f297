"""Which candidates become keyframes; what comes again and again, or is shown already, counts less."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from framelens.core.domain import Selection, Shot
from framelens.core.events import KeyframesChosen
from framelens.video.features.frame_signature import DetailedGlance
from framelens.video.keyframes import pipeline
from framelens.video.keyframes.candidates import Candidate, Pool
from framelens.video.keyframes.details import Details
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.keyframes.selector import choose, required_shots, uniqueness
from framelens.video.readers import open_reader
from tests.media import Image, moving, textured, write_video
from tests.video.shots.test_cut_detector import look_of


def look(value: float, brightness: float = 0.5) -> DetailedGlance:
    """A look that is 3 * |a - b| away from another look of this kind."""
    levels = np.full((3, 576), round(255 * value), np.uint8)
    cells = levels / np.float32(255)
    contrast = 0.01 if brightness < 0.1 else 0.2
    return DetailedGlance(
        levels, levels, cells, brightness, contrast, 50.0, np.zeros(576, np.float32), np.zeros((90, 160), np.uint8)
    )


def candidate(index: int, value: float, opens: bool = False, brightness: float = 0.5) -> Candidate:
    return Candidate(index, index / 25, look(value, brightness), index if opens else None)


def shots(*starts: float, end: float) -> list[Shot]:
    ends = [*starts[1:], end]
    return [Shot(number, start, stop) for number, (start, stop) in enumerate(zip(starts, ends, strict=True), 1)]


def indices(candidates: list[Candidate], cut: list[Shot], budget: int) -> list[int]:
    choices = choose(candidates, cut, budget)
    assert len(choices) <= budget
    found = [choice.candidate.index for choice in choices]
    assert found == sorted(set(found))
    return found


def changing(count: int, step: int = 5) -> list[Candidate]:
    return [candidate(n * step, n / count, opens=n == 0) for n in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("budget", [1, 2, 3, 5, 8, 13])
def test_a_steadily_changing_shot_is_covered_evenly(budget: int) -> None:
    found = indices(changing(100), shots(0.0, end=20.0), budget)
    assert len(found) == budget
    assert found[0] == 0
    gaps = np.diff([*found, 500])
    assert gaps.max() <= 2.2 * 500 / budget


@pytest.mark.slow
def test_distinct_shots_get_one_frame_before_any_second() -> None:
    items = [
        candidate(n, 0.1 if n < 350 else 0.5 if n < 425 else 0.9, opens=n in (0, 350, 425)) for n in range(0, 500, 5)
    ]
    cut = shots(0.0, 14.0, 17.0, end=20.0)
    assert indices(items, cut, 3) == [0, 350, 425]
    assert {0, 350, 425} <= set(indices(items, cut, 6))


def test_momentary_content_is_chosen_before_constant() -> None:
    """A small thing counts by what it is worth, not by how much of the picture it changes."""
    items = [candidate(n, 0.2 + 0.05 * (n // 5 % 2)) for n in range(0, 500, 5)]
    cell_values = [np.zeros(576, np.float32) for _ in items]
    for place, corner in ((23, 100), (61, 200)):
        cell_values[place][corner : corner + 30] = 8.0
        items[place].look.cells[:, corner : corner + 30] = 0.9
        items[place].look.levels[:, corner : corner + 30] = 230
    choices = choose(items, shots(0.0, end=20.0), 4, cell_values=cell_values)
    assert {23 * 5, 61 * 5} <= {choice.candidate.index for choice in choices}


@pytest.mark.slow
def test_a_still_video_gives_its_first_and_last_frame() -> None:
    items = [candidate(n, 0.5, opens=n == 0) for n in range(0, 250, 5)]
    choices = choose(items, shots(0.0, end=10.0), 8)
    assert [(c.candidate.index, c.reason) for c in choices] == [(0, "first"), (245, "last")]
    assert indices(items, shots(0.0, end=10.0), 1) == [0]


def test_stretches_are_filled_with_what_there_is() -> None:
    # A still stretch is not shown twice.
    items = [candidate(n, 0.2 if n < 200 else 0.2 + (n - 200) / 100, opens=n == 0) for n in range(0, 250, 5)]
    found = indices(items, shots(0.0, end=10.0), 6)
    assert len(found) == 6
    assert sum(index < 200 for index in found) == 1
    # What comes again fills a stretch that nothing else can: Two views take turns: each soon looks like a chosen
    # view, but the rest of the video is not left out for that.
    items = [candidate(25 * n, 0.2 + 0.5 * (n // 5 % 2), opens=n == 0) for n in range(100)]
    found = indices(items, shots(0.0, end=100.0), 8)
    assert max(np.diff([0, *found, 2500])) <= 1.9 * 2500 / 8
    # A stretch is filled where candidates are few: A slightly more informative frame is no use where it leaves a
    # stretch that the next frames cannot fill.
    values = dict(zip([0, 7, 18, 31, 37, 50, 56, 90], [5, 2, 1, 3, 4, 6, 0, 7], strict=True))
    items = [candidate(25 * time, value / 10, opens=time == 0) for time, value in values.items()]
    found = indices(items, shots(0.0, end=100.0), 5)
    assert max(np.diff([0, *found, 2500])) <= 1.9 * 2500 / 5


def test_long_black_and_surplus_shots_have_their_frames() -> None:
    # Surplus shots are thinned over whole video.
    items = [candidate(25 * n, (n * 7 % 11) / 11, opens=True) for n in range(40)]
    found = indices(items, shots(*(float(n) for n in range(40)), end=40.0), 8)
    assert len(found) == 8
    assert max(np.diff([*found, 1000])) < 300
    # Long shots have a frame where frames are few.
    cut, numbers = shots(0.0, 9.6, 11.8, 21.4, 23.4, end=32.0), np.arange(1, 6)
    assert required_shots(numbers, cut, 4, comes_again=False).tolist() == [False, True, False, True, False, True]
    assert not required_shots(numbers, cut, 4, comes_again=True).any()
    assert required_shots(numbers, cut, 5).sum() == 5
    # Black shots go first when there are too many.
    items = [candidate(25 * n, n / 9, opens=True, brightness=0.03 if n in (2, 5) else 0.5) for n in range(9)]
    assert not {50, 125} & set(indices(items, shots(*(float(n) for n in range(9)), end=9.0), 7))


def test_reasons_say_why_a_frame_was_chosen() -> None:
    # Reasons say why.
    items = [candidate(0, 0.1, opens=True), candidate(50, 0.12), candidate(100, 0.6), candidate(150, 0.9, opens=True)]
    choices = choose(items, shots(0.0, 6.0, end=8.0), 4)
    assert [(c.reason, c.shot) for c in choices] == [("first", 1), ("even", 1), ("change", 1), ("shot", 2)]
    # No shot begins without a cut: A frame in the midst of the first shot, or where a range begins, doesn't begin a
    # shot.
    items = [candidate(26, 0.1), candidate(46, 0.9), candidate(110, 0.2, opens=True)]
    choices = choose(items, shots(0.0, 4.0, end=6.0), 3)
    assert [(c.reason, c.shot) for c in choices] == [("even", 1), ("change", 1), ("shot", 2)]
    assert choose([], shots(0.0, end=0.0), 8) == []  # nothing gives nothing


def test_a_pool_stays_small_and_covers_its_video() -> None:
    # A pool stays small and covers everything.
    pool = Pool(20)
    for index in range(5000):
        pool.add(candidate(index, index / 5000))
        assert len(pool.items) <= 20
    found = [item.index for item in pool.items]
    assert found[0] == 0 and found[-1] == 4999
    assert max(np.diff(found)) < 1500
    # A pool keeps candidates where little is reported: Half of the video tells much and half nothing: of the second
    # half, too, something can be chosen.
    pool = Pool(40, parts=10)
    for index in range(2000):
        item = candidate(index, index / 2000)
        item.score = 100.0 if index < 1000 else 0.0
        pool.add(item)
    found = [item.index for item in pool.items]
    assert len(found) == 40
    assert max(np.diff(found)) <= 2000 / 10


EVENT = 8.0
CAPTION = slice(500, 540)
SCENE = textured(1, 640, 360)
PLACE = (slice(300, 330), slice(60, 380))


def events(
    places: dict[int, Sequence[tuple[slice, float]]], worth: float = EVENT
) -> tuple[list[Candidate], list[np.ndarray]]:
    """A hundred candidates in 200 s of nearly the same picture, with other values in some cells at some places."""
    items = [candidate(50 * place, 0.3 + 0.01 * (place // 2 % 3)) for place in range(100)]
    cell_values = [np.zeros(576, np.float32) for _ in items]
    for place, parts in places.items():
        for cells, value in parts:
            cell_values[place][cells] = worth
            items[place].look.cells[:, cells] = value
            items[place].look.levels[:, cells] = round(255 * value)
    return items, cell_values


def places(items: list[Candidate], values: list[np.ndarray], budget: int, cut: list[Shot] | None = None) -> set[int]:
    choices = choose(items, cut or shots(0.0, end=200.0), budget, cell_values=values)
    return {choice.candidate.index // 50 for choice in choices}


@pytest.mark.slow
def test_new_caption_in_same_place_is_not_a_repeat() -> None:
    """Most cells of the new caption look as the first caption's; something smaller elsewhere is less."""
    other = [(CAPTION, 0.9), (slice(500, 506), 0.6)]
    items, cell_values = events({20: [(CAPTION, 0.9)], 60: other, 80: [(slice(100, 130), 0.7)]})
    assert places(items, cell_values, 2) == {20, 60}


def test_habit_and_openings_are_weighed() -> None:
    # Habit leaves room for smaller changes.
    often = {place: [(slice(100, 200), 0.8)] for place in (3, 10, 24, 31, 38, 52, 59, 66, 80, 94)}
    small = {place: [(slice(start, start + 40), 0.6)] for place, start in ((17, 300), (45, 360), (73, 420))}
    assert set(small) <= places(*events({**often, **small}), 6)
    # First picture is no newer than other openings.
    items, cell_values = events({30: [(slice(100, 400), 0.8)]})
    for place, worth in ((0, EVENT), (50, 0.5), (75, 0.5)):
        items[place].opens = items[place].index
        cell_values[place][:] = worth
    assert places(items, cell_values, 1, shots(0.0, 100.0, 150.0, end=200.0)) == {30}


@pytest.mark.slow
def test_what_stays_is_not_the_same_again() -> None:
    stays = {place: [(CAPTION, 0.9)] for place in range(30, 60)}
    found = places(*events({**stays, 90: [(slice(100, 110), 0.7)]}), 2)
    assert 90 in found and len(found & set(stays)) == 1


def test_novelty_of_titles_events_and_repeats() -> None:
    # A title is as novel as the shots that follow: Each shot shows something else; the third holds an event as well.
    opened = {0: slice(0, 150), 50: slice(150, 300), 75: slice(300, 450)}
    items, cell_values = events({**{place: [(cells, 0.8)] for place, cells in opened.items()}, 90: [(CAPTION, 0.8)]})
    for place in opened:
        items[place].opens = items[place].index
    cell_values[90] *= 3
    assert places(items, cell_values, 3, shots(0.0, 100.0, 150.0, end=200.0)) == set(opened)
    # The only shot begins with no event.
    items, cell_values = events({30: [(slice(100, 200), 0.8)]})
    items[0].opens = 0
    cell_values[0][:] = EVENT
    assert places(items, cell_values, 1) == {30}
    # What comes a few times is hardly less new.
    assert unique({place: swept() for place in (5, 20, 35, 50)}) == pytest.approx(
        dict.fromkeys((5, 20, 35, 50), 0.99), abs=0.01
    )


@pytest.mark.slow
def test_what_moves_from_the_start_is_no_novelty_there(folder: Path) -> None:
    """As long as nothing is known of a video all that moves would be."""
    path = write_video(folder / "moves_from_the_start.mp4", moving(200))
    with open_reader(path) as reader:
        survey = pipeline.create_survey(reader, frames=16, max_side=160)
        list(survey.events())
    found = survey.collector.candidates()
    early = [
        float(worth.sum())
        for item, worth in zip(found, survey.collector.cell_values(found), strict=True)
        if item.opens is None and item.time_seconds < 0.25
    ]
    assert early and max(early) == pytest.approx(0.0)


def captioned(words: str) -> Image:
    image = SCENE.copy()
    image[PLACE] = 0
    cv2.putText(image, words, (66, 324), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2, cv2.LINE_AA)
    return image


def swept(seed: int = 0) -> Image:
    """Something large before the scene, of which the left edge is never the same: leaves in the wind."""
    image = SCENE.copy()
    image[:, :60] = textured(seed, 60, 360)
    cv2.ellipse(image, (420, 120), (150, 100), 20, 0, 360, (190, 150, 130), -1)
    return image


def row(pictures: dict[int, Image], number: int = 60) -> tuple[list[Candidate], np.ndarray]:
    """A candidate a second of the scene, with these pictures at these places, and what their cells are worth."""
    plain = look_of(SCENE)
    items = [Candidate(25 * n, float(n), replace(plain)) for n in range(number)]
    cell_values = np.zeros((number, 576), np.float32)
    for place, picture in pictures.items():
        items[place].look = look_of(picture)
        apart = np.abs(items[place].look.cells - plain.cells).sum(axis=0)
        cell_values[place] = 4 * (apart > 0.1)
        cell_values[place].reshape(18, 32)[:, :3] = 0
    return items, cell_values


def unique(pictures: dict[int, Image]) -> dict[int, float]:
    items, cell_values = row(pictures)
    looks = [item.look for item in items]
    found = uniqueness(cell_values, Details.of(looks, np.stack([look.blocks for look in looks])))
    return {place: float(found[place]) for place in pictures}


@pytest.mark.slow
def test_what_comes_more_than_eight_times_is_habit() -> None:
    assert set(unique({place: swept() for place in range(3, 60, 6)}).values()) == {0.0}


@pytest.mark.slow
def test_what_stays_does_not_come_again() -> None:
    assert set(unique({place: swept() for place in range(20, 40)}).values()) == {1.0}


@pytest.mark.slow
def test_other_words_in_the_same_place_are_something_else() -> None:
    chance = np.random.default_rng(3)
    words = {place: "".join(chance.choice(list("abcdehkmnorstuvwxz "), 18)) for place in range(3, 60, 5)}
    assert min(unique({place: captioned(text) for place, text in words.items()}).values()) > 0.5


@pytest.mark.slow
def test_captions_are_chosen_before_recurring_motion() -> None:
    """The sweeps fill more of the picture, and no two of them look alike in every cell."""
    hands = {place: swept(place) for place in (2, 8, 14, 20, 26, 32, 38, 44, 50, 56)}
    texts = {11: captioned("market pump valve 21"), 29: captioned("copper engine 84"), 47: captioned("winter field 3")}
    items, cell_values = row({**hands, **texts})
    chosen = choose(items, shots(0.0, end=60.0), 4, cell_values=list(cell_values))
    assert set(texts) <= {round(choice.candidate.time_seconds) for choice in chosen}


def filmed(cut: list[Shot], views: list[float], every: float = 0.1) -> list[Candidate]:
    """Two candidates or more of each shot, every other candidate a little brighter, as a moving picture is."""
    items = []
    for shot, view in zip(cut, views, strict=True):
        num = max(2, int((shot.end_seconds - shot.start_seconds) / every))
        for place in range(num):
            seconds = shot.start_seconds + (place + 0.5) * (shot.end_seconds - shot.start_seconds) / num
            index = round(seconds * 1000)
            opens = index if place == 0 else None
            items.append(Candidate(index, seconds, look(view + 0.02 * (place % 2)), opens))
    return items


def shown(items: list[Candidate], cut: list[Shot], budget: int, values: list[np.ndarray] | None = None) -> list[int]:
    choices = choose(items, cut, budget, cell_values=values)
    assert len(choices) <= budget
    return [choice.shot for choice in choices]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_each_shot_has_a_frame_where_the_budget_allows(seed: int) -> None:
    """Whatever else is new: shots of any length, returns, shots that look alike, changes in a long shot."""
    chance = np.random.default_rng(seed)
    lengths = chance.choice([0.1, 0.35, 0.5, 2.0, 15.0], int(chance.integers(2, 14)))
    lengths[0] = 20.0
    ends = np.cumsum(lengths)
    cut = shots(0.0, *map(float, ends[:-1]), end=float(ends[-1]))
    items = filmed(cut, list(chance.choice([0.2, 0.201, 0.3, 0.9], len(cut))), every=0.5)
    values = [np.full(576, chance.choice([0.0, 0.1, 5.0]), np.float32) for _ in items]
    long = {shot.number for shot in cut if shot.end_seconds - shot.start_seconds > 0.3}
    for budget in (len(long), len(long) + 1, 2 * len(long) + 3):
        assert long <= set(shown(items, cut, budget, values))
    assert len(shown(items, cut, len(long), values)) == len(long)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [3, 4, 6])
def test_no_two_frames_at_one_moment_around_a_cut(budget: int) -> None:
    """The first shot shows most at its end, the second at its beginning."""
    items = [candidate(n, 0.1 + n / 2000 if n < 200 else 0.9 - n / 2000, opens=n in (0, 200)) for n in range(0, 400, 4)]
    values = [np.full(576, 0.0 if item.index < 100 else 4.0, np.float32) for item in items]
    for item, cells in zip(items, values, strict=True):
        cells *= 1 - abs(item.index - 198) / 200
    choices = choose(items, shots(0.0, 8.0, end=16.0), budget, cell_values=values)
    times = [choice.candidate.time_seconds for choice in choices]
    assert {choice.shot for choice in choices} == {1, 2}
    assert min(np.diff(times)) > 0.4


def test_returns_to_a_long_scene_come_after_what_is_cut_in() -> None:
    cut = shots(*(float(n) for n in range(12)), end=12.0)
    items = [candidate(25 * n, 0.2 if n % 2 == 0 else 0.4 + 0.08 * (n // 2), opens=True) for n in range(12)]
    values = [np.full(576, 8.0, np.float32) for _ in items]
    found = {choice.shot for choice in choose(items, cut, 6, cell_values=values)}
    assert len({2, 4, 6, 8, 10, 12} & found) >= 5


def test_scenes_not_shown_come_before_second_frames() -> None:
    """Three scenes of much new content come again and again; three others come once and add little."""
    cut = shots(*(float(n) for n in range(12)), end=12.0)
    views = [0.2, 0.5, 0.3, 0.4, 0.2, 0.6, 0.3, 0.4, 0.2, 0.7, 0.3, 0.4]
    items = [candidate(25 * n, view, opens=True) for n, view in enumerate(views)]
    values = [np.full(576, 0.01 if view >= 0.5 else 8.0, np.float32) for view in views]
    choices = choose(items, cut, 6, cell_values=values)
    assert {views[choice.shot - 1] for choice in choices} == set(views)
    fixed = choose(items, cut, 6, cell_values=values, num_fixed=3)
    assert [choice.shot for choice in fixed[:3]] == [1, 2, 3]
    assert {views[choice.shot - 1] for choice in fixed} == set(views)


def test_places_in_which_things_move_are_shown_once_first() -> None:
    """Two places come again and again with something that is elsewhere each time; two others come once."""
    cut = shots(*(float(n) for n in range(12)), end=12.0)
    views = [0.2, 0.5, 0.2, 0.5, 0.2, 0.7, 0.2, 0.5, 0.9, 0.5, 0.2, 0.5]
    items = []
    for number, view in enumerate(views):
        levels = look(view).levels.copy()
        levels[:, np.random.default_rng(number).permutation(576)[:200]] -= 40
        moved = replace(look(view), levels=levels, spread=np.sort(levels), cells=levels / np.float32(255))
        items.append(Candidate(25 * number, float(number), moved, 25 * number))
    values = [np.full(576, 0.01 if view >= 0.7 else 8.0, np.float32) for view in views]
    assert {views[choice.shot - 1] for choice in choose(items, cut, 6, cell_values=values)} == set(views)


@pytest.mark.slow
def test_a_shot_is_not_shown_by_its_black_frames() -> None:
    cut = shots(0.0, 5.0, 5.5, end=10.0)
    items = filmed(cut, [0.2, 0.6, 0.2])
    for item in items:
        if 5.0 <= item.time_seconds < 5.3:
            item.look = look(0.0, brightness=0.02)
    choices = choose(items, cut, 3)
    assert [choice.shot for choice in choices] == [1, 2, 3]
    assert choices[1].candidate.time_seconds > 5.3


@pytest.mark.slow
@pytest.mark.parametrize(("start", "end"), [(0.0, None), (1.0, 9.5)])
def test_alike_short_shots_each_have_a_frame(folder: Path, start: float, end: float | None) -> None:
    """Short takes of several people before the same wall, between parts of a take in which much moves."""
    wall = textured(9) // 3 + 120
    pictures: list[Image] = []
    take = list(moving(300))
    for person in range(5):
        pictures += take[50 * person : 50 * person + 40]
        before = wall.copy()
        cv2.circle(before, (45 + 15 * person, 60), 24, (230 - 40 * person, 90, 30 + 40 * person), -1)
        pictures += [before] * 10
    pictures += take[250:290]
    path = write_video(folder / "people.mp4", pictures)
    times = [2.0 * person + 1.6 for person in range(5)]
    inside = [time for time in times if start <= time and time + 0.4 <= (end or 99)]
    with open_reader(path) as reader:
        options = ExtractOptions(16, Selection("auto", start_seconds=start, end_seconds=end))
        (chosen,) = [one for one in pipeline.run(reader, options) if isinstance(one, KeyframesChosen)]
    found = [frame.time_seconds for frame in chosen.keyframes]
    assert all(any(time <= one < time + 0.4 for one in found) for time in inside)
    covered = {frame.shot for frame in chosen.keyframes}
    assert covered == {shot.number for shot in chosen.decode.shots}
