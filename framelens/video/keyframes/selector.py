"""Keyframe selection from candidates and shots under a budget: deterministic, in time order.

The chosen sequence of candidates shows most events in all, counting in each frame what the frame before it does not
show, and leaves no long gap without a frame. Where the budget allows a frame for each shot, each shot longer than 0.3 s
has a frame before any shot has a second; where it doesn't, and no scene comes again, each shot longer than an even
share of the video has one. Frames that look like the previous frame are left out, unless nothing else can fill a gap
and other pictures lie between. A greedy choice with exchanges, by the same values, shows 0.02 to 0.05 of the
events less at 8 and 16 frames (docs/benchmarks/keyframes.md, Events).

A candidate is worth about one event if it has much new content, however large: a caption counts nearly as much as a
slide. Content that is shown already, recurs often, or is too dark to see counts less.

Cells are coarse: two captions in the same place look alike in many cells and say different things. So a cell counts as
shown only while its content stays the same.

Recurrence is how often the new content of a candidate is there elsewhere in the video, with something else between. A
hand that sweeps before the lens every ten seconds is rare in every cell, yet not new the twentieth time. Content that
was there once, or that differs each time, as captions in the same place do, is new each time. So pictures are compared
in their details, in the cells with new content. How alike two pictures must be to be the same again differs from video
to video (a trembling camera never shows the same twice), so the returns are counted at every threshold.

Where a comment names a range of values, the share of events seen changes by less than 0.01 within it, on the sets that
the choice was tuned on (docs/benchmarks/keyframes.md, Events).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framelens.core.domain import Reason, Shot
from framelens.video.features.frame_signature import ALIKE, NUM_CELLS, Blocks, Signatures, distance
from framelens.video.keyframes.candidates import Candidate
from framelens.video.keyframes.details import Details
from framelens.video.keyframes.novelty import WEIGHTS, Cells
from framelens.video.keyframes.scenes import colours_of, valued_by_scene
from framelens.video.keyframes.sequence import Links, TemporalGaps, best_sequence, with_unseen_places
from framelens.video.keyframes.stills import new_stills
from framelens.video.keyframes.strategies import SHORT_SECONDS
from framelens.video.readers.base import Image
from framelens.video.shots.cut_detector import is_light
from framelens.video.shots.page_detector import is_same_page

_LONGEST_GAP, _FEWEST_GAP = 1.8, 2.3
"""Longest gap without a frame: the first times the distance of frames spread evenly from the start to the end of the
video, but at most the second in parts of the video divided by the budget. With 2.0 one event in a hundred more is seen
at 16 frames, and the longest gap is a tenth longer (docs/benchmarks/keyframes.md, Events)."""
_HALF_WORTH = 100.0
"""Sum of new content that is worth half an event: a caption has 30 to 200, another picture 1,000 to 3,000. Between 100
and 400 the same is seen at 8 and 16 frames; 400 sees fewer captions at 32."""
_NEW_STILL = 1.0
"""Gain of a still picture of much content that wasn't shown. With 0.4 fewer slides are seen at 8 frames."""
_PLAIN_WORTH = 0.01
"""Value of a cell without new content that looks different from the frame before, for the share that it shows."""
_PLAIN, _PRESENT = 0.02, 0.005
"""Gain of a picture without new content that looks wholly different from the frame before, and of any that doesn't
repeat it. 0.001 to 0.02."""
_FLEETING = 0.1
"""Gain of a small subject that is there for this moment only. With 0.2 as many of them are seen, and fewer captions
(docs/benchmarks/keyframes.md, Small fast things)."""
_NEW_SHOT = 0.02
"""Gain of the opening of a shot after a frame of an earlier shot. 0 to 0.02; with 0.1 less is seen at 8 frames."""
_OPENING = 0.15
"""Gain of the opening of a shot in short videos. With 0.05 a moving shot loses its first picture, with 0.4 a shot that
fades in begins half dark."""
_SHOT_COST = 1e6
"""Cost of leaving a shot of `required_shots` without a frame: more than all gaps together."""
_NEW_PAGE = 0.2
"""Gain of a page where it is first whole."""
_PAGE_AGAIN = 1e4
"""Cost of a second frame of a page while pages are left: more than any gaps."""
_UNEVEN = 0.002
"""Cost of a gap of an even distance, rising with its square: frames are spread evenly where nothing else decides. 0 to
0.01."""
_REPEATS = -0.01
"""Gain of a picture that looks like the frame before, apart from new content: less than evenness gains, more than a
long gap. -0.1 to 0."""
_APART_SECONDS, _APART_SHARE, _LEAST_APART_SECONDS = 10.0, 5.0, 0.8
"""A frame adds less when it is nearer to the frame before in its shot than this and than a fifth of an even distance (a
third to an eighth); in short videos, than an even distance or the last of these."""
_ACROSS = 0.3
"""Cost of two frames at one moment, before and after a cut: falls to nothing at half an even distance or the last of
the times above. An event is worth more, another picture of the same shot less."""
_BLACK, _DIM = 0.002, 0.15
"""Value of a black picture, and the brightness (0..1) from which a picture has its full value: night scenes count."""
_MAY_RISE = 0.3
_RISING_SECONDS, _BRIGHTER = 1.0, 1.2
"""A picture below _MAY_RISE that becomes this much brighter in this time is still fading in: the later picture is
better."""
_PALER = 1.5
"""A picture of which the same with this much more contrast is shown within _RISING_SECONDS is fading from or to white.
A fade of a second has half of its contrast for half of its time. Not tuned."""
_UNLIKE_LEVELS = 4.0  # levels by which a cell must differ to be wholly unlike
_SAME = 0.3  # share of that below which it is the same
_STILL = 0.5
"""Most unlikeness of a cell whose content continues."""
Values = NDArray[np.float64]
Places = NDArray[np.intp]
Which = NDArray[np.bool_]
_NONE: Places = np.array([], np.intp)


