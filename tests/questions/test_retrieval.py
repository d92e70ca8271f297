"""Frames for a question: scores of candidates, the choice among them, and the whole way over a video of ten minutes."""

import base64
import io
import itertools
import json
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

import framelens
from framelens.analysis.inputs.extraction_cache import open_extraction_cache
from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core.domain import Analysis, Cue, Transcript
from framelens.core.errors import EngineError
from framelens.engine.base import Endpoint
from framelens.llm.text_fallback import VisionProbe
from framelens.questions.retrieval.choice import choose
from framelens.questions.retrieval.scores import TimedText, combined, matches, quotes_of, spread_order, text_scores
from framelens.questions.retrieval.select import RetrievalTools, Scope, Selected, select
from framelens.questions.retrieval.values import FrameCandidate, Looking, PictureEmbedder, Sought
from framelens.video.stills import Stills
from tests.cards import CARDS, write_card_video
from tests.llm.scripted import Refuse, Server, Whole, serve
from tests.questions.test_when import session
from tests.thorough import first_of

pytestmark = pytest.mark.usefixtures("no_text_reading")


def at(seconds: float, *, shot: int = 1, video: str = "a", is_keyframe: bool = False) -> FrameCandidate:
    return FrameCandidate(video, seconds, shot, b"", is_keyframe)


# ---- scores


@pytest.mark.parametrize(
    ("question", "texts", "best"),
    [
        ("What does she say about taxes?", ["Good evening.", "The tax is too high, she says.", "Taxes again: tax."], 1),
        ("她提到了哪些公式？", ["大家好", "下面推导这个公式", "再见"], 1),
        ("Where is the 红色汽车 parked?", ["黑皮鞋", "一辆红色汽车", "parking"], 1),
    ],
)
def test_words_of_the_question_lead_to_its_passage(question: str, texts: list[str], best: int) -> None:
    passages = [TimedText("a", 10.0 * n, 10.0 * n + 5, text) for n, text in enumerate(texts)]
    found = text_scores([at(10.0 * n + 2) for n in range(3)], matches(passages, [question]))
    assert found.index(max(found)) == best and found[0] == 0.0


def test_passages_lead_to_frames_and_quotes() -> None:
    # Passage between candidates counts for the nearest.
    dog = matches([TimedText("a", 6, 7, "a dog")], ["the dog"])
    found = text_scores([at(0), at(10), at(10, video="b")], dog)
    assert found[0] == 0.0 and found[1] > 0.0 and found[2] == 0.0
    # Best passages are quoted once and in order.
    texts = ["a dog", "the red dog", "red", "nothing", "the red dog"]
    passages = [TimedText("a", 10.0 * n, 10.0 * n + 2, text) for n, text in enumerate(texts)]
    quotes = quotes_of(matches(passages, ["red dog"]))
    assert [(quote.seconds, quote.text) for quote in quotes] == [(1.0, "a dog"), (11.0, "the red dog"), (21.0, "red")]
    assert quotes_of(matches(passages, ["a whale"])) == ()


def test_scores_that_tell_nothing_are_left_out() -> None:
    # Scores that say the same everywhere are not used.
    always = [0.97, 0.99, 0.98, 1.0]
    relevance, used = combined({"votes": always, "text": [0.0] * 4, "embeddings": [0.21, 0.22, 0.21, 0.30]}, 4)
    assert used == ("embeddings",) and relevance == pytest.approx([0, 1 / 17, 0, 1], abs=0.06)
    # Candidate without a vote counts like the median.
    relevance, used = combined({"votes": [0.0, None, 1.0, 0.1]}, 4)
    assert used == ("votes",) and relevance == [0.0, 0.0, 1.0, 0.0]


def test_first_places_of_an_order_are_spread() -> None:
    order = spread_order(100)
    assert sorted(order) == list(range(100))
    first = sorted(order[:8])
    assert max(b - a for a, b in itertools.pairwise(first)) <= 16


# ---- choice


