"""The search for moments over made-up videos whose truth is planted, and over real videos with a scripted voter."""

from __future__ import annotations

import random
import threading
from bisect import bisect_right
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import pytest

from framelens.core.codec import from_json, to_json
from framelens.core.errors import EngineBrokeOff, InputError
from framelens.core.evidence import Lookalike
from framelens.questions.conversation import AskSettings, Conversation, Evidence, MomentsSearched, Turn
from framelens.questions.moments.search import SearchLimits, search
from framelens.questions.moments.timeline import Moments
from framelens.questions.votes import Vote, VoteAsker
from framelens.video.stills import Still

WIDE = SearchLimits(rounds=100_000, frames=100_000, seconds=1e6)
Shown = Sequence[tuple[float, float]]


@dataclass
class Film:
    """A video without pictures: frames at their times, whose pictures are their numbers."""

    times: Sequence[float]
    unreadable: Shown = ()
    num_decoded: int = 0

    @classmethod
    def of(cls, seconds: float, *, rate: float = 30.0) -> Film:
        return cls([number / rate for number in range(int(seconds * rate))])

    def at(self, seconds: float, cancel: threading.Event) -> Still:
        if any(start <= seconds < end for start, end in self.unreadable):
            raise InputError("still_missing", name="film", time="0")
        self.num_decoded += 1
        index = max(0, bisect_right(self.times, seconds + 1e-9) - 1)
        return Still(self.times[index], str(index).encode(), index)

    def changed(self, jpeg: bytes, change: int) -> bytes:
        return jpeg + b"~%d" % change


@dataclass
class Truth(VoteAsker):
    """A voter that knows when the thing is shown, and errs on some frames; `asked` are the pictures it was shown.

    `taken` are parts with something else that it says yes to, with this probability; `others` are votes on other things
    by their parts, and `changed` votes on changed pictures, yes to all by default.
    """

    film: Film
    shown: Shown
    wrong: frozenset[int] = frozenset()
    likely: Shown = ()
    taken: Mapping[tuple[float, float], float] = field(default_factory=dict)
    changed: Mapping[tuple[float, float], float] = field(default_factory=dict)
    others: Mapping[str, Mapping[tuple[float, float], float]] = field(default_factory=dict)
    num_checks: int = 0
    controls: float = 0.0
    contrary: float = 0.0
    asked: list[int] = field(default_factory=list)
    fails_after: int | None = None

    def ask(
        self, thing: str, jpegs: Sequence[bytes], *, seconds: float, cancel: threading.Event | None = None,
        absent: bool = False,
    ) -> Generator[Vote, None, None]:  # fmt: skip
        for place, jpeg in enumerate(jpegs):
            number, is_changed, _ = jpeg.partition(b"~")
            if not number.isdigit():
                yield Vote(place, self.controls)
                continue
            if self.fails_after is not None and len(self.asked) >= self.fails_after:
                raise EngineBrokeOff("engine_unreachable", base_url="", reason="")
            index = int(number)
            if absent:
                yield Vote(place, self.contrary)
                continue
            if is_changed:
                yield Vote(place, self._vote(self.changed, index) if self.changed else 0.9)
                continue
            if thing in self.others:
                self.num_checks += 1
                yield Vote(place, self._vote(self.others[thing], index))
                continue
            assert index not in self.asked, "a frame is asked about once"
            self.asked.append(index)
            is_shown = self._is_in(self.shown, index) != (index in self.wrong)
            vote = 0.9 if is_shown else 0.2 if self._is_in(self.likely, index) else self._vote(self.taken, index)
            yield Vote(place, vote)

    def _vote(self, parts: Mapping[tuple[float, float], float], index: int) -> float:
        return next((vote for part, vote in parts.items() if self._is_in([part], index)), 0.01)

    def _is_in(self, parts: Shown, index: int) -> bool:
        return any(start <= self.film.times[index] < end for start, end in parts)


def frames_of(film: Film, shown: Shown) -> list[tuple[int, int]]:
    """The first and last frame of each part."""
    indexes = [[n for n, time in enumerate(film.times) if start <= time < end] for start, end in shown]
    return [(one[0], one[-1]) for one in indexes]


def start(film: Film, *, range_seconds: tuple[float, float] | None = None) -> Moments:
    first, last = range_seconds or (0.0, film.times[-1] + film.times[-1] - film.times[-2])
    return Moments("analysis", "a red card", first, last)