def links_of(
    candidates: Sequence[Candidate],
    cell_values: Sequence[Cells] | None,
    shots: Sequence[Shot],
    budget: int,
    num_fixed: int = 0,
    *,
    unclear: Which | None = None,
) -> Links:
    """Return what the candidates add alone and after each other.

    Args:
        candidates: Candidates in time order, at least one.
        cell_values: Value of each cell of each candidate, if known.
        shots: Shots in time order, at least one.
        budget: Number of frames that will be chosen.
        num_fixed: Number of first candidates that are chosen already; sequences begin with the last of them.
        unclear: Which candidates show no picture of their own; they count as black.
    """
    times = np.array([item.time_seconds for item in candidates])
    end = max(shots[-1].end_seconds, float(times[-1])) or 1e-6
    numbers = np.array([shot_of(item.time_seconds, shots) for item in candidates])
    is_page = np.array([item.is_page for item in candidates])
    in_page = np.isin(numbers, numbers[is_page]) & (np.unique(numbers[is_page]).size > 1)
    light = np.where(is_page, 1.0, [_light(index, candidates) for index in range(len(candidates))])
    if unclear is not None:
        light[unclear] = np.minimum(light[unclear], _BLACK)
    blocks = np.stack([item.look.blocks for item in candidates])
    novelty = np.zeros((len(candidates), NUM_CELLS), np.float32)
    if cell_values is not None:
        novelty = _novelty_of(candidates, cell_values, shots)
    longest = min(_FEWEST_GAP, _LONGEST_GAP * budget / max(1, budget - 1)) * end / budget
    fleeting = np.where(in_page, 0.0, [item.fleeting for item in candidates])
    turns = in_page[:, None] & in_page & (numbers[:, None] != numbers)
    repeats = _repeats(candidates, times, longest) & ~turns
    still = _still_runs(repeats)
    gaps = TemporalGaps(times, end, longest, still, light > _BLACK)

    content = novelty.sum(axis=1) * light
    details = Details.of([item.look for item in candidates], blocks)
    value = content / (content + _HALF_WORTH) * uniqueness(novelty, details)
    has_long_scene = comes_again = True
    if cell_values is not None:
        value, has_long_scene, comes_again = valued_by_scene(value, candidates, numbers, shots, light, in_page)
    even = end / budget
    bonus = _NEW_SHOT * np.array([item.opens is not None for item in candidates])
    stills = np.zeros((len(times), len(times)))
    if even < _LEAST_APART_SECONDS:  # so many frames that nothing has to be chosen for what it shows
        bonus *= _OPENING / _NEW_SHOT
    else:
        stills = new_stills(details, times, even / 2) * light
        stills *= _NEW_STILL / (stills[0] + _HALF_WORTH)
    apart = times[None, :] - times[:, None]
    is_new_shot = numbers[None, :] > numbers[:, None]
    near = min(_APART_SECONDS, max(even / _APART_SHARE, min(even, _LEAST_APART_SECONDS)))
    unlike = _unlike(blocks, novelty + np.float32(_PLAIN_WORTH), times, longest)
    plain = np.where(repeats & (fleeting == 0), _REPEATS, (_PLAIN * unlike + _PRESENT + bonus * is_new_shot) * light)
    plain += _FLEETING * fleeting * light
    after = (value * unlike + stills + plain) * np.where(is_new_shot, 1.0, np.clip(apart / near, 0, 1))
    after -= _UNEVEN * (apart / even) ** 2
    after -= _ACROSS * is_new_shot * np.clip(1 - apart / min(even / 2, _LEAST_APART_SECONDS), 0, 1)
    places = np.arange(len(times))
    is_still = (places[None, :] < still[1][:, None]) | (places[:, None] >= still[0][None, :])
    is_still &= fleeting == 0
    returns = returning_pages(candidates, numbers)
    is_return = np.isin(numbers, returns)
    pages = np.setdiff1d(numbers[in_page], returns)
    required = required_shots(numbers, shots, budget, num_fixed, comes_again=comes_again, pages=pages, returns=returns)
    after += _NEW_PAGE * (is_new_shot & in_page & is_page & ~is_return)
    after -= _PAGE_AGAIN * (in_page & ~is_new_shot & (budget <= np.unique(numbers).size))
    after -= _PAGE_AGAIN * (is_return & (budget <= np.unique(numbers[~is_return]).size))
    after[is_still & ~(is_new_shot & required[numbers][None, :])] = -np.inf
    first = (
        value + stills[0] + (_PLAIN + _PRESENT + bonus + _FLEETING * fleeting) * light - _UNEVEN * (times / even) ** 2
    )
    last = -_UNEVEN * ((end - times) / even) ** 2
    before = gaps.before()
    if num_fixed:
        first = np.where(places == num_fixed - 1, 0.0, -np.inf)
        before = np.zeros(len(times))
    # A dark or unclear picture doesn't show a shot that has a better picture.
    is_lit = np.isin(numbers, numbers[light > _BLACK])
    hides = is_lit & (light <= _BLACK) & required[numbers] & (places >= num_fixed)
    passed = np.cumsum(required)
    first = first - _SHOT_COST * ((passed - required)[numbers] + hides)
    after -= _SHOT_COST * (np.maximum(0, (passed - required)[numbers][None, :] - passed[numbers][:, None]) + hides)
    last = last - _SHOT_COST * (passed[-1] - passed[numbers])
    if has_long_scene or required.any():  # then no places are exchanged
        return Links(first, after, last, before, gaps.between(), gaps.after())
    shows = (light > _BLACK) & _is_long(numbers, shots)
    return Links(first, after, last, before, gaps.between(), gaps.after(), colours_of(candidates), shows)


