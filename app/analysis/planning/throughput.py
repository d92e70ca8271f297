"""How fast an engine answers: from what its requests really took to the seconds of requests to come.

One request is taken to last `prefill * at_once * prompt tokens + decode * at_once ** 0.25 * completion tokens`: prompts
of requests at the same time queue for the processor, their answers grow side by side at nearly the speed of one. The
two rates are fitted to what was measured; with little to go by they are held near each other's usual proportion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import median

from app.core.domain import ChunkResult, VideoInfo
from app.store.timing_stats import Asked, Surveyed

_DECODE_CROWD = 0.25
_USUAL_PROPORTION = 8.0  # a token of an answer takes about so many times as long as one of a prompt
_TRUST_IN_IT = 0.05
_FADING = 0.9  # each run counts so much less than the one after it
_MANY_RUNS = 3
_LEAST_SPREAD, _SPREAD_OF_FEW = 0.25, 0.6
_WORDS_OF_A_PART, _WORDS_OF_A_FRAME, _WORDS_OF_A_JOIN = 60, 45, 250
"""Tokens of usual answers, before an engine has shown how much it says."""


@dataclass(frozen=True)
class Requests:
    """`number` requests to come, each of so many tokens, `at_once` of them at the same time. `frames` in each. What
    comes next begins after the share `waited_for` of an answer.
    """

    number: int
    frames: int
    prompt_tokens: int
    completion_tokens: int
    at_once: int
    waited_for: float = 1.0


@dataclass(frozen=True)
class Pace:
    """`prefill` and `decode` in seconds a token. `talk` is how much more it says than is usual. `spread` is how far off
    an estimate may be, as a share of it.
    """

    prefill: float
    decode: float
    talk: float
    spread: float

    def seconds(self, coming: Iterable[Requests]) -> tuple[float, float]:
        """From … to: how long all of these take, one kind after the other."""
        total = sum((ceil(one.number / one.at_once) * self._one(one) for one in coming), 0.0)
        return total / (1 + self.spread), total * (1 + self.spread)

    def _one(self, request: Requests) -> float:
        """How long one of them takes beside the others."""
        crowd = min(request.at_once, request.number)
        decode = self.decode * _slowed(crowd) * request.completion_tokens * request.waited_for
        return self.prefill * crowd * request.prompt_tokens + decode


def usual_answer(frames: int, pace: Pace | None, most: int) -> int:
    """How many tokens the answer about so many frames (0: a join) has, at most `most`."""
    words = _WORDS_OF_A_PART + _WORDS_OF_A_FRAME * frames if frames else _WORDS_OF_A_JOIN
    return min(most, round(words * (pace.talk if pace else 1.0)))


def pace_of(runs: Sequence[Sequence[Asked]]) -> Pace | None:
    """The pace that fits these runs, the latest last; None where there is none."""
    weighed = [
        (_FADING**age, one)
        for age, run in enumerate(reversed(runs))
        for one in run
        if one.requests and one.seconds > 0 and one.completion_tokens
    ]
    if not weighed:
        return None
    rows = [(sqrt(weight), *_shares(one)) for weight, one in weighed]
    prefill, decode = _fitted(rows)
    errors = [weight * (prefill * prompt + decode * answer - 1) ** 2 for weight, prompt, answer in rows]
    error = sqrt(sum(errors) / sum(weight for weight, _, _ in rows))
    usual = sum(_usual(one) for _, one in weighed)
    talk = sum(one.completion_tokens for _, one in weighed) / usual
    least = _LEAST_SPREAD if len(runs) >= _MANY_RUNS else _SPREAD_OF_FEW
    return Pace(prefill, decode, talk, max(least, min(2.0, error)))


def survey_rate(surveys: Sequence[Surveyed]) -> float | None:
    """Seconds for each second of a video and million pixels of its picture; None before anything was read."""
    rates = [
        one.seconds / (one.video_seconds * one.megapixels) for one in surveys if one.video_seconds * one.megapixels
    ]
    return median(rates) if rates else None


def facts_rate(surveys: Sequence[Surveyed]) -> float | None:
    """Seconds for what is measured on a frame; None before anything was."""
    rates = [one.facts_seconds / one.frames for one in surveys if one.frames]
    return median(rates) if rates else None


def megapixels(video: VideoInfo) -> float:
    """Million pixels of one picture."""
    return video.width * video.height / 1e6


def observed(results: Sequence[ChunkResult], in_flight: int) -> tuple[Asked, ...]:
    """What these answers of one run took, by kind: the first part, which is asked ahead, the others, and the joins.

    Answers that were recalled, or that the engine did not count, tell nothing.
    """
    told = [one for one in results if not one.recalled and one.usage.completion_tokens and one.seconds > 0]
    parts = sorted((one for one in told if one.number > 0), key=lambda one: one.number)
    kinds = (parts[:1], parts[1:], [one for one in told if one.number < 0], [one for one in told if one.number == 0])
    return tuple(_summed(kind, in_flight) for kind in kinds if kind)


def _summed(results: Sequence[ChunkResult], in_flight: int) -> Asked:
    return Asked(
        requests=sum(one.attempts for one in results),
        frames=sum(len(one.frames) * one.attempts for one in results if one.number > 0),
        prompt_tokens=sum(one.usage.prompt_tokens for one in results),
        completion_tokens=sum(one.usage.completion_tokens for one in results),
        at_once=max(1, min(in_flight, len(results))),
        seconds=round(sum(one.seconds for one in results), 3),
    )


def _usual(one: Asked) -> int:
    if not one.frames:
        return _WORDS_OF_A_JOIN * one.requests
    return _WORDS_OF_A_PART * one.requests + _WORDS_OF_A_FRAME * one.frames


def _shares(one: Asked) -> tuple[float, float]:
    """What the two rates are multiplied with, for each second that was measured: an error is a share of the time."""
    prompt = one.at_once * one.prompt_tokens / one.seconds
    return prompt, _slowed(one.at_once) * one.completion_tokens / one.seconds


def _slowed(at_once: int) -> float:
    """How many times as long an answer takes beside the others as alone."""
    return float(at_once**_DECODE_CROWD)


def _fitted(rows: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """The least squares of `prefill * prompt + decode * answer = 1` over rows of (weight, prompt, answer), neither
    below zero, with one more row that speaks for the usual proportion.
    """
    pull = _TRUST_IN_IT * sum(weight * answer for weight, _, answer in rows) / len(rows)
    rows = [*((weight * prompt, weight * answer, weight) for weight, prompt, answer in rows),
            (pull * _USUAL_PROPORTION, -pull, 0.0)]  # fmt: skip
    pp, pa, aa = (sum(row[i] * row[j] for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    pt, at = (sum(row[i] * row[2] for row in rows) for i in (0, 1))
    determinant = pp * aa - pa * pa
    prefill, decode = (pt * aa - at * pa) / determinant, (at * pp - pt * pa) / determinant
    if prefill < 0:
        return 0.0, at / aa
    return (pt / pp, 0.0) if decode < 0 else (prefill, decode)
