"""Questions for a time or a number, over real videos, with an engine that really looks at the pictures it gets."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import framelens
from framelens.core.errors import Cancelled
from framelens.core.evidence import Interval, Moments, Point, VoteSample
from framelens.engine.base import Endpoint
from framelens.questions.conversation import AskSettings, Look, MomentsSearched
from framelens.questions.moments.finder import VideoFrames
from framelens.questions.moments.search import CHANGES
from framelens.questions.moments.timeline import strip
from framelens.video.stills import Stills
from tests.cards import draw_card, to_jpeg, write_card_video
from tests.commands import Done, run_command
from tests.llm.scripted import Behave, Refuse, Server, Whole, has_pictures, serve

pytestmark = pytest.mark.usefixtures("no_text_reading")
COLOURS = ["blue", "green", "red", "blue", "gray", "green", "red", "red", "yellow", "blue"]
WHEN = "When is the red card visible?"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten cards of 1.5 s at 10 frames a second: red in [3, 4.5) and [9, 12)."""
    return write_card_video(tmp_path_factory.mktemp("when") / "cards.mp4", COLOURS, seconds_per_card=1.5)


@pytest.fixture(scope="module")
def data(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("when-data")
    framelens.analyse(video, frames=4, use_model=False, data_dir=folder)
    return folder


def shows_red(body: dict[str, Any]) -> bool:
    (part,) = (one for one in body["messages"][-1]["content"] if one["type"] == "image_url")
    picture = Image.open(BytesIO(base64.b64decode(part["image_url"]["url"].partition(",")[2]))).convert("RGB")
    red, green, blue = np.asarray(picture).reshape(-1, 3).mean(axis=0)
    return bool(red > 150 and green < 90 and blue < 90)


def likely(yes: float) -> Whole:
    top = [{"token": "yes", "logprob": log(yes)}, {"token": "no", "logprob": log(1 - yes)}]
    choice = {"message": {"content": "x"}, "logprobs": {"content": [{"token": "x", "top_logprobs": top}]}}
    return Whole(json.dumps({"choices": [choice]}).encode(), content_type="application/json")


def reading(**answer: object) -> Behave:
    """Say what a question asks for, and answer everything else as `looking` does."""

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if body.get("response_format"):
            yield json.dumps({"kind": "local", "thing": "", "range": [], "parts": []} | answer)
        else:
            yield from looking()(body)

    return behave


def looking(*, always: bool = False) -> Behave:
    """Vote on a picture by its colour, and answer everything else with "x"."""

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if body.get("logprobs"):
            question = body["messages"][-1]["content"][-1]["text"]
            is_there = ("red" in question or "红" in question) and shows_red(body)
            raise likely(0.97 if always or is_there != ("absent" in question) else 0.02)
        yield "x"

    return behave


def session(server: Server | Endpoint, data: Path) -> framelens.Session:
    return framelens.Session(base_url=server.base_url, data_dir=data, language="en")


def spans(turn: Any) -> list[tuple[int, int]]:
    (moments,) = turn.evidence.moments
    return [(interval.first.frame_index, interval.last.frame_index) for interval in moments.intervals]


@pytest.mark.slow
def test_answer_lists_all_moments_with_their_frames(video: Path, data: Path) -> None:
    with serve(looking()) as server, session(server, data) as one:
        events = list(one.ask_events(video, WHEN))
        done = events[-1]
        assert isinstance(done, framelens.AnswerDone)
        pictures = one.conversations.pictures(done.conversation.pictures())
    turn = done.conversation.last
    assert turn.state == "complete" and spans(turn) == [(30, 44), (90, 119)] and not turn.own_times
    assert turn.answer.startswith("“a red card” was seen 2 times:\n1. 00:03.000–00:04.500 (1.50 s), first frame [1],")
    assert [(ref.number, ref.time_seconds) for ref in turn.cited] == [(1, 3.0), (2, 4.4), (3, 9.0), (4, 11.9)]
    assert len(pictures) == 4 and all(Image.open(BytesIO(pictures[ref.picture])).width == 640 for ref in turn.cited)
    rounds = [event.moments for event in events if isinstance(event, MomentsSearched)]
    assert len(rounds) >= 4 and rounds[-1].ended == "complete" and rounds[-1].widest_gap_seconds < 0.5
    assert turn.model == "model" and all(interval.issues == () for interval in rounds[-1].intervals)


@pytest.mark.slow
def test_how_often_in_chinese_counts(video: Path, data: Path) -> None:
    with serve(looking()) as server, session(server, data) as one:
        turn = one.ask(video, "红色卡片出现了几次？", language="zh").last
    assert turn.answer.startswith("看到“红色卡片”2 次：\n1. 00:03.000–00:04.500（1.50 秒），首帧 [1]，末帧 [2]；")
    assert "这张图片里有红色卡片吗" in json.dumps(server.requests[-1], ensure_ascii=False) or spans(turn)


@pytest.mark.slow
def test_range_and_kind_are_those_of_the_user(video: Path, data: Path) -> None:
    with serve(looking()) as server, session(server, data) as one:
        turn = one.ask(video, "Show me the red card", look=Look("when", 6.0, 10.0)).last
    assert spans(turn) == [(90, 99)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "language", "found"),
    [
        ("When is the red card visible between 0:06 and 0:10?", "en", [(90, 99)]),
        ("0:10之后红色卡片出现了几次？", "zh", [(100, 119)]),
    ],
)
def test_range_in_the_question_is_searched(
    question: str, language: Any, found: list[tuple[int, int]], video: Path, data: Path
) -> None:
    with serve(looking()) as server, session(server, data) as one:
        turn = one.ask(video, question, language=language).last
    assert spans(turn) == found and turn.notices[0].key.startswith("ask_range")