def found_in(
    film: Film, voter: Truth, *, limits: SearchLimits = WIDE, candidates: Sequence[float] = (), **options: object
) -> Moments:
    begun = start(film, **options)  # type: ignore[arg-type]
    named, cancel = partial(tuple, voter.others), threading.Event()
    rounds = list(search(begun, film, voter, candidates=candidates, lookalikes=named, limits=limits, cancel=cancel))
    assert all(one.ended == "" for one in rounds[:-1]) and rounds[-1].ended
    return rounds[-1]


def borders(found: Moments) -> list[tuple[int, int]]:
    return [(interval.first.frame_index, interval.last.frame_index) for interval in found.intervals]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_all_intervals_are_found_to_the_frame(seed: int) -> None:
    chance = random.Random(seed)
    film = Film.of(chance.uniform(60, 900), rate=chance.choice([10, 25, 29.97, 60]))
    shown, at = [], chance.uniform(0, 40)
    while at < film.times[-1] - 6:
        shown.append((at, at + chance.uniform(0.5, 5)))
        at = shown[-1][1] + chance.uniform(1.0, 90)
    voter = Truth(film, shown)
    found = found_in(film, voter)
    assert borders(found) == frames_of(film, shown)
    assert found.ended == "complete" and all(interval.issues == () for interval in found.intervals)
    assert found.widest_gap_seconds <= 0.45 + 1e-6 and len(found.samples) == len(voter.asked)
    for one, (first, last) in zip(found.intervals, frames_of(film, shown), strict=True):
        assert one.first.time_seconds == film.times[first] and one.end_seconds == film.times[last + 1]
        assert one.before and one.before.frame_index == first - 1 and one.yes >= 2 and one.contrary == 0.0


def test_one_border_takes_few_reads() -> None:
    film = Film.of(310, rate=30)  # the first round leaves gaps of 10 s
    voter = Truth(film, [(200.0, 400.0)])
    for found in search(start(film), film, voter, limits=WIDE, cancel=threading.Event()):
        if found.intervals and not found.intervals[0].issues and found.intervals[0].contrary is not None:
            break
    assert borders(found) == [(6000, 9299)]
    assert len(voter.asked) <= 32 + 8 + 9 + 2  # even, densely, between no and yes, beside the border


@pytest.mark.parametrize("seed", range(6))
def test_single_mistakes_neither_invent_nor_split(seed: int) -> None:
    chance = random.Random(seed)
    film = Film.of(240, rate=25)
    shown = [(20.0, 24.0), (100.0, 100.8), (180.0, 200.0)]
    wrong = frozenset(chance.sample(range(0, len(film.times), 2), 120))  # 2 %, never two neighbours
    found = found_in(film, Truth(film, shown, wrong=wrong))
    assert len(found.intervals) == 3
    for one, (first, last) in zip(borders(found), frames_of(film, shown), strict=True):
        assert abs(one[0] - first) <= 5 and abs(one[1] - last) <= 5


def test_mistake_on_the_way_to_a_border_is_noticed() -> None:
    film = Film.of(60, rate=30)
    voter = Truth(film, [(20.0, 40.0)])
    found_in(film, voter)
    (middle,) = [index for index in voter.asked[18:] if 604 <= index < 660][:1]  # inside, and first to narrow it down
    found = found_in(film, Truth(film, [(20.0, 40.0)], wrong=frozenset([middle])))
    assert borders(found) == [(600, 1199)]
    assert found.intervals[0].issues == ("flicker",) and found.intervals[0].no == 1


def test_moments_may_be_one_frame_or_all_of_it() -> None:
    # One frame alone is no moment.
    film = Film.of(30, rate=30)
    found = found_in(film, Truth(film, [], wrong=frozenset([0, 435, 899])), candidates=[14.5])
    assert found.intervals == () and found.ended == "complete"
    # Slide that is one long frame is a moment.
    film = Film([0.0, 7.0, 11.0, 30.0, 31.0])
    found = found_in(film, Truth(film, [(7.0, 11.0)]))
    assert borders(found) == [(1, 1)] and found.intervals[0].end_seconds == 11.0 and found.intervals[0].issues == ()
    # Visible from start to end.
    film = Film.of(120, rate=25)
    found = found_in(film, Truth(film, [(0.0, 200.0)]))
    (one,) = found.intervals
    assert borders(found) == [(0, 2999)] and one.before is None and one.after is None and one.issues == ()
    # Range is not left.
    film = Film.of(120, rate=25)
    voter = Truth(film, [(10.0, 50.0), (70.0, 80.0)])
    found = found_in(film, voter, range_seconds=(40.0, 60.0))
    assert borders(found) == [(1000, 1249)] and min(voter.asked) >= 1000 and max(voter.asked) < 1500