def required_shots(
    numbers: Places,
    shots: Sequence[Shot],
    budget: int,
    num_fixed: int = 0,
    *,
    comes_again: bool = True,
    pages: Places = _NONE,
    returns: Places = _NONE,
) -> Which:
    """Return which shots must have a frame, by their number (shots + 1).

    These are all shots longer than SHORT_SECONDS if the budget allows a frame for each, or all but pages that return;
    otherwise those that are longer than the video divided by the budget, unless a scene comes again: what is cut into
    it would be left out. The first and the last page are among them.

    Args:
        numbers: Number of the shot of each candidate, in time order.
        shots: Shots in time order.
        budget: Number of frames that will be chosen.
        num_fixed: Number of first candidates that are chosen already.
        comes_again: Whether a later shot shows the scene of a shot before it.
        pages: Numbers of the shots that are pages, without returns.
        returns: Numbers of the shots that show a page again.
    """
    required = np.zeros(len(shots) + 1, bool)
    required[numbers[num_fixed:]] = True
    required &= _is_long(np.arange(len(shots) + 1), shots)
    if num_fixed:
        required[: numbers[num_fixed - 1] + 1] = False
    if required.sum() > budget - num_fixed:
        required[returns] = False
    if required.sum() > budget - num_fixed:
        is_border = np.zeros(len(required), bool)
        if pages.size and budget - num_fixed > 1:
            is_border[[pages.min(), pages.max()]] = True
        required &= is_border | (_lengths(shots) > shots[-1].end_seconds / max(1, budget - num_fixed)) & (
            not comes_again
        )
    return required


