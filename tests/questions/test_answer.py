"""Answers as a program gets them: streamed, stopped, broken off; what they cite, and where they are kept."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

import framelens
from framelens.i18n import in_language
from framelens.questions.conversation import AnswerText
from framelens.questions.export import as_markdown
from tests.cards import draw_card, to_jpeg, write_card_video
from tests.llm.scripted import Behave, HangUp, Refuse, Server, has_pictures, serve
from tests.questions.test_when import session

pytestmark = pytest.mark.usefixtures("no_text_reading")
Ask = Callable[..., framelens.Conversation]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("ask") / "cards.mp4", ["red", "blue", "green", "yellow"])


@pytest.fixture(scope="module")
def data(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which the video was analysed before."""
    folder = tmp_path_factory.mktemp("ask-data")
    framelens.analyse(video, frames=4, use_model=False, data_dir=folder)
    return folder


def answering(*pieces: str | dict[str, str]) -> Behave:
    """Answer questions with these pieces; the vision probe, which wants one token, gets a token."""

    def behave(body: dict[str, Any]) -> Iterator[str | dict[str, str]]:
        yield from ("x",) if body["max_tokens"] == 1 else pieces

    return behave


def questions(server: Server) -> list[dict[str, Any]]:
    return [body for body in server.requests if body["max_tokens"] != 1]


@pytest.mark.slow
def test_answer_streams_and_its_frames_get_decoder_times(video: Path, data: Path) -> None:
    pieces = ("Red [1], ", "then blue [frame 2] at 0:01; ", "more in [9] at 7:30.")
    with serve(answering(*pieces)) as server, session(server, data) as one:
        events = list(one.ask_events(video, "Which?", top_p=0.9, seed=5, repetition_penalty=1.1))
        done = events[-1]
        assert isinstance(done, framelens.AnswerDone)
        kept = one.conversations.get(done.conversation.id)
    turn = done.conversation.last
    assert kept == done.conversation and turn.state == "complete" and turn.why is None
    assert "".join(event.text for event in events if isinstance(event, AnswerText)) == turn.answer
    assert [(ref.number, ref.time_seconds) for ref in turn.cited] == [(1, 0.0), (2, 1.2)]
    assert turn.unknown_frames == (9,) and turn.own_times == ("7:30",)
    assert [ref.number for ref in turn.attached] == [1, 2, 3, 4] and turn.model == "model"
    (body,) = questions(server)
    assert (body["temperature"], body["top_p"], body["seed"], body["repetition_penalty"]) == (0.6, 0.9, 5, 1.1)


