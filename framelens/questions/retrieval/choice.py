"""Choice among scored candidates: half of the frames where relevance peaks, half of them the keyframes between."""

from collections.abc import Collection, Sequence

from framelens.questions.retrieval.values import FrameCandidate

_PEAK = 0.5
"""Least relevance of a peak, as a share of the highest."""
_APART_SECONDS, _APART_SHARE = 2.0, 4
"""Least distance of two peaks in a shot, in seconds and as a part of the even distance of frames: without cuts a video
is a single shot."""


def choose(
    candidates: Sequence[FrameCandidate],
    relevance: Sequence[float],
    budget: int,
    *,
    held: Collection[int] = (),
    fills: bool = False,
) -> tuple[list[int], int]:
    """Choose at most `budget` candidates.

    Args:
        candidates: In time order for each video.
        relevance: Relevance of each, 0 or more.
        budget: Number of frames, those in `held` among them.
        held: Indices of candidates that the model has already; they are chosen again at no cost to relevance.
        fills: Take other candidates where the keyframes are too few.

    Returns:
        The chosen indices in order, and how many of them were chosen by relevance.
    """
    highest = max(relevance, default=0.0)
    times = [candidate.time_seconds for candidate in candidates]
    apart = max(_APART_SECONDS, (max(times, default=0.0) - min(times, default=0.0)) / (_APART_SHARE * max(1, budget)))
    ranked = sorted(range(len(candidates)), key=lambda index: -relevance[index])
    peaks: list[int] = []
    for index in ranked:
        if len(peaks) >= (budget + 1) // 2 or relevance[index] <= 0 or relevance[index] < _PEAK * highest:
            break
        if not any(_is_near(candidates[index], candidates[other], apart) for other in peaks):
            peaks.append(index)
    chosen = [*peaks, *(index for index in held if index not in peaks)]
    left = [index for index in range(len(candidates)) if index not in chosen]
    keyframes = [index for index in left if candidates[index].is_keyframe]
    others = [index for index in left if fills and not candidates[index].is_keyframe]
    for rest in (keyframes, others):
        while rest and len(chosen) < budget:
            farthest = max(rest, key=lambda index: _distance(candidates, index, chosen))
            rest.remove(farthest)
            chosen.append(farthest)
    return sorted(chosen), len(peaks)


def _is_near(candidate: FrameCandidate, other: FrameCandidate, apart: float) -> bool:
    is_same_shot = (candidate.analysis_id, candidate.shot) == (other.analysis_id, other.shot)
    return is_same_shot and abs(candidate.time_seconds - other.time_seconds) < apart


def _distance(candidates: Sequence[FrameCandidate], index: int, chosen: Sequence[int]) -> float:
    """Return the seconds to the nearest chosen frame of the same video; a video without a chosen frame comes first."""
    candidate = candidates[index]
    times = (candidates[at].time_seconds for at in chosen if candidates[at].analysis_id == candidate.analysis_id)
    return min((abs(time - candidate.time_seconds) for time in times), default=float("inf"))