def returning_pages(candidates: Sequence[Candidate], numbers: Places) -> Places:
    """Return the numbers of the shots that show a page which an earlier shot shows, in rising order."""
    whole = {int(number): item.look.luma for number, item in zip(numbers, candidates, strict=True) if item.is_page}
    shown, returns = list[Image](), list[int]()
    for number, luma in whole.items():
        if any(is_same_page(luma, other) for other in shown):
            returns.append(number)
        else:
            shown.append(luma)
    return np.array(returns, np.intp)


def _is_long(numbers: Places, shots: Sequence[Shot]) -> Which:
    """Return which of the shots with these numbers are longer than SHORT_SECONDS."""
    return np.asarray(_lengths(shots)[numbers] > SHORT_SECONDS)


def _lengths(shots: Sequence[Shot]) -> Values:
    """Return the seconds of the shots, by their number."""
    return np.array([0.0, *(shot.end_seconds - shot.start_seconds for shot in shots)])


def shot_of(seconds: float, shots: Sequence[Shot]) -> int:
    """Return the number of the shot at a time."""
    return max(1, bisect_right(shots, seconds, key=lambda shot: shot.start_seconds))


def _novelty_of(candidates: Sequence[Candidate], cell_values: Sequence[Cells], shots: Sequence[Shot]) -> Cells:
    """Return the cell values, limited for the video's first picture.

    It has no predecessor to differ from, so its sum is at most the median of the openings of the other shots, and zero
    in a single shot.
    """
    novelty = np.stack(cell_values)
    first = [item.opens == 0 for item in candidates]
    later = [len(shots) > 1 and bool(item.opens) for item in candidates]
    usual = float(np.median(novelty[later].sum(axis=1))) if any(later) else 0.0
    whole = novelty[first].sum(axis=1, keepdims=True)
    novelty[first] *= np.minimum(1, usual / np.maximum(whole, 1e-9))
    return novelty


def _light(index: int, candidates: Sequence[Candidate]) -> float:
    """Return the factor of a picture by its light: small if it is dark, or fading from black or to or from white."""
    item = candidates[index]
    if item.look.is_black:
        return _BLACK
    if item.look.brightness >= _MAY_RISE:
        return _BLACK if _is_pale(index, candidates) else 1.0
    for later in candidates[index + 1 :]:
        if later.time_seconds > item.time_seconds + _RISING_SECONDS:
            break
        if later.look.brightness > _BRIGHTER * item.look.brightness and is_light(item.look, later.look):
            return _BLACK
    return min(1.0, max(_BLACK, item.look.brightness / _DIM))