@pytest.mark.slow
@pytest.mark.parametrize("refuses", [False, True])
def test_answer_of_letters_is_one_of_them_and_no_search(refuses: bool, video: Path, data: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if refuses and "response_format" in body:
            raise Refuse(400, "response_format is not supported", "response_format")
        yield "x" if body["max_tokens"] == 1 else '"B"'

    with serve(behave) as server, session(server, data) as one:
        turn = one.ask(video, "When is the red card visible? A. first B. last", letters="AB").last
    last = questions(server)[-1]
    assert turn.state == "complete" and turn.answer == '"B"' and turn.evidence and not turn.evidence.moments
    if refuses:
        assert "response_format" not in last
    else:
        assert last["response_format"]["json_schema"]["schema"] == {"type": "string", "enum": ["A", "B"]}


@pytest.mark.slow
def test_video_without_analysis_gets_keyframes_and_no_report(video: Path, tmp_path: Path) -> None:
    with serve(answering("Red [1].")) as server, session(server, tmp_path) as one:
        events = list(one.ask_events(video, "Which?", frames=3))
        conversation = one.ask(video, "Again?")
    assert any(isinstance(event, framelens.KeyframesChosen) for event in events)
    assert not any(isinstance(event, framelens.ChunkDone) for event in events)
    done = events[-1]
    assert isinstance(done, framelens.AnswerDone)
    assert len(done.conversation.last.attached) == 3 and len(questions(server)) == 2
    assert conversation.about == done.conversation.about  # not analysed again


@pytest.mark.slow
def test_conversation_continues_and_branches(video: Path, data: Path) -> None:
    with serve(answering("Red [1].")) as server, session(server, data) as one:
        conversation = one.ask(video, "First?")
        conversation = one.ask(conversation, "Second?")
        branched = one.ask(conversation, "Other second?", edit=2)
        assert [turn.question for turn in branched.branch()] == ["First?", "Other second?"]
        assert [turn.question for turn in one.conversations.get(conversation.id).turns] == [
            "First?",
            "Second?",
            "Other second?",
        ]
        last = questions(server)[-1]["messages"]
        again = one.ask(conversation.switched(1), "Third?")  # the branch that the value ends with
        assert [turn.question for turn in again.branch()] == ["First?", "Second?", "Third?"]
    assert [message["role"] for message in last] == ["system", "user", "assistant", "user"]
    assert last[-1]["content"] == "Other second?" and last[2]["content"] == "Red [1]."


@pytest.mark.slow
def test_questions_asked_at_the_same_time_are_both_kept(video: Path, data: Path) -> None:
    with serve(answering("Red [1].")) as server, session(server, data) as one:
        conversation = one.ask(video, "First?")
        both = [conversation.with_question(question, framelens.AskSettings()) for question in ("Left?", "Right?")]
        added = [one.conversations.add(value).last for value in both]
        kept = one.conversations.get(conversation.id)
    assert [(turn.number, turn.parent, turn.question) for turn in added] == [(2, 1, "Left?"), (3, 1, "Right?")]
    assert [turn.question for turn in kept.turns] == ["First?", "Left?", "Right?"]


@pytest.mark.slow
def test_stop_takes_effect_at_once_and_keeps_the_answer(video: Path, data: Path) -> None:
    going = threading.Event()

    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield "Red"
        if body["max_tokens"] != 1:
            going.wait(60)

    cancel = threading.Event()
    with serve(behave) as server, session(server, data) as one:
        seen: list[Any] = []
        with pytest.raises(framelens.Cancelled):
            for event in one.ask_events(video, "Which?", cancel=cancel):
                seen.append(event)
                if isinstance(event, AnswerText):
                    cancel.set()
        done = seen[-1].conversation
        assert one.conversations.get(done.id).last == done.last
        going.set()
    assert (done.last.state, done.last.answer, done.last.why.key) == ("stopped", "Red", "ask_stopped")


@pytest.mark.slow
def test_leaving_the_loop_keeps_what_there_is(video: Path, data: Path) -> None:
    with serve(answering("Red ", *["word "] * 400)) as server, session(server, data) as one:
        for event in one.ask_events(video, "Left alone?"):
            if isinstance(event, AnswerText):
                break
        (kept,) = one.conversations.find("left alone")
        last = one.conversations.get(kept.id).last
    assert last.state == "stopped" and last.answer.startswith("Red") and last.why and last.why.key == "ask_stopped"


@pytest.mark.slow
def test_engine_that_dies_in_mid_answer_keeps_the_answer(video: Path, data: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield "The red card [1]"
        if body["max_tokens"] != 1:
            time.sleep(0.2)
            raise HangUp

    seen: list[Any] = []
    with serve(behave) as server, session(server, data) as one:
        with pytest.raises(framelens.EngineError) as raised:
            for event in one.ask_events(video, "Which?"):
                seen.append(event)
        turn = one.conversations.get(seen[-1].conversation.id).last
        assert len(questions(server)) == 1  # not sent twice
    assert (turn.state, turn.answer) == ("failed", "The red card [1]") and [ref.number for ref in turn.cited] == [1]
    assert turn.why and turn.why.key == raised.value.key and turn.why.table == "error"


def several(servers: list[Server], data: Path) -> framelens.Session:
    return framelens.Session(base_url=", ".join(server.base_url for server in servers), data_dir=data, language="en")


@pytest.mark.slow
def test_conversation_stays_on_its_video_s_engine(video: Path, data: Path) -> None:
    with serve(answering("Red [1].")) as a, serve(answering("Red [1].")) as b, several([a, b], data) as one:
        for _ in range(3):
            one.ask(video, "Which?")
        used, other = sorted((a, b), key=lambda server: -len(questions(server)))
        assert (len(questions(used)), len(questions(other))) == (3, 0)
        used.dead.set()
        turn = one.ask(video, "And now?").last
        assert turn.state == "complete" and len(questions(other)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("says", ["", "The red card [1]"])
def test_engine_that_dies_is_replaced_if_it_was_silent(says: str, video: Path, data: Path) -> None:
    def doomed(server: Server, others: list[Server]) -> Behave:
        def behave(body: dict[str, Any]) -> Iterator[str]:
            if body["max_tokens"] != 1 and not any(one.dead.is_set() for one in others):
                server.dead.set()
                if not says:
                    raise HangUp
                yield says
                time.sleep(0.2)
                raise HangUp
            yield "x" if body["max_tokens"] == 1 else "Red [1]."

        return behave

    with serve(answering()) as a, serve(answering()) as b, several([a, b], data) as one:
        a.behave, b.behave = doomed(a, [b]), doomed(b, [a])
        if says:
            with pytest.raises(framelens.EngineError):
                one.ask(video, "Which one is it?")
        else:
            assert one.ask(video, "Which one was it?").last.answer == "Red [1]."
        (kept,) = one.conversations.find("which one is it" if says else "which one was it")
        turn = one.conversations.get(kept.id).last
        assert len(questions(a)) + len(questions(b)) == (1 if says else 2)
    assert (turn.state, turn.answer) == (("failed", says) if says else ("complete", "Red [1]."))
    assert ("engine_replaced" in {notice.key for notice in turn.notices}) == (not says)


@contextmanager
def serve_restarting() -> Iterator[Server]:
    """Serve an engine that restarts at its first question, before it says anything."""

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if len(questions(server)) == 1 and body["max_tokens"] != 1:
            server.restart()
        yield "x" if body["max_tokens"] == 1 else "Red [1]."

    with serve(behave) as server:
        yield server


@pytest.mark.slow
def test_silent_engine_that_restarts_is_asked_again(video: Path, data: Path) -> None:
    with serve_restarting() as server, session(server, data) as one:
        turn = one.ask(video, "Which card?").last
    assert (turn.state, turn.answer) == ("complete", "Red [1].")
    assert "engine_returned" in {notice.key for notice in turn.notices}


@pytest.mark.slow
def test_broken_connection_to_an_engine_that_runs_is_no_failure(video: Path, data: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if len(questions(server)) == 1 and body["max_tokens"] != 1:
            raise HangUp
        yield "x" if body["max_tokens"] == 1 else "Red [1]."

    with serve(behave) as server, session(server, data) as one:
        turn = one.ask(video, "Which card?").last
    assert (turn.state, turn.answer, len(questions(server))) == ("complete", "Red [1].", 2)
    assert not turn.notices


@pytest.mark.slow
def test_question_of_an_analysis_outlasts_a_restart(video: Path, tmp_path: Path) -> None:
    with serve_restarting() as server, session(server, tmp_path / "data") as one:
        report = one.analyse(video, question="Which card is it?", frames=2)
    assert report.question_answer and report.question_answer.answer == "Red [1]."
    assert [notice.key for notice in report.question_answer.notices] == ["engine_returned"]


def test_engine_that_is_gone_keeps_the_question(video: Path, data: Path) -> None:
    with framelens.Session(base_url="http://127.0.0.1:9/v1", data_dir=data, language="en") as one:
        with pytest.raises(framelens.EngineError, match=r"127\.0\.0\.1:9"):
            one.ask(video, "Lost question?")
        (kept,) = one.conversations.find("lost question")
        turn = one.conversations.get(kept.id).last
    assert turn.state == "failed" and turn.question == "Lost question?" and turn.why


@pytest.mark.slow
def test_reasoning_is_apart_and_not_sent_back(video: Path, data: Path) -> None:
    pieces = ({"reasoning_content": "I think "}, {"reasoning": "it is red"}, "Red [1].")
    with serve(answering(*pieces)) as server, session(server, data) as one:
        events = list(one.ask_events(video, "Which?"))
        done = events[-1]
        assert isinstance(done, framelens.AnswerDone)
        one.ask(done.conversation, "Sure?")
    turn = done.conversation.last
    assert (turn.reasoning, turn.answer) == ("I think it is red", "Red [1].")
    assert "it is red" not in json.dumps(questions(server)[-1])


@pytest.mark.slow
def test_reasoning_inside_the_text_is_separated(video: Path, data: Path) -> None:
    with serve(answering("so red\n", "</think>", "Red [1].")) as server, session(server, data) as one:
        turn = one.ask(video, "Which?").last
    assert (turn.reasoning, turn.answer) == ("so red", "Red [1].")


@pytest.mark.slow
def test_engine_that_refuses_pictures_gets_words(video: Path, data: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if body["max_tokens"] != 1 and has_pictures(body):
            raise Refuse(400, "model is not a multimodal model")
        yield "Red [1]."

    with serve(behave) as server, session(server, data) as one:
        turn = one.ask(video, "Which?").last
    assert turn.context.mode == "text" and turn.state == "complete" and not turn.attached
    assert "text_mode" in [notice.key for notice in turn.notices]


@pytest.mark.slow
def test_model_that_says_it_sees_no_pictures_gets_words(video: Path, data: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield "I'm sorry, but I can't see the images." if has_pictures(body) else "Red [1]."

    with serve(behave) as server, session(server, data) as one:
        turn = one.ask(video, "Which?").last
    assert (turn.answer, turn.context.mode, turn.state) == ("Red [1].", "text", "complete")
    assert "text_mode" in [notice.key for notice in turn.notices]


@pytest.mark.slow
def test_model_that_says_so_once_is_asked_again_with_pictures(video: Path, data: Path) -> None:
    said = iter(["I'm sorry, but I can't see the images."])

    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield "x" if body["max_tokens"] == 1 else next(said, "Red [1].")

    with serve(behave) as server, session(server, data) as one:
        turn = one.ask(video, "Which?").last
    assert (turn.answer, turn.context.mode, turn.notices) == ("Red [1].", "messages", ())
    first, second = questions(server)
    assert has_pictures(second) and second["frequency_penalty"] and "frequency_penalty" not in first


@pytest.mark.slow
def test_engine_that_drops_pictures_gets_words(video: Path, data: Path) -> None:
    with serve(answering("Red [1]."), sees=False) as server, session(server, data) as one:
        turn = one.ask(video, "Which?").last
    assert turn.context.mode == "text" and turn.context.described == (1, 2, 3, 4)
    assert "⚠️ Messages" in framelens.notice_text(turn.notices[0], "en")


@pytest.mark.slow
def test_engine_with_few_pictures_gets_the_newest(video: Path, data: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if body["max_tokens"] != 1 and json.dumps(body).count("data:image") > 2:
            raise Refuse(400, "At most 2 image(s) may be provided in one prompt.")
        yield "Red [1]."

    with serve(behave) as server, session(server, data) as one:
        turn = one.ask(video, "Which?").last
    assert turn.context.pictures == (3, 4) and turn.context.described == (1, 2) and turn.state == "complete"
    (notice,) = (notice for notice in turn.notices if notice.key == "ask_described")
    assert framelens.notice_text(notice, "en").startswith("The engine accepts at most 2 pictures in a request: ")


@pytest.mark.slow
def test_full_context_is_tried_with_less(video: Path, data: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if body["max_tokens"] != 1 and json.dumps(body).count("data:image") > 3:
            raise Refuse(400, "This model's maximum context length is 1200 tokens", param="input_tokens")
        yield "Red [1]."

    with serve(behave, context=2048) as server, session(server, data) as one:
        turn = one.ask(video, "Which?").last
    assert turn.state == "complete" and len(turn.context.pictures) <= 3
    said = "(HTTP 400: “This model's maximum context length is 1200 tokens”)"
    assert all(said in framelens.notice_text(notice, "en") for notice in turn.notices) and turn.notices


@pytest.mark.slow
def test_answer_in_reasoning_alone_is_an_error(video: Path, data: Path) -> None:
    with serve(answering({"reasoning": "Hm."})) as server, session(server, data) as one:
        with pytest.raises(framelens.EngineError, match="switch thinking off"):
            one.ask(video, "Which is empty?")
        (kept,) = one.conversations.find("which is empty")
        turn = one.conversations.get(kept.id).last
    assert (turn.state, turn.reasoning) == ("failed", "Hm.")


@pytest.mark.slow
def test_busy_engine_is_asked_again(video: Path, data: Path) -> None:
    refusals = [Refuse(503, "busy", headers={"Retry-After": "0.01"}), Refuse(429, "busy")]

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if body["max_tokens"] != 1 and refusals:
            raise refusals.pop(0)
        yield "Red [1]."

    with serve(behave) as server, session(server, data) as one:
        turn = one.ask(video, "Which?").last
    assert turn.state == "complete" and [notice.key for notice in turn.notices] == ["engine_was_busy"]


@pytest.mark.slow
def test_engine_that_fails_inside_is_named_with_its_words(video: Path, data: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if body["max_tokens"] != 1:
            raise Refuse(500, "the core has vanished")
        yield "x"

    with serve(behave) as server, session(server, data) as one:
        with pytest.raises(framelens.EngineError, match="vanished"):
            one.ask(video, "Inside?")
        (kept,) = one.conversations.find("inside")
        turn = one.conversations.get(kept.id).last
    assert turn.state == "failed" and turn.why and "vanished" in framelens.notice_text(turn.why, "en")


@pytest.mark.slow
def test_answer_that_only_repeats_itself_is_stopped(video: Path, data: Path) -> None:
    with serve(answering(*["the same words again and "] * 400)) as server, session(server, data) as one:
        turn = one.ask(video, "Which?").last
    assert turn.state == "stopped" and turn.why and turn.why.key == "ask_repeats" and len(turn.answer) < 3000


@pytest.mark.slow
def test_answer_at_its_limit_is_marked(video: Path, data: Path) -> None:
    with serve(answering("Red [1]"), finish="length") as server, session(server, data) as one:
        turn = one.ask(video, "Which?", max_tokens=7).last
    assert turn.state == "complete" and [(notice.key, notice.values) for notice in turn.notices] == [
        ("ask_cut", {"tokens": 7})
    ]


@pytest.mark.slow
def test_html_and_links_in_an_answer_stay_text(video: Path, data: Path) -> None:
    hostile = (
        "<script>alert(1)</script> <img src=x onerror=y> ![p](http://evil.example/p.png) [a](javascript:b)\n"
        "# Heading\n    code\n- list\n> quote\n| a | b |\n|---|---|\nhttp://evil.example www.evil.example `x` &lt;"
    )
    with serve(answering(hostile)) as server, session(server, data) as one:
        conversation = one.ask(video, "<b>Bold</b> [q](http://evil.example)?")
    assert conversation.last.answer == hostile
    with in_language("en"):
        written = as_markdown(conversation, {conversation.about[0]: "<i>v</i>.mp4"})
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(written)
    kinds = {one.type for token in tokens for one in (token, *(token.children or ()))}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "table_open", "code_block", "code_inline"}
    assert "http://" not in written and "www." not in written
    shown = "".join(child.content for token in tokens for child in token.children or () if child.type == "text")
    assert "<script>alert(1)</script>" in shown and "http://evil.example" in shown


@pytest.mark.slow
def test_deleted_analysis_takes_its_conversations_along(video: Path, tmp_path: Path) -> None:
    with serve(answering("Red [1].")) as server, session(server, tmp_path) as one:
        conversation = one.ask(video, "Which?")
        one._open_services().jobs.remove(conversation.about[0])
        assert one.conversations.find() == []
        with pytest.raises(framelens.InputError, match="not known here"):
            one.ask(conversation, "And?")


@pytest.mark.slow
def test_deleted_video_is_still_answered_from_its_keyframes(tmp_path: Path, video: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(video.read_bytes())
    with serve(answering("Red [1].")) as server, session(server, tmp_path / "data") as one:
        first = one.ask(copy, "Which?")
        copy.unlink()
        assert one.ask(first, "And?").last.state == "complete"
        assert one.ask(copy, "By path?").about == first.about
        with pytest.raises(framelens.InputError, match="no file"):
            one.ask(tmp_path / "other.mp4", "Which?")
        with pytest.raises(framelens.InputError, match="neither a file nor an analysis"):
            one.ask("nonsense", "Which?")


@pytest.mark.slow
def test_report_from_elsewhere_can_be_asked_about(video: Path, data: Path, tmp_path: Path) -> None:
    analysis = framelens.analyse(video, frames=4, use_model=False, data_dir=data)
    with serve(answering("Red [1].")) as server, session(server, tmp_path) as one:
        conversation = one.ask(analysis, "Which?")
        assert one.ask(analysis.id, "By id?").about == conversation.about == (analysis.id,)


@pytest.mark.slow
def test_calls_without_a_session_do_the_same(video: Path, data: Path) -> None:
    with serve(answering("Red [1].")) as server:
        options: dict[str, Any] = {"base_url": server.base_url, "data_dir": data, "language": "zh"}
        conversation = framelens.ask(video, "哪张在前？", **options)
        events = list(framelens.ask_events(conversation, "然后呢？", temperature=0.0, **options))
        with pytest.raises(framelens.ConfigError, match="temperature"):
            framelens.ask(conversation, "然后呢？", temperature=9, **options)
    assert isinstance(events[-1], framelens.AnswerDone) and len(events[-1].conversation.branch()) == 2
    assert questions(server)[0]["messages"][0]["content"].startswith("你负责回答")


def texts(message: dict[str, Any]) -> list[str]:
    content = message["content"]
    return [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]


@pytest.mark.slow
def test_question_about_several_videos(video: Path, data: Path, tmp_path: Path) -> None:
    other = write_card_video(tmp_path / "other.mp4", ["white", "black"])
    with serve(answering("Red [1], white [5], [7].")) as server, session(server, data) as one:
        conversation = one.ask([video, other], "Which come first?", frames=4)
        assert one.ask(conversation, "And then?").about == conversation.about
        names = {conversation.about[0]: "a.mp4", conversation.about[1]: "<b>.mp4"}
        found = one.conversations.find(analysis_ids=conversation.about[1:])
    turn = conversation.last
    assert [frame.analysis_id for frame in turn.cited] == [*conversation.about] and turn.unknown_frames == (7,)
    assert [one.id for one in found] == [conversation.id]
    (body, _) = questions(server)
    assert texts(body["messages"][1])[4] == "[frame 5 · video 2 · 00:00.000]"
    with in_language("en"):
        written = as_markdown(conversation, names)
    assert "[5] 00:00.000 \\<b\\>.mp4".replace("[", "\\[").replace("]", "\\]") in written


@pytest.mark.thorough
@pytest.mark.slow
def test_one_of_several_videos_is_deleted(video: Path, tmp_path: Path) -> None:
    other = write_card_video(tmp_path / "other.mp4", ["white", "black"])
    with serve(answering("Red [1].")) as server, session(server, tmp_path / "data") as one:
        conversation = one.ask([video, other], "Which?")
        one._open_services().jobs.remove(conversation.about[0])
        again = one.ask(conversation, "And now?")
    assert again.about == conversation.about[1:]
    lost = next(notice for notice in again.last.notices if notice.key == "ask_frames_lost")
    assert "1–4" in framelens.notice_text(lost, "en")
    assert [frame.number for frame in again.last.attached] == [5, 6]


@pytest.mark.slow
def test_question_about_images_and_no_video(tmp_path: Path) -> None:
    for colour in ("red", "blue"):
        (tmp_path / f"{colour}.jpg").write_bytes(to_jpeg(draw_card(colour)))
    with serve(answering("Red [1].")) as server, session(server, tmp_path / "data") as one:
        first = one.ask([], "Which colour?", images=[tmp_path / "red.jpg"])
        second = one.ask(first, "And this?", images=[tmp_path / "blue.jpg"])
    assert [(frame.number, frame.name) for frame in second.last.images] == [(2, "blue.jpg")]
    assert [frame.name for frame in first.last.cited] == ["red.jpg"] and not first.last.own_times
    with in_language("zh"):
        assert "red.jpg" in as_markdown(second, {})
    *_, before, after = questions(server)[-1]["messages"]
    assert before["role"] == "assistant" and texts(after) == [
        '[image 2 · "blue.jpg" · attached by the user]',
        "And this?",
    ]


@pytest.mark.slow
def test_question_about_nothing_is_a_plain_chat(tmp_path: Path) -> None:
    with serve(answering("Hi."), sees=False) as server, session(server, tmp_path) as one:
        conversation = one.ask([], "Hello?")
        assert one.ask(conversation, "And?").last.notices == ()
        assert [one.name for one in one.conversations.find("hello")] == ["Hello?"]
    assert [message["content"] for message in questions(server)[-1]["messages"]][1:] == ["Hello?", "Hi.", "And?"]


@pytest.mark.slow
def test_clip_is_asked_about_alone(video: Path, data: Path) -> None:
    with serve(answering("Green [1].")) as server, session(server, data) as one:
        conversation = one.ask(video, "Which?", start=2, end="0:03")
        again = one.ask(video, "Which?", start=2, end=3)
        whole = one.ask(one.ask(video, "All?").about[0], "Which?", start=2, end=3)
    times = [frame.time_seconds for frame in conversation.last.frames]
    assert times and all(2 <= seconds < 3 for seconds in times) and again.about == conversation.about
    assert [2 <= frame.time_seconds < 3 for frame in whole.last.frames] == [True] * 4
    assert whole.last.look == framelens.Look("auto", 2.0, 3.0)


@pytest.mark.slow
def test_hostile_image_is_refused_before_anything_starts(video: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    with framelens.Session(base_url="http://127.0.0.1:9/v1", data_dir=tmp_path / "data", language="en") as one:
        with pytest.raises(framelens.InputError, match=r"bad\.png is no image"):
            one.ask(video, "Which?", images=[bad])
        assert one.conversations.find() == []