@pytest.mark.slow
def test_named_range_ends_with_the_video(video: Path, data: Path) -> None:
    with serve(looking()) as server, session(server, data) as one:
        turn = one.ask(video, "What is shown between 0:10 and 0:30?").last
    (notice,) = (notice for notice in turn.notices if notice.key == "ask_range")
    assert notice.values == {"start": "00:10.000", "end": "00:15.000"}


@pytest.mark.slow
@pytest.mark.parametrize("times", ["between 9:00 and 17:00", "between 0:00 and 17:00", "before 9:00"])
def test_range_beyond_or_of_the_whole_video_is_none(video: Path, data: Path, times: str) -> None:
    with serve(looking()) as server, session(server, data) as one:
        turn = one.ask(video, f"When is the red card visible {times}?").last
    assert spans(turn) == [(30, 44), (90, 119)] and not turn.notices


@pytest.mark.slow
@pytest.mark.parametrize("time", ["between 0:07 and 0:09", "at 0:08"])
def test_range_without_keyframes_gets_frames_of_its_own(video: Path, data: Path, time: str) -> None:
    with serve(looking()) as server, session(server, data) as one:
        turn = one.ask(video, f"What can be seen {time}?").last
    assert turn.attached and all(6.0 <= ref.time_seconds < 10.0 for ref in turn.attached)


@pytest.mark.slow
def test_frames_of_a_moment_are_spread_around_it(video: Path, data: Path) -> None:
    with serve(looking()) as server, session(server, data) as one:
        turn = one.ask(video, "在0:04的时候画面里有什么？", language="zh").last
    assert [ref.time_seconds for ref in turn.attached] == [2.5, 3.5, 4.5, 5.5]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "named", "times"),
    [
        ("What happens at the end?", [10, 15], [10.6, 11.8, 13.1, 14.3]),
        ("Was geschieht im letzten Drittel?", [10, 15], [10.6, 11.8, 13.1, 14.3]),
        ("Summarise the last 2 seconds of the video.", [0, 5], [13.2, 13.7, 14.2, 14.7]),
    ],
)
def test_frames_of_a_part_are_spread_over_it(
    video: Path, data: Path, question: str, named: list[int], times: list[float]
) -> None:
    with serve(reading(range=named), classifies=True) as server, session(server, data) as one:
        turn = one.ask(video, question).last
    assert [ref.time_seconds for ref in turn.attached] == times
    assert [notice.key for notice in turn.notices] == ["ask_range", "ask_frames_range"]