def _is_pale(index: int, candidates: Sequence[Candidate]) -> bool:
    """Return whether the picture is fading from or to white."""
    item = candidates[index]
    for others in (candidates[index + 1 :], reversed(candidates[:index])):
        for other in others:
            if abs(other.time_seconds - item.time_seconds) > _RISING_SECONDS:
                break
            if other.look.contrast > _PALER * item.look.contrast and is_light(item.look, other.look):
                return True
    return False


def _unlike(blocks: Blocks, worth: Cells, times: Values, longest: float) -> Values:
    """Return the share of each candidate's value (column) that an earlier candidate (row) does not show (n x n).

    Beyond `longest` seconds it is all of it: other frames come between.
    """
    num = len(times)
    weighted = blocks * (WEIGHTS / np.float32(_UNLIKE_LEVELS))[None, :, None]
    shares = np.ones((num, num))
    totals = worth.sum(axis=1, dtype=np.float64)
    for index in range(num - 1):
        stop = int(np.searchsorted(times, times[index] + longest, side="right"))
        if stop > index + 1:
            apart = weighted[index + 1 : stop] - weighted[index]
            unlike = np.clip(np.abs(apart, out=apart).sum(axis=1) - np.float32(_SAME), 0, 1)
            unlike[~np.logical_and.accumulate(unlike <= _STILL, axis=0)] = 1.0
            shares[index, index + 1 : stop] = np.einsum("kc,kc->k", worth[index + 1 : stop], unlike)
            shares[index, index + 1 : stop] /= totals[index + 1 : stop]
    return shares


def _repeats(candidates: Sequence[Candidate], times: Values, longest: float) -> Which:
    """Return which candidates look alike (n x n), up to `longest` seconds apart or with nothing else between them."""
    signatures = Signatures(np.stack([item.look.cells for item in candidates]))
    num = len(candidates)
    repeats = np.zeros((num, num), bool)
    for index in range(num):
        start, stop = index, max(index + 1, int(np.searchsorted(times, times[index] + longest, side="right")))
        while start < stop:
            repeats[index, signatures.near(index, np.arange(start, stop), ALIKE)[0]] = True
            is_still = repeats[index, index:stop].all()
            start, stop = stop, min(num, 2 * stop - index) if is_still else stop
    return np.asarray(repeats | repeats.T)


def _still_runs(repeats: Which) -> tuple[Places, Places]:
    """Return the half-open range of the run of candidates around each candidate that all look like it."""
    num = len(repeats)
    starts, stops = np.zeros(num, np.intp), np.zeros(num, np.intp)
    for index, alike in enumerate(repeats):
        unlike = np.flatnonzero(~alike)
        split = int(np.searchsorted(unlike, index))
        starts[index] = unlike[split - 1] + 1 if split else 0
        stops[index] = unlike[split] if split < len(unlike) else num
    return starts, stops


_MOST_CELLS = 32
"""Cells that are compared, by highest value: a caption has 20 to 40. With 48 or 96 the events seen differ by less than
0.01 (docs/benchmarks/keyframes.md, Events)."""
_MIN_NOVELTY = 1.0  # a smaller sum is noise
_NOISE, _OTHER = 1.0, 7.0
"""Two cells whose difference is below the first show the same; beyond the second they show something else. With 1.5 and
4.5 or 1 and 11 the events seen differ by less than 0.01."""
_THRESHOLDS = np.linspace(0.05, 0.95, 10)[:, None]
"""Differences (0 … 1) below which a picture counts as the same again."""
_FREE_VISITS = 8
"""Number of times that content may be there without being habit: inserts of one source come up to five times in five
minutes, what passes or trembles again and again far more often. 8 and 10 give the same, 4 and 6 less."""
_LESS = 0.002
"""Share by which content counts less for each of these times: of two candidates that are alike otherwise, the rarer is
chosen. 0 to 0.01; with 0.05 and more fewer inserts are seen at 8 frames."""


