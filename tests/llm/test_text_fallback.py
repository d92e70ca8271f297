from collections.abc import Iterator
from typing import Any

import pytest

from framelens.core.domain import FrameFacts, Keyframe, Notice, ScreenText
from framelens.core.errors import AppError, PicturesRefused
from framelens.i18n import in_language, notice_text
from framelens.llm.chat import EngineChat, connect
from framelens.llm.text_fallback import TextFallback, VisionProbe, prove_sight, text_prompt, unseen
from framelens.llm.vision_check import video_refusal
from tests.llm.scripted import HangUp, Refuse, Server, has_pictures, saying, serve


def chat_at(server: Server) -> EngineChat:
    return connect(server.base_url, api_key="key", model="model")


def test_sight_is_proven_by_growing_prompts() -> None:
    # An engine whose prompt grows with pictures sees.
    with serve(saying("x")) as server:
        sight = prove_sight(chat_at(server))
    assert sight.sees is True
    assert all(request["max_tokens"] == 1 for request in server.requests)
    # An engine that drops pictures silently does not see.
    with serve(saying("x"), sees=False) as server:
        sight = prove_sight(chat_at(server))
    assert sight.sees is False
    assert sight.reason
    assert sight.reason.key == "pictures_dropped"
    # Without token counts nothing is proven.
    with serve(saying("x"), counts=False) as server:
        assert prove_sight(chat_at(server)).sees is None


def test_an_engine_that_rejects_pictures_does_not_see() -> None:
    def refuse(body: dict[str, Any]) -> Iterator[str]:
        if has_pictures(body):
            raise Refuse(400, "model is not a multimodal model")
        yield "x"

    with serve(refuse) as server:
        sight = prove_sight(chat_at(server))
    assert sight.sees is False
    assert sight.reason
    assert sight.reason.key == "pictures_rejected"


def test_an_engine_that_takes_one_picture_at_a_time_sees() -> None:
    def one(body: dict[str, Any]) -> Iterator[str]:
        if has_pictures(body):
            raise Refuse(400, "At most 1 image(s) may be provided in one prompt.", "image")
        yield "x"

    with serve(one) as server:
        assert prove_sight(chat_at(server)).sees is True


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        (HangUp(), "engine_unreachable"),
        (Refuse(500, "EngineCore encountered an issue"), "engine_model_ended"),
        (Refuse(400, "This model's maximum context length is 64 tokens"), "context_exceeded"),
        (Refuse(504, "upstream timed out"), "engine_gateway_timeout"),
    ],
)
def test_other_faults_with_pictures_are_no_reason_for_text(fault: Exception, key: str) -> None:
    def fail(body: dict[str, Any]) -> Iterator[str]:
        if has_pictures(body):
            raise fault
        yield "x"

    with serve(fail) as server, pytest.raises(AppError) as caught:
        prove_sight(chat_at(server))
    assert caught.value.key == key


def test_fallback_begins_with_a_refusal_and_says_so() -> None:
    fallback = TextFallback(VisionProbe(True))
    assert not fallback.is_active and fallback.notice is None
    fallback.begin(PicturesRefused("pictures_refused", reason="text only"))
    assert fallback.is_active and fallback.notice
    assert notice_text(fallback.notice, "zh").startswith(
        "⚠️ Messages 格式不支持，使用文本模式：引擎拒绝图片（text only）"
    )


@pytest.mark.parametrize(("sees", "key"), [(False, "text_mode"), (None, "sight_unknown")])
def test_engine_that_proves_nothing_is_named(sees: bool | None, key: str) -> None:
    fallback = TextFallback(VisionProbe(sees))
    assert fallback.is_active is (sees is False)
    assert fallback.notice and fallback.notice.key == key


def test_text_prompt_describes_each_frame_before_the_question() -> None:
    frames = [Keyframe(number, number, float(number), "shot", 1, 8, 8, b"") for number in (1, 2)]
    read = ScreenText("EXIT", 0.9, (0, 0, 1, 1))
    facts = {2: FrameFacts(2, (read,), (), 0.5, 100.0, None)}
    with in_language("en"):
        note, first, second, blank, question = text_prompt(frames, facts, "What?").split("\n")
        assert text_prompt([], {}, "What?").endswith("\n\nWhat?")
    assert note.startswith("You cannot see the images") and "2 keyframes" in note
    assert "EXIT" in second and "EXIT" not in first and (blank, question) == ("", "What?")


def test_frames_as_a_video_are_proven_by_their_tokens() -> None:
    with serve(saying("x")) as server:
        assert video_refusal(chat_at(server)) is None
    sent = server.requests[-1]
    assert sent["media_io_kwargs"]["video"]["frames_indices"] == [1000, 2000]
    assert sent["media_io_kwargs"]["video"]["num_frames"] == -1
    video = next(part for part in sent["messages"][0]["content"] if part["type"] == "video_url")
    assert video["video_url"]["url"].startswith("data:video/jpeg;base64,/9j/")
    assert video["video_url"]["url"].count(",/9j/") == 2


def test_an_engine_that_refuses_videos_says_why() -> None:
    def refuse(body: dict[str, Any]) -> Iterator[str]:
        if "media_io_kwargs" in body:
            raise Refuse(400, "Per-request media_io_kwargs are disabled by default")
        yield "x"

    with serve(refuse) as server:
        refusal = video_refusal(chat_at(server))
    assert refusal and "media_io_kwargs are disabled" in str(refusal.values)
    with serve(saying("x"), sees=False) as server:
        assert video_refusal(chat_at(server)) == Notice("video_dropped")


@pytest.mark.parametrize(
    "answer",
    [
        "I can't see images",
        "I'm unable to view the pictures.",
        "I’m unable to view the pictures.",
        "I cannot view or analyze images directly.",
        "I'm sorry, but I can't see the images you provided.",
        "As a text-based AI, I am not able to access the video frames.",
        "Sorry, I do not have the ability to view images.",
        "I don't have access to the images.",
        "I don't see any images in this conversation.",
        "No images were provided.",
        "You haven't uploaded any images.",
        "Please upload the images.",
        "Unfortunately, I currently cannot process visual content.",
        "我无法查看图片",
        "抱歉，我无法查看您提供的图片。",
        "很抱歉，作为一个AI，我目前无法直接看到图片内容。",
        "无法查看图片，因此不能描述。",
        "我没有收到任何图片。",
        "对不起，我不能查看或分析图像。",
        "I am a text-only model and cannot see images.",
        "I apologize, but I don't have the capability to see images.",
        "I'm not able to directly view the video.",
    ],
)
def test_words_of_a_model_that_sees_no_pictures(answer: str) -> None:
    refused = unseen(["The first.", answer])
    assert refused and refused.values["reason"] == answer


@pytest.mark.parametrize(
    "answer",
    [
        "I cannot see a person in the images.",
        "I can't see the driver in these frames.",
        "The driver can't see the picture.",
        'A man says: "I can\'t see the image!"',
        "I don't have enough information in the frames.",
        "我无法看清图片中的文字。",
        "司机无法看到画面。",
        "镜头被遮挡，无法看到画面。",
        "我无法分析图片中的文字",
        "The images are dark.",
        "No person is visible in the images.",
        "I cannot see any pictures of the man on the wall.",
        "The page says that no file was uploaded.",
        "I do not see a red card in the frames.",
        "He hangs the picture.",
        "他说“我无法查看图片”。",
        "I cannot see the frame clearly enough.",
    ],
)
def test_words_about_what_a_picture_lacks(answer: str) -> None:
    assert unseen([answer]) is None