LANGUAGES = {
    "Wann erscheint die rote Karte?": ("when", "eine rote Karte (red)"),
    "¿Cuántas veces aparece la tarjeta roja?": ("count", "una tarjeta roja (red)"),
    "赤いカードはいつ現れますか？": ("when", "赤いカード (red)"),
    "List every time that the red card is on the table": ("when", "a red card"),
}


@pytest.mark.slow
@pytest.mark.parametrize("question", LANGUAGES)
def test_any_language_is_searched_after_one_request(video: Path, data: Path, question: str) -> None:
    kind, thing = LANGUAGES[question]
    with serve(reading(kind=kind, thing=thing), classifies=True) as server, session(server, data) as one:
        turn = one.ask(video, question).last
    assert spans(turn) == [(30, 44), (90, 119)] and len(server.classifications) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "question", [WHEN, "How many times does a red card appear?", "有没有红卡？", "红卡出现了几次？"]
)
def test_a_clear_opening_needs_no_request(video: Path, data: Path, question: str) -> None:
    with serve(looking()) as server, session(server, data) as one:
        turn = one.ask(video, question).last
    assert spans(turn) == [(30, 44), (90, 119)] and server.classifications == []


@pytest.mark.slow
def test_questions_in_one_are_the_models(video: Path, data: Path) -> None:
    parts = [
        {"question": "Wann erscheint die rote Karte?", "kind": "when", "thing": "eine rote Karte (red)"},
        {"question": "Wer hält sie?", "kind": "local", "thing": "eine rote Karte"},
    ]
    question = "Wann erscheint die rote Karte und wer hält sie?"
    with serve(reading(parts=parts), classifies=True) as server, session(server, data) as one:
        turn = one.ask(video, question).last
    assert spans(turn) == [(30, 44), (90, 119)] and turn.answer.endswith("\n\nx") and len(server.classifications) == 1


@pytest.mark.slow
def test_nothing_seen_says_what_could_hide(video: Path, data: Path) -> None:
    with serve(looking()) as server, session(server, data) as one:
        turn = one.ask(video, "When is the purple card visible?", look=Look("when", 4.6, 8.9), search_frames=6).last
    assert turn.state == "complete" and turn.cited == () and turn.can_continue
    assert turn.answer.startswith("“a purple card” has not been seen so far.\n6 frames were looked at; the widest gap")
    assert "ceiling of frames" in turn.answer


@pytest.mark.slow
def test_stopped_search_continues_where_it_was(video: Path, data: Path) -> None:
    cancel = threading.Event()
    with serve(looking()) as server, session(server, data) as one:
        events = one.ask_events(video, WHEN, cancel=cancel)
        done = None
        with pytest.raises(Cancelled):
            for event in events:
                if isinstance(event, MomentsSearched) and event.moments.rounds == 1:
                    cancel.set()
                done = event
        assert isinstance(done, framelens.AnswerDone)
        stopped = one.conversations.get(done.conversation.id).last
        before = len(server.requests)
        again = one.ask(done.conversation, WHEN, edit=1).last
    assert stopped.state == "stopped" and stopped.can_continue and "interrupted" in stopped.answer
    assert stopped.evidence and len(stopped.evidence.moments[0].samples) >= 10
    assert again.state == "complete" and spans(again) == [(30, 44), (90, 119)]
    assert again.evidence and stopped.evidence.moments[0].samples[0] in again.evidence.moments[0].samples
    votes = sum("Is there a red card" in json.dumps(body) for body in server.requests[before:])
    assert votes < len(again.evidence.moments[0].samples)  # votes of the first round weren't asked again


@pytest.mark.slow
def test_model_that_always_says_yes_is_reported(video: Path, data: Path) -> None:
    with serve(looking(always=True)) as server, session(server, data) as one:
        turn = one.ask(video, WHEN).last
    assert "also says yes to test pictures" in turn.answer and spans(turn) == [] and turn.cited == ()


@pytest.mark.slow
def test_model_that_says_neither_yes_nor_no_is_reported(video: Path, data: Path) -> None:
    with serve(lambda body: iter(["I see a card."])) as server, session(server, data) as one:
        turn = one.ask(video, WHEN).last
    assert turn.evidence and [search.ended for search in turn.evidence.moments] == ["says_nothing"]
    assert "neither yes nor no" in turn.answer and "was not seen" not in turn.answer