def test_half_is_relevance_and_half_keyframes_between() -> None:
    pool = [at(float(second), is_keyframe=second % 20 == 10) for second in range(160)]
    relevance = [1.0 if 40 <= second < 44 else 0.9 if second in (90, 120) else 0.0 for second in range(160)]
    places, relevant = choose(pool, relevance, 8)
    chosen = [pool[place].time_seconds for place in places]
    assert relevant == 3 and len(places) == 8  # the event of four seconds is a single peak
    assert {90.0, 120.0} < set(chosen) and len({40.0, 41.0, 42.0, 43.0} & set(chosen)) == 1
    assert max(b - a for a, b in itertools.pairwise(chosen)) <= 40


def test_keyframes_are_chosen_without_relevance() -> None:
    # Without relevance the keyframes are chosen.
    pool = [at(float(second), is_keyframe=second % 10 == 0) for second in range(80)]
    assert choose(pool, [0.0] * 80, 8) == (list(range(0, 80, 10)), 0)
    # Other candidates fill what keyframes leave.
    pool = [at(float(second), is_keyframe=second == 4) for second in range(9)]
    assert choose(pool, [0.0] * 9, 3) == ([4], 0)
    assert choose(pool, [0.0] * 9, 3, fills=True) == ([0, 4, 8], 0)
    # Short shots have peaks of their own.
    pool = [at(100 + 0.5 * place, shot=place) for place in range(4)] + [at(0, is_keyframe=True)]
    assert choose(pool, [1.0] * 4 + [0.0], 4) == ([0, 1, 4], 2)


def test_every_video_gets_a_frame_and_known_ones_count() -> None:
    pool = [at(float(second), video=video, is_keyframe=True) for video in "ab" for second in range(0, 40, 10)]
    places, _ = choose(pool, [1.0, *[0.0] * 7], 3)
    assert {pool[place].analysis_id for place in places} == {"a", "b"}
    assert choose(pool, [0.0] * 7 + [1.0], 3, held=[0, 1, 2])[0] == [0, 1, 2, 7]


# ---- the whole way

SECONDS = 5
ONCE = {"red": 37, "yellow": 68, "purple": 101, "orange": 12, "cyan": 85, "black": 55}


@pytest.fixture(scope="module")
def cards() -> list[str]:
    chance = random.Random(7)
    shown = [chance.choice(["green", "blue", "gray", "white"]) for _ in range(120)]
    for colour, place in ONCE.items():
        shown[place] = colour
    return shown


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("retrieval")


@pytest.fixture(scope="module")
def analysis(cards: list[str], data: Path) -> Analysis:
    """Ten minutes of cards of five seconds, some colours of which are shown once."""
    video = write_card_video(
        data / "ten.mp4", cards, width=160, height=90, frame_rate=2, seconds_per_card=float(SECONDS)
    )
    return framelens.analyse(video, frames=8, use_model=False, data_dir=data)


def colour_of(jpeg: bytes) -> str:
    mean = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"), float).mean(axis=(0, 1))
    return min(CARDS, key=lambda name: float(np.abs(mean - CARDS[name]).sum()))


def sees(body: dict[str, Any]) -> Iterator[str]:
    """Vote by the colour that the question names."""
    picture, text = body["messages"][-1]["content"]
    colour = colour_of(base64.b64decode(picture["image_url"]["url"].partition(",")[2]))
    token = "yes" if colour in text["text"] else "no"
    logprobs = {"content": [{"token": token, "top_logprobs": [{"token": token, "logprob": -0.01}]}]}
    answer = {"choices": [{"message": {"content": token}, "logprobs": logprobs}]}
    raise Whole(json.dumps(answer).encode(), content_type="application/json")
    yield


def selected(
    server: Server,
    scope: Scope,
    data: Path,
    question: str,
    sought: Sought,
    *,
    can_see: bool = True,
    embeddings: PictureEmbedder | None = None,
) -> tuple[Selected, list[Looking]]:
    endpoint = Endpoint("remote", "model", server.base_url, "")
    connection = SimpleNamespace(endpoint=endpoint, in_flight=lambda _: 8, sight=VisionProbe(can_see))
    stills, events = Stills(), []
    tools = RetrievalTools(open_extraction_cache(data), stills, embeddings or ColourEmbedder(takes_pictures=False))
    going = select(question, sought, scope, tools, cast(EngineConnection, connection), "en", threading.Event())
    try:
        while True:
            events.append(next(going))
    except StopIteration as end:
        return end.value, events
    finally:
        stills.close()