def test_model_that_always_says_yes_finds_nothing() -> None:
    film = Film.of(120, rate=25)
    voter = Truth(film, [(0.0, 200.0)], controls=0.9)
    found = found_in(film, voter)
    assert found.ended == "says_yes" and found.intervals == () and found.controls == (0.9, 0.9)
    assert len(voter.asked) == 18  # it is noticed after the first round


def test_orange_card_is_not_taken_for_a_red_one() -> None:
    film, red, orange = Film.of(120, rate=25), (20.0, 24.0), (60.0, 64.0)
    others = {"an orange card": {orange: 0.98, red: 0.3}, "a purple card": {red: 0.1}}
    found = found_in(film, Truth(film, [red], taken={orange: 0.8}, others=others))
    assert borders(found) == [(500, 599)] and found.intervals[0].issues == ()
    (doubted,) = found.doubted
    assert borders(replace(found, intervals=found.doubted)) == [(1500, 1599)]
    assert doubted.lookalike == Lookalike("an orange card", 0.98) and doubted.issues == ("lookalike",)
    assert found.ended == "complete"


def test_doubtful_votes_make_a_moment_uncertain() -> None:
    # Votes without probabilities are uncertain.
    film, orange = Film.of(60, rate=25), (30.0, 34.0)
    found = found_in(film, Truth(film, [], taken={orange: 1.0}, others={"an orange card": {orange: 1.0}}))
    assert borders(found) == [(750, 849)] and found.intervals[0].issues == ("lookalike",)
    # Model that says yes to all there is uncertain.
    film, shown = Film.of(60, rate=25), (20.0, 40.0)
    others = {thing: {shown: 0.92} for thing in ("an orange card", "a red van")}
    (one,) = found_in(film, Truth(film, [shown], contrary=0.7, others=others)).intervals
    assert one.issues == ("contrary", "lookalike")
    # Yes to the contrary question is uncertain.
    film = Film.of(60, rate=25)
    (one,) = found_in(film, Truth(film, [(20.0, 40.0)], contrary=0.8)).intervals
    assert one.contrary == 0.8 and one.issues == ("contrary",)
    found = found_in(film, Truth(film, [(20.0, 40.0)], contrary=0.95))  # surer than the yes
    assert found.intervals == () and borders(replace(found, intervals=found.doubted)) == [(500, 999)]


def test_slips_of_a_voter_are_noticed_or_doubted() -> None:
    # Lookalike that is there anyway is no doubt.
    film, shown = Film.of(120, rate=25), (40.0, 60.0)
    voter = Truth(film, [shown], others={"a red van": {(0.0, 200.0): 0.99}})
    (one,) = found_in(film, voter).intervals
    assert one.issues == () and one.lookalike is None
    assert voter.num_checks <= 3 + 2 * 2  # three frames inside, one on either side, and again once a frame is nearer
    # Yes that a slight change turns is not counted.
    film, shown, invented = Film.of(120, rate=25), (20.0, 24.0), (60.0, 60.5)
    voter = Truth(film, [shown], taken={invented: 0.98}, changed={shown: 0.9, invented: 0.01})
    found = found_in(film, voter)
    assert borders(found) == [(500, 599)] and found.intervals[0].changed == 0.9 and found.intervals[0].issues == ()
    assert borders(replace(found, intervals=found.doubted)) == [(1500, 1512)] and found.doubted[0].changed == 0.01


@pytest.mark.slow
def test_lookalike_is_asked_about_in_few_frames() -> None:
    film, shown = Film.of(600, rate=25), [(at, at + 2.0) for at in range(10, 600, 20)]
    voter = Truth(film, shown, others={"an orange card": {}, "a purple card": {}})
    assert len(found_in(film, voter).intervals) == 30
    assert voter.num_checks <= 2 * 3 * 30