def uniqueness(cell_values: Cells, details: Details) -> NDArray[np.float64]:
    """Return for each candidate how far its new content is no habit of the video, 0 … 1.

    Args:
        cell_values: Value of each cell of each candidate in time order, n x cells.
        details: Details of the candidates.
    """
    shares = np.ones(len(cell_values))
    for index in np.flatnonzero(cell_values.sum(axis=1) >= _MIN_NOVELTY):
        cells = np.argpartition(cell_values[index], -_MOST_CELLS)[-_MOST_CELLS:]
        weights = cell_values[index, cells]
        other = np.clip((details.to_one(index, cells) - _NOISE) / (_OTHER - _NOISE), 0, 1)
        shares[index] = _rarity(visits(other @ (weights / weights.sum()))).mean()
    return shares


def _rarity(num_visits: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return how far content that is there so often is no habit, 0 … 1."""
    return np.asarray((num_visits <= _FREE_VISITS) / (1 + _LESS * (num_visits - 1)))


def visits(differences: NDArray[np.float32]) -> NDArray[np.intp]:
    """Count for each threshold how often a series of differences falls below it; its start counts too."""
    is_there = differences <= _THRESHOLDS
    return np.asarray(is_there[:, 0] + (is_there[:, 1:] & ~is_there[:, :-1]).sum(axis=1))


_CHANGED = 0.08  # least `distance` to the previous keyframe for the reason "change".


@dataclass(frozen=True)
class SelectedFrame:
    """Chosen candidate, with the reason of the choice and the number of its shot."""

    candidate: Candidate
    reason: Reason
    shot: int


def choose(
    candidates: Sequence[Candidate],
    shots: Sequence[Shot],
    budget: int,
    *,
    cell_values: Sequence[Cells] | None = None,
    unclear: Which | None = None,
    num_fixed: int = 0,
    continues: bool = False,
) -> list[SelectedFrame]:
    """Return at most `budget` frames in time order.

    There is at least one if there is a candidate, and two if there are two candidates and the budget allows.

    Args:
        candidates: Candidates in time order.
        shots: Shots in time order, at least one.
        budget: Most frames to choose, at least 1.
        cell_values: Value of each cell of each candidate, if known.
        unclear: Which candidates are blurred or mixed with another shot, if known.
        num_fixed: Number of first candidates that are chosen already and stay.
        continues: Whether the video continues after the candidates; then no frame is marked as the last, and a single
            frame may be enough.
    """
    if not candidates:
        return []
    fixed = list(range(num_fixed - 1))
    links = links_of(candidates, cell_values, shots, budget, num_fixed, unclear=unclear)
    picked = with_unseen_places(links, [*fixed, *best_sequence(links, budget - len(fixed))], num_fixed)
    if len(picked) == 1 and budget > 1 and len(candidates) > 1 and not continues:
        picked = [0, len(candidates) - 1]
    last = None if continues else candidates[-1]
    return _with_reasons([candidates[i] for i in picked], last, shots)


def _with_reasons(picked: Sequence[Candidate], last: Candidate | None, shots: Sequence[Shot]) -> list[SelectedFrame]:
    choices: list[SelectedFrame] = []
    for item in picked:
        before = choices[-1] if choices else None
        shot = shot_of(item.time_seconds, shots)
        reason = _reason(item, last, before if before and before.shot == shot else None, follows_cut=shot > 1)
        choices.append(SelectedFrame(item, reason, shot))
    return choices


def _reason(item: Candidate, last: Candidate | None, before: SelectedFrame | None, *, follows_cut: bool) -> Reason:
    if item.index == 0:
        return "first"
    if before is None and follows_cut:
        return "shot"
    if before is not None and distance(before.candidate.look, item.look) >= _CHANGED:
        return "change"
    return "last" if item is last else "even"