@pytest.mark.slow
@pytest.mark.parametrize("colour", first_of(ONCE))
def test_moment_is_among_eight_frames_of_ten_minutes(analysis: Analysis, data: Path, colour: str) -> None:
    sought = Sought("local", (f"a {colour} card",))
    with serve(sees) as server:
        found, events = selected(server, Scope({"a": analysis}, 8), data, f"What follows the {colour} card?", sought)
        first = server.requests[: len(analysis.decode.shots) + 8]
    # A picture of each shot comes first, so that each card that is shown once is among them.
    urls = [body["messages"][-1]["content"][0]["image_url"]["url"] for body in first]
    assert set(ONCE) <= {colour_of(base64.b64decode(url.partition(",")[2])) for url in urls}
    start = ONCE[colour] * SECONDS
    shown = [frame for frame in found.frames if start <= frame.time_seconds < start + SECONDS]
    assert shown and all(colour_of(one.jpeg) == colour for one in shown if one.jpeg)
    assert len(found.frames) == 8 and sum(not frame.jpeg for frame in found.frames) >= 4
    choice = found.choice
    assert (choice.outcome, choice.scores, choice.relevant) == ("chosen", ("votes",), 1)
    assert choice.candidates == choice.voted >= 240
    assert {"thumbnails", "embeddings", "votes"} <= {event.step for event in events}


def agree(body: dict[str, Any]) -> Iterator[str]:
    yield "yes"


@pytest.mark.slow
def test_model_that_always_says_yes_changes_nothing(analysis: Analysis, data: Path) -> None:
    with serve(agree) as server:
        found, _ = selected(server, Scope({"a": analysis}), data, "Is it red?", Sought("local", ("a red card",)))
    assert found.choice.outcome == "flat" and found.choice.scores == ()
    assert [frame.time_seconds for frame in found.frames] == [frame.time_seconds for frame in analysis.keyframes]
    assert not any(frame.jpeg for frame in found.frames)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sought", "changes", "outcome"),
    [
        (Sought("global", ("a card",)), {}, "global"),
        (Sought("local", ("a card",)), {"frames": 300}, "dense"),
        (Sought("local", ("a card",)), {"sees": False}, "unseen"),
        (Sought("local", ("a card",)), {"path": Path("gone.mp4")}, "no_video"),
    ],
)
def test_no_model_is_asked_where_it_brings_nothing(
    analysis: Analysis, data: Path, sought: Sought, changes: dict[str, Any], outcome: str
) -> None:
    path = changes.get("path", analysis.video.path)
    scope = Scope({"a": replace(analysis, video=replace(analysis.video, path=path))}, changes.get("frames"))
    with serve(sees) as server:
        found, _ = selected(server, scope, data, "Card?", sought, can_see=changes.get("sees", True))
        assert server.requests == []
    assert found.choice.outcome == outcome
    assert [frame.time_seconds for frame in found.frames] == [frame.time_seconds for frame in analysis.keyframes]


@pytest.mark.slow
def test_range_is_looked_at_densely(analysis: Analysis, data: Path) -> None:
    scope = Scope({"a": analysis}, 8, look=framelens.Look("local", 100.0, 110.0))
    with serve(sees) as server:
        found, _ = selected(server, scope, data, "More?", Sought("local", ("a card",)))
        assert server.requests == []
    times = [frame.time_seconds for frame in found.frames]
    assert found.choice.outcome == "range" and times == [100.5, 101.5, 103.0, 104.0, 105.5, 106.5, 108.0, 109.0]
    assert all(frame.jpeg for frame in found.frames)


@pytest.mark.slow
@pytest.mark.parametrize(("end", "asked"), [(116.0, False), (160.0, True)])
def test_range_without_relevance_is_covered(analysis: Analysis, data: Path, end: float, asked: bool) -> None:
    scope = Scope(
        {"a": replace(analysis, keyframes=analysis.keyframes[:1])}, 8, look=framelens.Look("auto", 100.0, end)
    )
    with serve(agree) as server:
        found, _ = selected(server, scope, data, "How many?", Sought("local", ("a card",)))
        assert bool(server.requests) is asked
    times = [frame.time_seconds for frame in found.frames]
    step = (end - 100.0) / 8
    assert found.choice.outcome == "range" and len(times) == 8
    assert all(abs(time - (100.0 + (place + 0.5) * step)) < 0.6 for place, time in enumerate(times))


