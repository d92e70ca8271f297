"""The plan before a start says what the run will do, and no more than is known."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from framelens.analysis.planning.estimate import Estimate, Planner, details, headline
from framelens.analysis.planning.frame_budget import RequestCapacity
from framelens.analysis.planning.plan import TokenCostMeter, base_layout, group_parts, lay_out
from framelens.analysis.prompts.prompts import usual_prompt
from framelens.analysis.prompts.templates import built_in
from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core.domain import MOST_FRAMES, AnalysisRequest, Keyframe, Language, Selection, VideoInfo
from framelens.i18n import LANGUAGES, in_language
from framelens.i18n.formatting import span
from framelens.llm.text_fallback import VisionProbe
from framelens.llm.token_count import TokenCount
from framelens.questions.request_answer import plan_answer
from framelens.store.model_records import KnownTimings

pytestmark = pytest.mark.usefixtures("english")

TEMPLATE = built_in()["describe"]
SEEN = KnownTimings(frames=(0.6, 0.9, 5.0), texts=(6.0,), readings=(0.1,), in_flight=4, max_model_len=8192)


def video(seconds: float | None = 600.0, *, width: int = 1280, height: int = 720) -> VideoInfo:
    frames = int(seconds * 25) if seconds else None
    return VideoInfo(
        Path("/v/a.mp4"), "a.mp4", 9, "mp4", "h264", "yuv420p", width, height, 0, seconds, 25.0, frames, 0.0, False
    )


def request(frames: int = 8, **changes: object) -> AnalysisRequest:
    return replace(AnalysisRequest(Path("/v/a.mp4"), frames), **changes)  # type: ignore[arg-type]


def planner(known: KnownTimings = SEEN, context: int | None = 8192, **changes: object) -> Planner:
    made = Planner(lambda *_: None, RequestCapacity(context, 1024), None, lambda: known, lambda *_: None)
    return replace(made, **changes)  # type: ignore[arg-type]


def reported(frames: int = 8, known: KnownTimings = SEEN, **changes: object) -> Estimate:
    return planner(known)(video(), request(frames, **changes), TEMPLATE)


class Engine:
    """The parts of a Speaker that a layout needs: it counts `cost` tokens for each picture."""

    messages = EngineConnection.messages
    sends_video = False
    max_model_len: int | None = 8192
    answer_tokens = 1024
    side: int | None = None

    def __init__(self, cost: int = 150, *, sees: bool | None = True) -> None:
        self.cost, self.asked, self.chat = cost, 0, object()
        self.sight = VisionProbe(sees)

    def count(self, messages: list[object]) -> TokenCount | None:
        self.asked += 1
        content = messages[-1].content  # type: ignore[attr-defined]
        return TokenCount(700 + self.cost * sum(part["type"] == "image_url" for part in content), 8192)

    def in_flight(self, tokens: int) -> int:
        return max(1, 32768 // tokens)


def test_parts_follow_from_the_number_of_frames() -> None:
    # Frames that fit are one request.
    forecast = reported(8)
    assert (forecast.frames, forecast.parts) == (8, 1)
    # Many frames are several parts.
    forecast = reported(200)
    assert forecast.parts > 1
    assert forecast.in_flight == 4
    # More frames take longer.
    few, many = reported(20), reported(200)
    assert few.seconds and many.seconds and few.seconds[0] < many.seconds[0]
    assert few.seconds[0] < few.seconds[1]


def test_nothing_is_told_before_the_first_run() -> None:
    # An engine that has answered nothing has no time.
    forecast = reported(known=KnownTimings())
    assert (forecast.seconds, forecast.reading_seconds, forecast.in_flight) == (None, None, None)
    assert not forecast.is_exact
    # Without a model there is nothing to ask.
    forecast = reported(use_model=False)
    assert (forecast.parts, forecast.seconds) == (0, None)
    # A length that no one knows is not made up.
    forecast = planner()(video(None), request(), TEMPLATE)
    assert forecast.reading_seconds is None and forecast.frames == 8


def test_time_is_of_the_last_runs_and_the_length_read() -> None:
    # Time is the median of the last runs.
    one_part = reported(8).seconds
    assert one_part == pytest.approx((8 * 0.9 / 1.4, 8 * 0.9 * 1.4))
    # Reading grows with the length of what is read.
    whole = reported().reading_seconds
    half = reported(selection=Selection(end_seconds=300.0)).reading_seconds
    assert whole == pytest.approx(600 * 1280 * 720 / 1e6 * 0.1)
    assert whole and half == pytest.approx(whole / 2)
    # Estimate includes the time to read the video.
    assert replace(reported(), seconds=(10.0, 20.0), reading_seconds=5.0).whole_seconds == (15.0, 25.0)


def test_frames_that_are_known_from_before_cost_no_time() -> None:
    again = planner(num_cached=lambda *_: 3)(video(), request(), TEMPLATE)
    assert (again.frames, again.is_budget, again.reading_seconds) == (3, True, 0.0)
    assert headline(again).startswith("3 frames · ")
    assert again.whole_seconds == again.seconds
    assert "already known" in " ".join(details(again))


def test_without_a_model_the_reading_is_all_that_takes_time() -> None:
    alone = reported(use_model=False)
    assert alone.whole_seconds == (alone.reading_seconds,) * 2
    assert "no model · about" in headline(alone)
    assert planner(KnownTimings())(video(), request(use_model=False), TEMPLATE).whole_seconds is None


@pytest.mark.parametrize(
    ("selection", "frames"),
    [
        (Selection("every", 60.0), 11),
        (Selection("every", 1.0), 64),
        (Selection("every", 60.0, (), 60.0, 180.0), 3),
        (Selection("times", None, (1.0, 2.0, 3.0)), 3),
        (Selection("scenes"), 64),
    ],
)
def test_other_ways_of_choosing_take_at_most_what_there_is(selection: Selection, frames: int) -> None:
    forecast = reported(64, selection=selection)
    assert forecast.frames == frames and not forecast.is_budget


def test_sizes_and_contexts_fill_requests() -> None:
    # A larger size fills requests sooner.
    assert reported(64, side=896).parts > reported(64, side=448).parts
    assert reported(64, side=896).side == 896
    # Engine context is remembered without a setting.
    small = planner(replace(SEEN, max_model_len=2048), context=None)(video(), request(), TEMPLATE)
    large = planner(replace(SEEN, max_model_len=32768), context=None)(video(), request(), TEMPLATE)
    assert small.held_frames < large.held_frames


@pytest.mark.parametrize("side", [None, 448, 896])
@pytest.mark.parametrize("context", [2048, 8192, 131072])
def test_one_frame_over_capacity_needs_a_second_request(side: int | None, context: int) -> None:
    plan = planner(context=context)
    held = plan.held_frames(video(60.0), request(side=side), TEMPLATE)
    assert 1 <= held <= MOST_FRAMES
    assert plan(video(60.0), request(held, side=side), TEMPLATE).parts == 1
    if held < MOST_FRAMES:
        assert plan(video(60.0), request(held + 1, side=side), TEMPLATE).parts == 2


# ---- with a question

WHEN = "When does a man fall?"
LOOKED = replace(SEEN, looks=(0.2, 0.18, 0.6))


def asked(question: str, known: KnownTimings = SEEN, *, frames: int = 8, seconds: float = 600.0) -> Estimate:
    return planner(known, policy=plan_answer)(video(seconds), request(frames, question=question), TEMPLATE)


def test_a_search_takes_the_measured_time_of_each_picture() -> None:
    estimate, described = asked(WHEN, LOOKED, seconds=180.0), asked("", LOOKED, seconds=180.0)
    assert (estimate.looks, estimate.is_searched) == ((401, 702), True) and described.looks == (0, 0)
    low, high = (end - alone for end, alone in zip(estimate.seconds or (), described.seconds or (), strict=True))
    assert 401 * 0.2 / 1.4 < low < 401 * 0.2 / 1.4 + 5  # the model is asked first what to look for
    assert 702 * 0.2 * 1.4 < high < 702 * 0.2 * 1.4 + 10
    words = " ".join(details(estimate))
    assert "401 to 702 small pictures" in words


def test_a_search_is_timed_within_its_ceiling() -> None:
    assert asked(WHEN).seconds is None and asked("").seconds  # time of a search is unknown before the first
    # A search ends at its ceiling of time.
    slow = replace(SEEN, looks=(10.0,))
    estimate, described = asked(WHEN, slow), asked("", slow)
    assert estimate.seconds and described.seconds
    assert 600 < estimate.seconds[1] - described.seconds[1] < 610
    # Words that leave no doubt make a search sure.
    searched, exists = asked("When does a red card appear?", LOOKED), asked("Is there a red card?", LOOKED)
    assert exists.is_searched and exists.seconds == searched.seconds


def test_a_question_that_the_model_may_search_for_is_a_range() -> None:
    searched, maybe, by_frames = (
        asked(question, LOOKED).seconds for question in (WHEN, "¿Cuándo aparece?", "Who is he?")
    )
    assert searched and maybe and by_frames
    assert maybe[0] == pytest.approx(by_frames[0], rel=0.01) and maybe[1] == pytest.approx(searched[1], rel=0.01)


def test_any_question_takes_longer_than_a_description() -> None:
    described = asked("")
    for question in ("Summarise the video", "Who is the man?", "What does she say about taxes?", WHEN):
        estimate = asked(question, LOOKED)
        assert estimate.seconds and described.seconds and estimate.seconds[0] > described.seconds[0] + 1


def test_a_named_range_costs_as_many_frames_as_it_holds() -> None:
    whole, named = (asked(f"What does the man hold{words}?", LOOKED, frames=40) for words in ("", " at 0:15"))
    assert (whole.looks[0], named.looks) == (40, (0, 0))
    assert whole.seconds and named.seconds and named.seconds[1] < whole.seconds[1]
    shorter = asked("What does the man hold in the last 2 seconds?", LOOKED, frames=40)
    assert shorter.seconds and shorter.seconds[1] < named.seconds[1]
    later = replace(request(40, question="最后2秒有几个人"), selection=Selection(start_seconds=100.0))
    assert planner(LOOKED, policy=plan_answer)(video(600.0), later, TEMPLATE).looks == (0, 0)


def test_question_is_not_answered_without_a_model_or_a_policy() -> None:
    alone = planner(policy=plan_answer)(video(), request(question=WHEN, use_model=False), TEMPLATE)
    assert alone.looks == (0, 0) and alone.seconds is None
    assert reported(question=WHEN).looks == (0, 0)


# ---- with an engine that is ready


def measuring(engine: Engine | None) -> Callable[..., object]:
    return TokenCostMeter(SimpleNamespace(current=lambda: engine))  # type: ignore[arg-type]


@pytest.mark.parametrize("frames", [1, 8, 40, 100, 256])
@pytest.mark.parametrize("cost", [60, 150, 900])
@pytest.mark.parametrize("sees", [True, False])
def test_plan_and_run_are_laid_out_alike(frames: int, cost: int, sees: bool) -> None:
    engine, asked = Engine(cost, sees=sees), request(frames)
    run = base_layout(engine, asked, video(100.0), usual_prompt(asked, TEMPLATE))  # type: ignore[arg-type]
    chosen = [Keyframe(n, n, float(n), "even", 1, 1280, 720, b"") for n in range(1, frames + 1)]
    forecast = planner(measure=measuring(engine))(video(100.0), asked, TEMPLATE)
    assert forecast.parts == len(lay_out(run, chosen).parts)
    assert (forecast.side, forecast.in_flight, forecast.is_exact) == (run.side, run.in_flight, sees)


def test_what_the_engine_counted_is_not_counted_again() -> None:
    engine = Engine()
    plan = planner(measure=measuring(engine), side=448)
    engine.side = 448
    for frames in (8, 16, 32):
        plan(video(), request(frames), TEMPLATE)
    assert engine.asked == 2
    plan(video(width=640), request(), TEMPLATE)
    assert engine.asked == 4


def test_another_engine_is_asked_again() -> None:
    engines = [Engine(100), Engine(300)]
    plan = planner(measure=TokenCostMeter(SimpleNamespace(current=lambda: engines[0])))  # type: ignore[arg-type]
    before = plan(video(), request(), TEMPLATE)
    engines.pop(0)
    assert plan(video(), request(), TEMPLATE).held_frames < before.held_frames


def test_several_pages_may_ask_at_once() -> None:
    engine = Engine()
    plan = planner(measure=measuring(engine))
    estimates: list[Estimate] = []
    threads = [threading.Thread(target=lambda: estimates.append(plan(video(), request(), TEMPLATE))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(estimates) == 6 and len(set(estimates)) == 1
    assert engine.asked <= 4  # two for the frames that were asked for, two for as many as fit


# ---- joins


def test_reduce_merges_neighbours_and_shrinks_each_round() -> None:
    assert group_parts([10, 10, 10], 100) == [range(3)]
    assert group_parts([10] * 7, 25) == [range(0, 2), range(2, 4), range(4, 6), range(6, 7)]
    assert group_parts([99, 99, 99], 1) == [range(0, 2), range(2, 3)]


# ---- in words


def test_the_plan_reads_as_people_say_it() -> None:
    line = headline(replace(reported(32), parts=4, in_flight=4, seconds=(50.0, 110.0), reading_seconds=14.0))
    assert line == "32 frames · 4 parts, 4 at a time · 1–2 min on this engine"


def test_what_is_not_known_is_said() -> None:
    forecast = reported(known=KnownTimings())
    assert "time not known yet" in headline(forecast)
    assert "known after the first analysis of this kind" in " ".join(details(forecast))
    assert "Estimated" in " ".join(details(forecast))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.2, 0.4, "1 s"),
        (3.0, 7.2, "3–7 s"),
        (22.0, 41.0, "20–40 s"),
        (40.0, 130.0, "40 s – 2 min"),
        (300.0, 310.0, "5 min"),
        (4000.0, 9000.0, "67 min – 2.5 h"),
        (20_000.0, 40_000.0, "5.6–11 h"),
    ],
)
def test_a_range_of_time_is_as_rough_unchanged_sure(low: float, high: float, words: str) -> None:
    assert span(low, high) == words


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_forecast_has_words(language: Language) -> None:
    for forecast in (
        reported(8),
        reported(200),
        reported(known=KnownTimings()),
        reported(use_model=False),
        reported(9, selection=Selection("scenes")),
    ):
        with in_language(language):
            assert headline(forecast) and all(details(forecast))