def test_pictures_are_changed_but_little() -> None:
    picture, frames = to_jpeg(draw_card("red", width=320, height=180)), VideoFrames(Stills(), Path("none.mp4"), 640)
    changed = [Image.open(BytesIO(frames.changed(picture, number))) for number in range(CHANGES)]
    means = [float(np.asarray(one)[..., 0].mean()) for one in (Image.open(BytesIO(picture)), *changed)]
    assert [one.size for one in changed] == [(288, 162), (320, 180), (320, 180)]
    assert means[2] > 1.1 * means[0] and means[3] < 0.9 * means[0] and abs(means[1] - means[0]) < 3


@pytest.mark.thorough
@pytest.mark.slow
def test_several_videos_are_searched_one_by_one(video: Path, data: Path, tmp_path: Path) -> None:
    other = write_card_video(tmp_path / "other.mp4", ["green", "red", "gray"], seconds_per_card=2.0)
    with serve(looking()) as server, session(server, data) as one:
        conversation = one.ask([video, other], WHEN)
    turn = conversation.last
    assert turn.evidence and [len(search.intervals) for search in turn.evidence.moments] == [2, 1]
    assert "other.mp4:\n“a red card” was seen once:\n1. 00:02.000" in turn.answer
    assert len({ref.analysis_id for ref in turn.cited}) == 2 and len(turn.cited) == 6


@pytest.mark.thorough
@pytest.mark.slow
def test_engine_that_dies_leaves_what_was_found(video: Path, data: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if len(server.requests) > 40:
            raise Refuse(500, "EngineCore died")
        yield from looking()(body)

    with serve(behave) as server, session(server, data) as one:
        done: Any = None
        with pytest.raises(framelens.EngineError):
            for event in one.ask_events(video, WHEN):
                done = event
    turn = done.conversation.last
    assert turn.state == "failed" and turn.can_continue and "frames were looked at" in turn.answer


@pytest.mark.slow
def test_model_without_eyes_answers_from_facts(video: Path, data: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if has_pictures(body):
            raise Refuse(400, "model is not a multimodal model")
        yield "At [2]."

    with serve(behave) as server, session(server, data) as one:
        turn = one.ask(video, WHEN).last
    assert turn.state == "complete" and turn.answer == "At [2]." and not (turn.evidence and turn.evidence.moments)


def test_ceilings_are_checked() -> None:
    with pytest.raises(framelens.ConfigError):
        AskSettings(search_frames=0)


@pytest.mark.slow
def test_command_continues_a_search_without_a_question(video: Path, data: Path) -> None:
    def run(*arguments: object) -> Done:
        own = {"FRAMELENS_DATA_DIR": str(data), "FRAMELENS_BASE_URL": server.base_url}
        return run_command("ask", *arguments, environ=own)

    with serve(looking()) as server:
        first = run(video, "--search-frames", 20, WHEN)
        second = run("--continue", "latest", "--json")
        third = run("--continue", "latest")
    assert first.returncode == 0, first.stderr
    assert "ceiling of frames" in first.stdout and "To continue the search: framelens ask --continue" in first.stderr
    (moments,) = json.loads(second.stdout)["turn"]["evidence"]["moments"]
    assert [(one["first"]["frame_index"], one["last"]["frame_index"]) for one in moments["intervals"]] == [
        (30, 44),
        (90, 119),
    ]
    assert len(moments["samples"]) > 20 and moments["ended"] == "complete"
    assert third.returncode == 2 and "question" in third.stderr  # nothing is left to continue


def test_search_is_drawn_in_one_line() -> None:
    found = Moments("a", "a red card", 0.0, 20.0, (VoteSample(0, 0.0, 0.0, 0.1, 1), VoteSample(99, 9.9, 9.9, 0.9, 1)))
    shown = Interval(Point(80, 8.0), Point(119, 11.9), None, None, Point(99, 9.9), 2, 0, 0.9)
    assert strip(replace(found, intervals=(shown,)), 10) == "·   ██    "