@pytest.mark.slow
def test_what_was_said_is_found_without_votes(analysis: Analysis, data: Path) -> None:
    cues = tuple(Cue(float(second), second + 4.0, "nothing new") for second in range(0, 600, 10))
    spoken = Transcript("subtitles", "en", (*cues[:40], Cue(403.0, 405.0, "the price of tea"), *cues[41:]))
    with serve(sees) as server:
        scope = Scope({"a": replace(analysis, transcript=spoken)}, 8)
        found, _ = selected(server, scope, data, "Did they mention the price?", Sought("spoken", ("a price",)))
        assert server.requests == []
    assert found.choice.scores == ("text",) and any(402 <= frame.time_seconds <= 406 for frame in found.frames)
    assert [(quote.seconds, quote.text) for quote in found.choice.quotes] == [(404.0, "the price of tea")]


@pytest.mark.slow
def test_known_frames_are_not_chosen_again_instead_of_new_ones(analysis: Analysis, data: Path) -> None:
    known = [("a", frame.time_seconds) for frame in analysis.keyframes]
    new = next(one for one in ONCE if one not in [colour_of(frame.jpeg) for frame in analysis.keyframes])
    with serve(sees) as server:
        scope = Scope({"a": analysis}, held=known)
        found, _ = selected(server, scope, data, f"And {new}?", Sought("local", (f"a {new} card",)))
    assert {("a", frame.time_seconds) for frame in found.frames} > set(known)
    assert [colour_of(frame.jpeg) for frame in found.frames if frame.jpeg] == [new]


@pytest.mark.slow
def test_votes_end_with_their_time(analysis: Analysis, data: Path) -> None:
    stop = threading.Event()

    def slow(body: dict[str, Any]) -> Iterator[str]:
        stop.wait(0.05)
        yield from sees(body)

    with serve(slow) as server:
        scope = Scope({"a": analysis}, 8, seconds=2.0)
        found, _ = selected(server, scope, data, "Red?", Sought("local", ("a red card",)))
    assert 0 < found.choice.voted < found.choice.candidates


@pytest.mark.slow
def test_engine_that_refuses_leaves_the_keyframes(analysis: Analysis, data: Path) -> None:
    def refuse(body: dict[str, Any]) -> Iterator[str]:
        raise Refuse(500, "out of order")
        yield

    with serve(refuse) as server:
        found, _ = selected(server, Scope({"a": analysis}, 8), data, "Red?", Sought("local", ("a red card",)))
    assert found.choice.outcome == "flat" and found.choice.voted == 0 and len(found.frames) == 8


@dataclass
class ColourEmbedder:
    """A model that embeds a picture by its colour, and a text by the colours that it names."""

    takes_pictures: bool
    num_parts: int = 0

    def of_parts(
        self, parts: Sequence[Mapping[str, Any]], *, seconds: float, cancel: threading.Event | None = None
    ) -> list[list[float] | None]:
        self.num_parts = len(parts)
        if not self.takes_pictures:
            raise EngineError("engine_refused", status=400, reason="this model takes no pictures")
        urls = [part["image_url"]["url"] if part["type"] == "image_url" else "" for part in parts]
        texts = [
            colour_of(base64.b64decode(url.partition(",")[2])) if url else part["text"]
            for url, part in zip(urls, parts, strict=True)
        ]
        return [[1.0, *(float(colour in text) for colour in CARDS)] for text in texts]


@pytest.mark.slow
@pytest.mark.parametrize("takes_pictures", first_of([True, False]))
def test_embeddings_of_pictures_are_compared(analysis: Analysis, data: Path, takes_pictures: bool) -> None:
    def hesitates(body: dict[str, Any]) -> Iterator[str]:
        yield "perhaps"

    sought, scope = Sought("local", ("a purple card",)), Scope({"a": analysis}, 8)
    embedder = ColourEmbedder(takes_pictures)
    with serve(hesitates) as server:
        found, _ = selected(server, scope, data, "Is there a purple card?", sought, embeddings=embedder)
    assert embedder.num_parts == found.choice.candidates + 1
    if takes_pictures:
        assert found.choice.scores == ("embeddings",)
        start = ONCE["purple"] * SECONDS
        assert any(start <= frame.time_seconds < start + SECONDS for frame in found.frames)
    else:
        assert found.choice.outcome == "flat"


