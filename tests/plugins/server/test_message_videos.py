"""Videos in the messages of `framelens serve`, asked with OpenAI's own client."""

import asyncio
import base64
import runpy
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import openai
import pytest

from framelens.config import Settings, load
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.remote_engine import RemoteEngine
from framelens.plugins.server.message_videos import MessageVideos
from tests.cards import write_card_video
from tests.conftest import ready
from tests.llm import scripted
from tests.plugins.server.test_openai_server import PICTURE, Lent, client, served, until_ready

ROOT = Path(__file__).parents[3]
COLOURS = ["red", "blue", "green", "yellow"]
QUESTION = "Describe what you see."


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("cards") / "cards.mp4", COLOURS)


@pytest.fixture
def settings(video: Path, tmp_path: Path) -> Settings:
    return replace(load({"FRAMELENS_DATA_DIR": str(tmp_path / "data")}, tmp_path / ".env"), input_dirs=(video.parent,))


def as_data(path: Path) -> str:
    return f"data:video/mp4;base64,{base64.b64encode(path.read_bytes()).decode()}"


def message(*urls: str, question: str = QUESTION, pictures: int = 0) -> list[dict[str, Any]]:
    videos = [{"type": "video_url", "video_url": {"url": url}} for url in urls]
    images = [{"type": "image_url", "image_url": {"url": PICTURE}}] * pictures
    return [{"role": "user", "content": [*videos, *images, {"type": "text", "text": question}]}]


def kinds(request: dict[str, Any]) -> list[str]:
    return [part["type"] for part in request["messages"][-1]["content"]]


def asked(
    engine: scripted.Server, settings: Settings, messages: list[dict[str, Any]], *, stream: bool = False, **options: Any
) -> Any:
    with served(RemoteEngine(engine.base_url, "key", "model"), "m", settings=settings, **options) as address:
        until_ready(address)
        answer = client(address).chat.completions.create(
            model="m",
            messages=messages,
            stream=stream,
            max_tokens=64,  # type: ignore[call-overload]
        )
        return list(answer) if stream else answer


@pytest.fixture
def engine() -> Iterator[scripted.Server]:
    with scripted.serve(scripted.saying("Four cards.")) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("how", ["data", "file", "path"])
def test_video_becomes_its_keyframes_with_their_times(
    how: str, video: Path, settings: Settings, engine: scripted.Server
) -> None:
    url = {"data": as_data(video), "file": video.as_uri(), "path": str(video)}[how]
    answer = asked(engine, settings, message(url))
    assert answer.choices[0].message.content == "Four cards."
    request = engine.requests[-1]
    content = request["messages"][-1]["content"]
    frames = (len(content) - 2) // 2
    assert kinds(request) == ["text", *["text", "image_url"] * frames, "text"] and frames >= len(COLOURS)
    assert f"{frames} frames" in content[0]["text"] and content[-1]["text"] == QUESTION
    (about,) = answer.framelens["videos"]
    assert len(about["frames"]) == frames and about["frames"] == sorted(about["frames"])
    assert f"{about['frames'][1]:06.3f}" in content[3]["text"]  # the mark of the second frame


@pytest.mark.slow
def test_stream_says_which_frames_were_sent(video: Path, settings: Settings, engine: scripted.Server) -> None:
    pieces = asked(engine, settings, message(str(video)), stream=True)
    assert "".join(choice.delta.content or "" for piece in pieces for choice in piece.choices) == "Four cards."
    assert len(pieces[0].framelens["videos"][0]["frames"]) >= len(COLOURS)


@pytest.mark.slow
def test_videos_share_what_a_request_holds(video: Path, settings: Settings) -> None:
    with scripted.serve(scripted.saying("Fine."), context=4096) as engine:
        answer = asked(engine, settings, message(str(video), as_data(video), pictures=1))
        request = engine.requests[-1]
    assert kinds(request).count("image_url") == 1 + sum(len(one["frames"]) for one in answer.framelens["videos"])
    assert [one["name"] for one in answer.framelens["videos"]] == ["cards.mp4", "video-1-2.mp4"]


@pytest.mark.slow
def test_fewer_frames_are_sent_until_they_fit(video: Path, settings: Settings) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if kinds(body).count("image_url") > 2:
            text = "This model's maximum context length is 100 tokens. However, you requested 900 tokens."
            raise scripted.Refuse(400, text)
        yield "Fine."

    with scripted.serve(behave) as engine:
        answer = asked(engine, settings, message(str(video)))
    assert 1 <= len(answer.framelens["videos"][0]["frames"]) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("how", ["refused", "text_only", "dropped"])
