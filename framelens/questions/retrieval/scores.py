"""Scores of candidates: words of the video's texts, similarity of embeddings, and the model's own votes.

Each score is used only where it separates candidates: its best value must exceed its median by more than noise does.
So a model that says yes to everything changes nothing. The scores that are used are scaled from 0 (median) to 1 (best)
and added.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from framelens.core.domain import Analysis, times_of
from framelens.i18n.formatting import attributed
from framelens.questions.retrieval.values import FrameCandidate, Quote, ScoreName
from framelens.store.tokenizer import words_of

_LEAST_RISE: Mapping[ScoreName, float] = {"text": 0.2, "embeddings": 0.02, "votes": 0.2}
"""Least difference between the best score and the median. Cosines of picture and text differ by hundredths only."""
_NEAR_CUE_SECONDS = 1.0
"""A frame so close to a cue shows what is spoken of."""
_MOST_QUOTES, _LONGEST_QUOTE = 6, 300
"""Passages that are quoted with a question, and characters of each."""
_COMMON = frozenset(
    words_of(
        "a an and any are as at be been but by can could did do does for from had has have he her his how i if in into"
        " is it its many me much not of off on or out over she so some than that the their them then there these they"
        " this those to under up video was were what when where which while who why will with you show shown see seen"
        " appear appears time times often first last"
        " 的了在是有和就不人都一这那我你他她它们什么吗呢个几次时候哪谁出现里中"
    )
)


@dataclass(frozen=True)
class TimedText:
    """A text of a video with the time at which it is heard, or the time of the frame that it belongs to."""

    analysis_id: str
    start_seconds: float
    end_seconds: float
    text: str


def passages_of(analysis_id: str, analysis: Analysis) -> Iterator[TimedText]:
    """Yield the cues of the transcript, the writing on keyframes, and the findings at the frames that they cite."""
    times = times_of(analysis.keyframes)
    for cue in attributed(analysis.transcript, only_named=True):
        yield TimedText(
            analysis_id, cue.start_seconds - _NEAR_CUE_SECONDS, cue.end_seconds + _NEAR_CUE_SECONDS, cue.text
        )
    for facts in analysis.facts:
        if facts.texts and facts.number in times:
            text = " ".join(line.text for line in facts.texts)
            yield TimedText(analysis_id, times[facts.number], times[facts.number], text)
    for finding in (*analysis.findings, *analysis.reply):
        for number in finding.frames:
            if number in times:
                text = " ".join((finding.text, *finding.fields.values()))
                yield TimedText(analysis_id, times[number], times[number], text)


def matches(passages: Iterable[TimedText], queries: Sequence[str]) -> list[tuple[TimedText, float]]:
    """Return the passages that contain wanted words, with the share of these words, weighted by rarity.

    Args:
        passages: Texts of the videos.
        queries: The question, and what it looks for.
    """
    passage_terms = [(passage, _terms(passage.text)) for passage in passages]
    terms = set().union(*map(_terms, queries)) if queries else set()
    counts = Counter(term for _, held in passage_terms for term in held & terms)
    weights = {term: math.log(1 + len(passage_terms) / counts[term]) for term in counts}
    whole = sum(weights.values())
    return [
        (passage, sum(weights[term] for term in held & terms) / whole)
        for passage, held in passage_terms
        if held & terms
    ]


def text_scores(candidates: Sequence[FrameCandidate], matched: Iterable[tuple[TimedText, float]]) -> list[float]:
    """Return for each candidate the score of the best of these passages at its time."""
    scores = [0.0] * len(candidates)
    for passage, score in matched:
        for index in _candidates_at(candidates, passage):
            scores[index] = max(scores[index], score)
    return scores


def quotes_of(matched: Sequence[tuple[TimedText, float]]) -> tuple[Quote, ...]:
    """Return the passages that match best, in time order, each text once."""
    highest = max((score for _, score in matched), default=0.0)
    best = sorted((match for match in matched if match[1] >= highest / 2), key=lambda match: -match[1])
    quotes: dict[str, Quote] = {}
    for passage, _ in best:
        if len(quotes) < _MOST_QUOTES:
            seconds = (passage.start_seconds + passage.end_seconds) / 2
            quotes.setdefault(passage.text, Quote(passage.analysis_id, seconds, passage.text[:_LONGEST_QUOTE]))
    return tuple(sorted(quotes.values(), key=lambda quote: (quote.analysis_id, quote.seconds)))


def _candidates_at(candidates: Sequence[FrameCandidate], passage: TimedText) -> list[int]:
    """Return the candidates in a passage's time, else the nearest candidate."""
    own = [index for index, candidate in enumerate(candidates) if candidate.analysis_id == passage.analysis_id]
    inside = [p for p in own if passage.start_seconds <= candidates[p].time_seconds <= passage.end_seconds]
    middle = (passage.start_seconds + passage.end_seconds) / 2
    return inside or sorted(own, key=lambda index: abs(candidates[index].time_seconds - middle))[:1]


def _terms(text: str) -> set[str]:
    """Return the words of a text without common words and endings, and pairs of neighbouring Chinese characters."""
    words = words_of(text)
    plain = {word.rstrip("s") if len(word) > 3 else word for word in words if word not in _COMMON and not _is_han(word)}
    pairs = {a + b for a, b in pairwise(words) if _is_han(a) and _is_han(b) and not {a, b} & _COMMON}
    return plain | pairs


def _is_han(word: str) -> bool:
    return len(word) == 1 and word > "\u2e80"


def cosines(query: Sequence[float], vectors: Sequence[Sequence[float]]) -> list[float]:
    """Return the cosine between `query` and each of `vectors`."""
    query_vector, matrix = np.asarray(query, np.float32), np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(matrix, axis=1) * float(np.linalg.norm(query_vector))
    return [float(value) for value in matrix @ query_vector / np.maximum(lengths, 1e-9)]


def combined(
    scores: Mapping[ScoreName, Sequence[float | None]], count: int
) -> tuple[list[float], tuple[ScoreName, ...]]:
    """Return the relevance of each of `count` candidates, and the scores that it is the sum of.

    A candidate without a score counts like the median.
    """
    sums, used = [0.0] * count, []
    for name, values in scores.items():
        present = [value for value in values if value is not None]
        usual = median(present) if present else 0.0
        rise = max(present, default=0.0) - usual
        if rise <= _LEAST_RISE[name]:
            continue
        used.append(name)
        for index, value in enumerate(values):
            sums[index] += max(0.0, (usual if value is None else value) - usual) / rise
    return sums, tuple(used)


def spread_order(count: int) -> list[int]:
    """Return the indices 0 … count - 1 so that any first part of them is spread over all (van der Corput)."""
    digits = max(1, (count - 1).bit_length())
    return sorted(range(count), key=lambda index: int(f"{index:0{digits}b}"[::-1], 2))
