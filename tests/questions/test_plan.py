"""What answering a question takes, before it is asked: as the answer is made."""

import pytest

from framelens.analysis.planning.question import QuestionPlan
from framelens.questions.conversation import AskSettings
from framelens.questions.moments.bisection import usual_looks
from framelens.questions.request_answer import plan_answer
from framelens.questions.retrieval.select import SCORING_SECONDS


@pytest.mark.parametrize(
    ("question", "asks"),
    [("When does a red card appear?", False), ("How often is an egg shown?", False), ("门开了几次？", True)],
)
def test_question_for_times_is_a_search(question: str, asks: bool) -> None:
    (plan,) = plan_answer(question, (0.0, 180.0), 36)
    assert plan.is_search and plan.is_classified is asks and not plan.is_written
    assert plan.looks == usual_looks(180.0) == (401, 702)  # 694 were measured, with nine intervals
    assert plan.most_look_seconds == AskSettings().search_seconds


def test_looks_have_a_ceiling() -> None:
    # Search has a ceiling of pictures.
    (plan,) = plan_answer("When does a dog bark?", (0.0, 36_000.0), 64)
    assert plan.looks == (7200, 7200)
    # Long video has a limit of thumbnails.
    (plan,) = plan_answer("What does the man hold?", (0.0, 7200.0), 64)
    assert plan.looks == (64, 784)


@pytest.mark.parametrize("question", ["¿Cuándo aparece una tarjeta roja?"])
def test_what_the_model_decides_is_planned_in_both_ways(question: str) -> None:
    search, by_frames = plan_answer(question, (0.0, 600.0), 40)
    assert search.is_search and not search.is_written
    assert by_frames.is_written and by_frames.looks == (40, 340) and by_frames.most_look_seconds == SCORING_SECONDS


def test_lengthless_and_compound_questions_are_planned() -> None:
    # A video without a length is planned.
    assert plan_answer("What does the sign say?", (0.0, 0.0), 8)
    assert plan_answer("How many people are there?", (5.0, 5.0), 8)
    # Other parts of a question are written.
    (plan,) = plan_answer("When does the car appear and what does the driver wear?", (0.0, 60.0), 20)
    assert plan.is_search and plan.is_written


@pytest.mark.parametrize("question", ["Summarise the video", "What does she say about taxes?", "这个视频讲了什么？"])
def test_keyframes_alone_need_no_looks(question: str) -> None:
    (plan,) = plan_answer(question, (0.0, 600.0), 40)
    assert plan.is_written and plan.looks == (0, 0) and not plan.is_classified


def test_dense_keyframes_need_no_looks() -> None:
    (plan,) = plan_answer("What does the man hold?", (0.0, 60.0), 40)
    assert plan.looks == (0, 0) and plan.is_classified, "it may name a part of the video, or several things"
    (plan,) = plan_answer("What does the man hold?", (0.0, 600.0), 40)
    assert plan.looks == (40, 340) and plan.is_classified


@pytest.mark.parametrize("question", ["最后3秒有几个人", "What is she holding between 9:57 and 10:00?"])
def test_a_named_range_is_planned_densely(question: str) -> None:
    assert plan_answer(question, (0.0, 600.0), 40) == (QuestionPlan(frames=12),)
    assert plan_answer(question, (0.0, 600.0), 8) == (QuestionPlan(frames=8),)


def test_named_ranges_are_planned_within_the_video() -> None:
    # A search is planned for the named range.
    (plan,) = plan_answer("How often is a card shown between 0:10 and 0:20?", (0.0, 600.0), 40)
    assert plan.is_search and plan.looks == usual_looks(10.0)
    # A part named by its place is known to the model alone.
    (plan,) = plan_answer("What does the man hold in the second half?", (0.0, 600.0), 40)
    assert plan.looks == (40, 340) and plan.frames is None and plan.is_classified
    # A range is planned within the part that is analysed.
    (plan,) = plan_answer("What does the man hold in the last 2 seconds?", (100.0, 400.0), 40)
    assert plan == QuestionPlan(frames=8)
    (plan,) = plan_answer("What does the man hold between 0:10 and 0:13?", (100.0, 400.0), 40)
    assert plan.frames is None and plan.looks == (40, 190), "the range isn't in the part"
