from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app.domain import (
    Analysis,
    AnalysisRequest,
    ChunkResult,
    ColourArea,
    DecodeSummary,
    EngineInfo,
    Finding,
    FrameFacts,
    Keyframe,
    Notice,
    ScreenText,
    Shot,
    Usage,
    VideoInfo,
)
from app.reports import FORMATS
from app.reports.markdown_text import escape
from tests.cards import draw_card, to_jpeg

NASTY = "<script>alert(1)</script> | [x](http://evil) # *b* `c`\n## heading"


def analysis(**changes: object) -> Analysis:
    video = VideoInfo(Path("/v/clip.mp4"), NASTY, 9, "mp4", "h264", "yuv420p", 640, 360, 0, 9.0, 25.0, 225, 0.0, True)
    picture = to_jpeg(draw_card("red"))
    chunk = ChunkResult(
        number=1,
        frames=(1, 2),
        mode="messages",
        answer="1: a\n2: b",
        findings=(Finding(NASTY, (1,)), Finding("later at 9:59", (2,), ("own_time",)), Finding("both", (1, 2))),
        overview=(Finding("it all", (1, 2)), Finding("made up", (), ("no_frame",))),
        prompt="````\nthe prompt",
        finish_reason="stop",
        usage=Usage(100, 20),
        seconds=1.5,
    )
    values: dict[str, object] = {
        "id": "job",
        "created": "2026-01-02T03:04:05+00:00",
        "request": AnalysisRequest(Path("/v/clip.mp4")),
        "video": video,
        "sha256": "ab" * 32,
        "decode": DecodeSummary(225, 9.0, True, "pyav", (Shot(1, 0.0, 4.0), Shot(2, 4.0, 9.0))),
        "keyframes": (
            Keyframe(1, 0, 0.0, "first", 1, 640, 360, picture),
            Keyframe(2, 100, 4.0, "shot", 2, 640, 360, picture),
        ),
        "facts": (
            FrameFacts(
                1, (ScreenText(NASTY, 0.9, (0, 0, 1, 1)),), (ColourArea("red", (255, 0, 0), 0.9, "all"),), 0.5, 9, None
            ),
            FrameFacts(2, (), (), 0.5, 9, 0.2),
        ),
        "chunks": (chunk,),
        "summary": None,
        "engine": EngineInfo("vllm", "some/model", "http://127.0.0.1:1/v1", "0.32.0", 4096, True),
        "notices": (Notice("text_mode", {"reason": Notice("pictures_dropped", {"tokens": 10})}),),
        "seconds_by_stage": {"survey": 1.0, "ask": 2.0},
        "app_version": "0.1.0",
    }
    return Analysis(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_is_written_in_both_languages(name: str, language: str) -> None:
    assert FORMATS[name].write(analysis(), language)  # type: ignore[arg-type]
    assert FORMATS[name].write(analysis(chunks=(), engine=None, facts=()), language)  # type: ignore[arg-type]


def test_the_banner_stands_before_everything_else_in_markdown() -> None:
    lines = [line for line in FORMATS["markdown"].write(analysis(), "zh").decode().splitlines() if line]
    assert lines[0].startswith("# ")
    assert lines[1].startswith("> ⚠️ Messages 格式不支持，使用文本模式")


def test_words_from_outside_can_not_become_markup() -> None:
    text = FORMATS["markdown"].write(analysis(), "en").decode()
    outside_prompt = re.sub(r"`{4,}text.*?^`{4,}$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)<script", outside_prompt)
    assert not re.search(r"(?<!\\)\[x(?<!\\)\]", outside_prompt)
    assert "\n## heading" not in outside_prompt
    assert text.count("`````") == 2  # a prompt with a fence of its own gets a longer one


def test_pictures_are_in_the_file_and_every_one_is_defined_once() -> None:
    text = FORMATS["markdown"].write(analysis(), "en").decode()
    used = re.findall(r"!\[[^\]]*\]\[(f\d+)\]", text)
    defined = re.findall(r"^\[(f\d+)\]: data:image/jpeg;base64,", text, flags=re.MULTILINE)
    assert used == defined == ["f1", "f2"]


def test_unverified_statements_are_marked_wherever_they_stand() -> None:
    text = FORMATS["markdown"].write(analysis(), "en").decode()
    assert "later at 9:59 ⚠️ *unverified: names a time that is not that of its frames*" in text
    assert "made up ⚠️ *unverified: cites no frame*" in text
    assert "it all (00:00.000, 00:04.000)" in text


def test_json_is_for_programs() -> None:
    report = json.loads(FORMATS["json"].write(analysis(), "en"))
    assert [frame["time_seconds"] for frame in report["keyframes"]] == [0.0, 4.0]
    assert report["source"]["sha256"] == "ab" * 32
    assert report["mode"] == "messages"
    findings = report["chunks"][0]["findings"]
    assert [finding["verified"] for finding in findings] == [True, False, True]
    assert findings[2]["times_seconds"] == [0.0, 4.0]
    assert report["notices"][0]["text"].startswith("⚠️")
    assert all(frame["picture"].startswith("data:image/jpeg;base64,") for frame in report["keyframes"])


def test_escaping_keeps_plain_sentences_as_they_are() -> None:
    assert escape("A man walks, 3 m away; he waves (twice).") == "A man walks, 3 m away; he waves (twice)."
    assert escape("1. not a list") == "1\\. not a list"
    assert escape("12) not a list") == "12\\) not a list"
    assert escape("- not a list") == "\\- not a list"
    assert escape("1.5 m") == "1\\.5 m"