def test_model_without_eyes_gets_measured_facts(how: str, video: Path, settings: Settings) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if "image_url" in kinds(body) and how != "dropped":
            raise scripted.Refuse(400, "model is not a multimodal model")
        yield "Red, then blue."

    with scripted.serve(behave, sees=False) as engine:
        answer = asked(engine, settings, message(str(video)), takes_pictures=how == "refused")
        request = engine.requests[-1]
    text = answer.choices[0].message.content
    assert "using text mode" in text and text.endswith("Red, then blue.")
    assert answer.framelens["mode"] == "text" and "image_url" not in kinds(request)
    assert "red" in request["messages"][-1]["content"][1]["text"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("data:video/mp4;base64,not base64!", "serve_video_not_base64"),
        ("data:video/mp4;base64,AAAAAAAA", None),
        ("file:///etc/passwd", "path_outside"),
        ("http://127.0.0.1:1/clip.mp4", None),
        ("http://10.0.0.1/clip.mp4", None),
    ],
)
def test_video_that_cannot_be_had_is_an_error_of_the_request(
    url: str, code: str | None, settings: Settings, engine: scripted.Server
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        asked(engine, settings, message(url))
    assert caught.value.param == "messages"
    assert all(request["max_tokens"] == 1 for request in engine.requests)  # is it a model that sees?
    assert code is None or caught.value.code == code


@pytest.mark.parametrize("last", ["no message", {"role": "user"}, {"role": "user", "content": None}])
def test_what_is_no_message_is_left_to_the_engine(last: object, settings: Settings) -> None:
    with MessageVideos([*message("clip.mp4"), last], settings, threading.Event()) as videos:
        assert (videos.question, videos.is_sought) == ("", False)


@pytest.mark.slow
def test_frames_that_a_client_has_chosen_pass_unchanged(settings: Settings, engine: scripted.Server) -> None:
    url = f"data:video/jpeg;base64,{PICTURE.partition(',')[2]}"
    asked(engine, settings, message(url))
    assert engine.requests[0]["messages"] == message(url)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["video_url", "file", "text"])
def test_requests_of_other_programs_are_understood(
    part: str, video: Path, settings: Settings, engine: scripted.Server
) -> None:
    """As Open WebUI 0.12 (its tools, a stream) and LiteLLM 1.110 (a file, an address alone) send them."""
    data = as_data(video)
    content: Any = {
        "video_url": {"type": "video_url", "video_url": {"url": data}},
        "file": {"type": "file", "file": {"file_data": data, "filename": "my_file.pdf"}},
        "text": {"type": "video_url", "video_url": data},
    }[part]
    tool = {"name": "get_current_timestamp", "description": "…", "parameters": {"properties": {}, "type": "object"}}
    tools = [{"type": "function", "function": tool}] if part == "video_url" else openai.omit
    with served(RemoteEngine(engine.base_url, "key", "model"), "m", settings=settings) as address:
        until_ready(address)
        messages: Any = [{"role": "user", "content": [content, {"type": "text", "text": QUESTION}]}]
        pieces = list(client(address).chat.completions.create(model="m", messages=messages, tools=tools, stream=True))
    assert "".join(choice.delta.content or "" for piece in pieces for choice in piece.choices) == "Four cards."
    assert kinds(engine.requests[-1]).count("image_url") >= len(COLOURS)
    assert ("tools" in engine.requests[-1]) == (part == "video_url")


class Files:
    """The table of files of Open WebUI."""

    stored: ClassVar[dict[str, Any]] = {}

    @classmethod
    async def get_file_by_id(cls, file_id: str) -> Any:
        return cls.stored.get(file_id)


def test_the_function_for_open_webui_hands_videos_on(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_webui.models.files", SimpleNamespace(Files=Files))
    names = {"v": (video, "video/mp4"), "d": (video, "application/pdf")}
    Files.stored = {
        key: SimpleNamespace(path=str(path), meta={"content_type": kind}) for key, (path, kind) in names.items()
    }
    listed = '<attached_files>\n<file type="file" id="v" name="cards.mp4"/>\n</attached_files>\n\n'
    body = {
        "messages": [{"role": "user", "content": listed + QUESTION}],
        "files": [{"type": "file", "id": "v", "name": "cards.mp4"}, {"type": "file", "id": "d", "name": "a.pdf"}],
    }
    function = runpy.run_path(str(ROOT / "examples" / "open_webui.py"))["Filter"]()
    handed = asyncio.run(function.inlet(body))
    assert handed["messages"] == message(as_data(video))
    assert [file["id"] for file in handed["files"]] == ["d"]


@pytest.mark.engine
def test_search_answers_when_exactly(settings: Settings, vl_engine: LocalEngine, tmp_path: Path) -> None:
    colours = ["gray"] * 3 + ["red"] * 2 + ["gray"] * 3
    video = write_card_video(settings.input_dirs[0] / "planted.mp4", colours)
    ready(vl_engine)
    with served(Lent(vl_engine), "tiny", settings=settings) as address:
        until_ready(address)
        question = "When is the red card visible?"
        create = client(address).chat.completions.create
        answer = create(model="tiny", messages=message(str(video), question=question))  # type: ignore[arg-type]
        pieces = list(create(model="tiny", messages=message(str(video), question=question), stream=True))  # type: ignore[arg-type, call-overload]
    text = answer.choices[0].message.content
    assert "00:03.000–00:05.000" in text and answer.framelens == {"mode": "search"}
    assert pieces[0].choices[0].delta.content == text