# ---- in a conversation


def answers(body: dict[str, Any]) -> Iterator[str]:
    """Classify, vote and answer as a model would."""
    if "logprobs" in body:
        yield from sees(body)
    elif body.get("response_format", {}).get("json_schema", {}).get("name") == "question":
        asked = body["messages"][-1]["content"].partition("Question:")[2].splitlines()[0]
        thing = next((f"a {one} card" for one in ONCE if one in asked), "")
        yield json.dumps({"kind": "local", "thing": thing, "range": [], "parts": []})
    else:
        yield "x" if body["max_tokens"] == 1 else "Red [1]."


@pytest.fixture(scope="module")
def few(analysis: Analysis, data: Path) -> Analysis:
    return framelens.analyse(analysis.video.path, frames=4, use_model=False, data_dir=data)


def hidden(analysis: Analysis) -> list[str]:
    """The colours that no keyframe shows."""
    return [one for one in ONCE if one not in [colour_of(frame.jpeg) for frame in analysis.keyframes]]


@pytest.mark.slow
def test_question_brings_its_own_frames_to_the_model(few: Analysis, data: Path) -> None:
    first, second, *_ = hidden(few)
    with serve(answers, classifies=True) as server, session(server, data) as one:
        conversation = one.ask(few.id, f"Which card follows the {first} one?")
        again = one.ask(conversation, f"And which follows the {second} one?")
        whole = one.ask(again, "Summarise the video.")
        kept = one.conversations.get(whole.id)
        pictures = one.conversations.pictures(conversation.last.frames)
    assert kept == whole
    turn = conversation.last
    assert turn.evidence and turn.evidence.choice and turn.evidence.choice.outcome == "chosen"
    assert turn.evidence.choice.look_for == (f"a {first} card",)
    assert [frame.number for frame in turn.frames] == [1, 2, 3, 4] and turn.attached == turn.frames
    assert [colour_of(jpeg) for jpeg in pictures.values()] == [first]
    assert [notice.key for notice in turn.notices] == ["ask_frames_chosen", "ask_scored_votes"]
    start = ONCE[second] * SECONDS
    assert [start <= frame.time_seconds < start + SECONDS for frame in again.last.frames] == [True]
    assert again.last.frames[0].number == 5 and len(again.last.attached) == 5
    # What is left of the keyframes comes with the question about the whole video.
    missing = {frame.time_seconds for frame in few.keyframes} - {frame.time_seconds for frame in turn.frames}
    assert {frame.time_seconds for frame in whole.last.frames} == missing


@pytest.mark.slow
def test_named_kind_and_range_decide_the_frames(few: Analysis, data: Path) -> None:
    with serve(answers, classifies=True) as server, session(server, data) as one:
        everything = one.ask(few.id, "Is there a red card?", look=framelens.Look("global")).last
        dense = one.ask(few.id, "Is there a red card?", look=framelens.Look("local", 100.0, 103.0)).last
    assert [frame.time_seconds for frame in everything.frames] == [frame.time_seconds for frame in few.keyframes]
    assert everything.notices == () and [notice.key for notice in dense.notices] == ["ask_frames_range"]
    assert [frame.time_seconds for frame in dense.frames] == [100.0, 101.0, 101.5, 102.5]
    assert not any("logprobs" in body or "response_format" in body for body in server.requests)


@pytest.mark.slow
@pytest.mark.parametrize(("question", "before"), [("Is there a red card?", []), ("What is on the card at 0:02?", [])])
def test_conversation_says_that_the_video_is_gone(few: Analysis, data: Path, question: str, before: list[str]) -> None:
    path = few.video.path
    away = path.with_suffix(".away")
    path.rename(away)
    try:
        with serve(answers, classifies=True) as server, session(server, data) as one:
            turn = one.ask(few.id, question).last
    finally:
        away.rename(path)
    assert [notice.key for notice in turn.notices] == [*before, "ask_frames_no_video"]
    assert turn.state == "complete" and len(turn.frames) == 4
