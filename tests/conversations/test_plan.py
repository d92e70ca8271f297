"""What answering a question takes, before it is asked: as the answer is made."""

from __future__ import annotations

import pytest

from framelens.conversations.conversation import AskSettings
from framelens.conversations.moments.bisection import usual_looks
from framelens.conversations.request_answer import plan_answer
from framelens.conversations.retrieval.select import SCORING_SECONDS


@pytest.mark.parametrize("question", ["When does a red card appear?", "How often is an egg shown?", "门开了几次？"])
def test_question_for_times_is_a_search(question: str) -> None:
    (plan,) = plan_answer(question, 180.0, 36)
    assert plan.is_search and plan.is_classified and not plan.is_written
    assert plan.looks == usual_looks(180.0) == (401, 702)  # 694 were measured, with nine intervals
    assert plan.most_look_seconds == AskSettings().search_seconds


def test_search_has_a_ceiling_of_pictures() -> None:
    (plan,) = plan_answer("When does a dog bark?", 36_000.0, 64)
    assert plan.looks == (7200, 7200)


@pytest.mark.parametrize("question", ["Is there a red card?", "有没有红色卡片？", "¿Cuándo aparece una tarjeta roja?"])
def test_what_the_model_decides_is_planned_in_both_ways(question: str) -> None:
    search, by_frames = plan_answer(question, 600.0, 40)
    assert search.is_search and not search.is_written
    assert by_frames.is_written and by_frames.looks == (40, 340) and by_frames.most_look_seconds == SCORING_SECONDS


def test_other_parts_of_a_question_are_written() -> None:
    (plan,) = plan_answer("When does the car appear and what does the driver wear?", 60.0, 20)
    assert plan.is_search and plan.is_written


@pytest.mark.parametrize("question", ["Summarise the video", "What does she say about taxes?", "这个视频讲了什么？"])
def test_keyframes_alone_need_no_looks(question: str) -> None:
    (plan,) = plan_answer(question, 600.0, 40)
    assert plan.is_written and plan.looks == (0, 0) and not plan.is_classified


def test_dense_keyframes_need_no_looks() -> None:
    (plan,) = plan_answer("What does the man hold?", 60.0, 40)
    assert plan.looks == (0, 0)
    (plan,) = plan_answer("What does the man hold?", 600.0, 40)
    assert plan.looks == (40, 340)


def test_long_video_has_a_limit_of_thumbnails() -> None:
    (plan,) = plan_answer("What does the man hold?", 7200.0, 64)
    assert plan.looks == (64, 784)