def test_lookalikes_are_named_once_and_only_if_needed() -> None:
    film, named = Film.of(60, rate=25), list[int]()

    def name() -> tuple[str, ...]:
        named.append(len(voter.asked))
        return ("an orange card",)

    for shown, times in (((), 0), ([(20.0, 24.0), (40.0, 41.0)], 1)):
        voter = Truth(film, shown, others={"an orange card": {}})
        *_, found = search(start(film), film, voter, lookalikes=name, limits=WIDE, cancel=threading.Event())
        assert len(named) == times and found.ended == "complete"
    assert from_json(to_json(found), Moments) == found
    *_, again = search(found, film, voter, lookalikes=name, limits=WIDE, cancel=threading.Event())
    assert len(named) == 1 and again.intervals == found.intervals


def test_candidates_and_rejected_frames_are_looked_at() -> None:
    # Best rejected frames are looked at densely.
    film = Film.of(3600, rate=25)
    voter = Truth(film, [(1000.5, 1001.1)], likely=[(960.0, 1040.0)])
    found = found_in(film, voter, limits=SearchLimits(frames=400))
    near = [sample.time_seconds for sample in found.samples if 960 <= sample.time_seconds <= 1040]
    assert len(near) >= 5 * 9 * 80 / 3600 * 400 / 9 and min(two - one for one, two in pairwise(near)) <= 0.25
    # Candidates are looked at before the gaps.
    film = Film.of(3600, rate=25)
    found = found_in(film, Truth(film, [(1000.2, 1000.7)]), candidates=[1000.4], limits=SearchLimits(frames=60))
    assert borders(found) == frames_of(film, [(1000.2, 1000.7)])


def test_nothing_found_says_what_could_hide() -> None:
    film = Film.of(3600, rate=25)
    found = found_in(film, Truth(film, []), limits=SearchLimits(frames=100))
    assert found.intervals == () and found.ended == "frames" and len(found.samples) == 100
    assert 25 < found.widest_gap_seconds < 120
    assert found_in(film, Truth(film, []), limits=SearchLimits(rounds=3)).rounds == 3


@pytest.mark.slow
def test_interrupted_search_continues_where_it_was() -> None:
    film = Film.of(300, rate=25)
    shown = [(20.0, 24.0), (100.0, 100.8), (250.0, 300.0)]
    whole = found_in(film, Truth(film, shown))
    chance = random.Random(1)
    found, voter, steps = start(film), Truth(film, shown), 0
    while not found.ended:
        voter.fails_after = len(voter.asked) + chance.randrange(1, 90)  # no frame is asked about twice, also not later
        rounds = search(found, film, voter, limits=WIDE, cancel=threading.Event())
        try:
            for one in rounds:
                found = one
        except EngineBrokeOff:
            steps += 1
    assert steps > 3 and found.ended == "complete"
    assert borders(found) == borders(whole) and len(found.samples) == pytest.approx(len(whole.samples), rel=0.1)


def test_ceiling_counts_again_when_it_is_continued() -> None:
    film, limits = Film.of(300, rate=25), SearchLimits(frames=50)
    voter = Truth(film, [(20.0, 24.0)])
    first = found_in(film, voter, limits=limits)
    *_, second = search(first, film, voter, limits=limits, cancel=threading.Event())
    assert (len(first.samples), len(second.samples)) == (50, 100)
    assert second.widest_gap_seconds < first.widest_gap_seconds and second.seconds >= first.seconds


def test_unreadable_part_is_left_out_and_counts_as_gap() -> None:
    film = Film.of(60, rate=25)
    film.unreadable = [(30.0, 34.0)]
    found = found_in(film, Truth(film, [(20.0, 32.0), (50.0, 51.0)]))
    assert [interval.issues for interval in found.intervals] == [("borders",), ()]
    assert 3.5 < found.widest_gap_seconds < 8 and 0 < len(found.unreadable) < 12
    film.unreadable = [(0.0, 60.0)]
    with pytest.raises(InputError):
        list(search(start(film), film, Truth(film, []), cancel=threading.Event()))


def test_stored_search_is_read_again() -> None:
    film = Film.of(60, rate=25)
    found = found_in(film, Truth(film, [(20.0, 40.0)], contrary=0.8))
    asked = Conversation.begun_about(["analysis"], "en").with_question("When?", AskSettings())
    turn = asked.last.apply(MomentsSearched(start(film))).apply(MomentsSearched(found))
    assert turn.evidence == Evidence((found,)) and from_json(to_json(turn), Turn) == turn
    again = asked.with_turn(turn).with_question("When?", AskSettings(seed=1), edit=1)
    assert again.last.evidence == turn.evidence
    assert asked.with_turn(turn).with_question("When else?", AskSettings(), edit=1).last.evidence is None
