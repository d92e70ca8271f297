"""What a report holds where a template has fields, a video has parts, chapters and words, and answers have flaws."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from framelens.core.domain import (
    Analysis,
    AnalysisRequest,
    Chapter,
    ChunkResult,
    Cue,
    Finding,
    Keyframe,
    Layout,
    Notice,
    Subject,
    Transcript,
    Usage,
)
from framelens.reports.content.labels import local_minute
from framelens.reports.formats import FORMATS
from tests.reports.reading import text_of
from tests.reports.test_reports import NASTY, analysis

TIMES = (0.5, 1.0, 2.25, 4.0, 6.5, 8.0)
NAMES = {"who": "Who or what", "kind": "Event"}
UTC_TIME = "2026-11-21T22:03:04.000+00:00"


def part(number: int, *frames: int, **changes: Any) -> ChunkResult:
    made = ChunkResult(
        number, frames, "messages", "{}", (), (), f"PROMPT {number}", "stop", Usage(1000, 50), 2.5, key=f"k{number}"
    )
    return replace(made, **changes)


def rich(**changes: Any) -> Analysis:
    """Three parts, of which the second was not answered, a join on the way and a summary."""
    picture = analysis().keyframes[0].jpeg
    frames = tuple(Keyframe(n, round(25 * at), at, "shot", 1, 640, 360, picture) for n, at in enumerate(TIMES, start=1))
    moved = Finding("A man walks by.", (1,), (), {"kind": "moves", "who": "the man in the red jacket"})
    first = part(1, 1, 2, findings=(moved, Finding("Nothing more.", (1, 2), (), {"kind": "nothing"})))
    last = part(
        5,
        5,
        6,
        findings=(Finding("He comes back.", (5, 6), ("unknown_value",), {"kind": "returns"}),),
        subjects=(Subject("the man", "a red jacket"),),
        troubles=("repeats", "of_tomorrow"),
        attempts=3,
    )
    whole = part(
        0,
        *range(1, 7),
        mode="text",
        overview=(Finding("A man passes and comes back.", (1, 2, 3, 4, 6)),),
        title="A man at the gate",
        chapters=(Chapter("He comes", "He walks by.", 1, 0.0, 4.0), Chapter("He is back", "", 4, 4.0, 9.0)),
        reply=(Finding("The man in the red jacket.", (1, 5)),),
        troubles=("chapter_time",),
    )
    values: dict[str, Any] = {
        "request": AnalysisRequest(Path("/v/clip.mp4"), template="log", question="Who comes?"),
        "keyframes": frames,
        "facts": (),
        "chunks": (first, last),
        "summary": whole,
        "joins": (part(-1, 1, 2, mode="text"), part(-2, 5, 6, mode="text", recalled=True)),
        "layout": Layout(448, 2, 4, 218.4, True, ((1, 2), (3, 4), (5, 6))),
        "transcript": Transcript("speech", "whisper", (Cue(1.5, 2.5, "Good morning."),)),
        "conditions": {"model": "some/model", "vllm_config": "", "of_tomorrow": "x"},
        "field_names": NAMES,
        "notices": (Notice("sound_not_analysed", {}, "info"),),
    }
    return analysis(**{**values, **changes})


def markdown(made: Analysis, language: str = "en", *, appendix: bool = True) -> str:
    """The report, by default with its appendix."""
    return FORMATS["markdown"].to_bytes(made, language, appendix=appendix).decode()  # type: ignore[arg-type]


def section(text: str, title: str) -> str:
    """What is under the last heading of the second level with this title."""
    return text.split(f"\n## {title}\n\n")[-1].split("\n## ")[0].strip()


def as_json(made: Analysis, language: str = "en") -> dict[str, Any]:
    report: dict[str, Any] = json.loads(FORMATS["json"].write(made, language))  # type: ignore[arg-type]
    return report


# ---- Markdown


def test_report_begins_with_the_timecode_of_the_media() -> None:
    made = rich()
    made = replace(made, video=replace(made.video, timecode="10:00:00:00"))
    assert " · 00:09 · Timecode 10:00:00:00 · 2026-01-02" in markdown(made, appendix=False)


def test_report_begins_with_question_answer_and_times() -> None:
    text = markdown(rich(), appendix=False)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Answer", "Summary", "Chapters", "Findings", "Frames"]
    assert text.startswith("# Who comes?\n")
    assert text.count("A man at the gate") == text.count("Who comes?") == 1
    assert text.index(" · 00:09 · 2026-01-02") < text.index("\n## ") < text.index("**A man at the gate**")
    assert section(text, "Answer").splitlines()[0] == "The man in the red jacket. (00:00, 00:06)"
    assert section(text, "Answer").count("![Frame ") == 2
    assert section(text, "Summary").endswith("A man passes and comes back. (00:00 – 00:04, 00:08)")
    assert (
        section(text, "Chapters").splitlines()[2]
        == "| 00:00 – 00:04 **He comes** He walks by. | 00:04 – 00:09 **He is back** |"
    )
    assert not re.search(r":\d\d\.\d{3}", re.sub(r"\(.*?jpg\)", "", text))


def test_chinese_citations_have_chinese_punctuation() -> None:
    text = markdown(rich(), "zh", appendix=False)
    assert "The man in the red jacket.（00:00、00:06）" in text
    assert "A man passes and comes back.（00:00 – 00:04、00:08）" in text
    finding = next(line for line in text.splitlines() if line.startswith("- A man walks by."))
    assert finding.startswith("- A man walks by.（00:00）")
    assert not re.search(r"(?<!\])\(\d\d:|, \d\d:", text)


def test_appendix_is_the_record_with_rounded_times() -> None:
    text = markdown(rich()).partition("\n# Appendix\n")[2]
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Answer",
        "Summary",
        "Chapters",
        "Findings",
        "Frames and measurements",
        "Shots",
        "Transcript",
        "How it was made",
    ]
    assert section(text, "Answer") == "The man in the red jacket. (00:00.500, 00:06.500)"
    assert section(text, "Summary") == "A man passes and comes back. (00:00.500 – 00:04.000, 00:08.000)"
    assert section(text, "Chapters").splitlines() == [
        "- 00:00.000 – 00:04.000 **He comes** He walks by.",
        "- 00:04.000 – 00:09.000 **He is back**",
    ]


def test_findings_with_fields_are_a_table_per_chunk() -> None:
    assert section(markdown(rich()), "Findings").splitlines() == [
        "### Part 1 · 00:00.000 – 00:02.250",
        "",
        "| Time | Who or what | Event | What can be seen |",
        "| --- | --- | --- | --- |",
        "| 00:00.500 | the man in the red jacket | moves | A man walks by. |",
        "| 00:00.500, 00:01.000 |  | nothing | Nothing more. |",
        "",
        "### Part 2 · 00:02.250 – 00:06.500",
        "",
        "> ⚠️ This part was not answered.",
        "",
        "### Part 3 · 00:06.500 – 00:09.000",
        "",
        "> ⚠️ The model repeated itself and was stopped.",
        "",
        "> ⚠️ of\\_tomorrow",
        "",
        "| Time | Who or what | Event | What can be seen |",
        "| --- | --- | --- | --- |",
        "| 00:06.500, 00:08.000 |  | returns | He comes back. ⚠️ *unverified: names a value that is not one of the"
        " choices* |",
    ]


def test_short_report_has_each_finding_once_with_its_fields() -> None:
    made = rich()
    text = markdown(made, appendix=False)
    assert [text.count(finding.text) for finding in made.findings] == [1, 1, 1]
    assert "- A man walks by. (00:00) · Who or what: the man in the red jacket · Event: moves" in text
    assert "He comes back. ⚠️ *unverified: names a value that is not one of the choices* (00:06, 00:08)" in text


def test_full_reports_have_labels_and_frames_once() -> None:
    # Frames are in the full report once.
    text = markdown(rich())
    assert [text.count(f"### Frame {number} ") for number in range(1, 7)] == [1] * 6
    assert "## Frames\n" not in text
    # Labels are in the language of the report.
    text = markdown(rich(field_names={"who": "对象", "kind": "事件"}), "zh")
    assert "| 时间 | 对象 | 事件 | 看到的内容 |" in text
    assert "### 第 3 部分 · 00:06.500 – 00:09.000" in text
    assert "⚠️ 模型不断重复，已被停止。" in text


def test_provenance_lists_layout_settings_and_requests() -> None:
    made = section(markdown(rich()), "How it was made")
    assert "| Layout | frames at most 448 px long · 3 parts, 4 at a time · 218 tokens a frame, counted by the" in made
    assert "| Model | some/model |\n| Engine arguments | — |\n| of\\_tomorrow | x |" in made
    assert re.findall(r"^\*\*(.*)$", made, re.MULTILINE) == [
        "Part 1 · 00:00.000 – 00:02.250** (2 frames, messages, 1,000 + 50 tokens, 2.5 s)",
        "Part 3 · 00:06.500 – 00:09.000** (2 frames, messages, 1,000 + 50 tokens, 2.5 s, asked 3 times)",
        "Merge 1** (text, 1,000 + 50 tokens, 2.5 s)",
        "Merge 2** (text, 1,000 + 50 tokens, answered before by the same model; not asked again)",
        "Summary** (text, 1,000 + 50 tokens, 2.5 s)",
    ]
    assert [made.count(f"PROMPT {number}\n") for number in (1, 5, -1, -2, 0)] == [1] * 5


def test_what_is_said_and_what_was_not_heard_is_reported() -> None:
    text = markdown(rich())
    assert "> The sound was not analysed." in text
    assert "The sound was not analysed" not in markdown(rich(), appendix=False)
    assert section(text, "Transcript").splitlines() == [
        "Transcribed by whisper; may contain errors · 1 passage",
        "",
        "- 00:01.500 – 00:02.500 Good morning.",
    ]
    assert "## Transcript" not in markdown(rich(transcript=None))
    silent = section(markdown(rich(transcript=Transcript("speech", "whisper", ())), "zh"), "文字稿")
    assert silent.splitlines() == ["由 whisper 语音识别，可能有误", "", "没有人说话。"]


def test_model_words_never_become_markup() -> None:
    said = Finding(NASTY, (1,), (NASTY,), {"kind": NASTY})
    whole = part(
        0, 1, overview=(said,), title=NASTY, chapters=(Chapter(NASTY, NASTY, 1, 0.0, 9.0),), reply=(said,),
        troubles=(NASTY,),
    )  # fmt: skip
    made = rich(
        request=AnalysisRequest(Path("/v/clip.mp4"), question=NASTY),
        chunks=(part(1, 1, findings=(said,), troubles=(NASTY,)), part(5, 5, findings=(said,))),
        summary=whole,
        transcript=Transcript("subtitles", NASTY, (Cue(0.0, 1.0, NASTY),)),
        conditions={NASTY: NASTY},
        field_names={"kind": NASTY},
    )
    text = re.sub(r"`{4,}text.*?^`{4,}$", "", markdown(made), flags=re.DOTALL | re.MULTILINE)
    assert text.count("alert(1)") > 20
    assert not re.search(r"(?<!\\)<script|(?<!\\)\[x(?<!\\)\]|(?<!\\)`c", text)
    assert "\n## heading" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows if "alert" in row} == {2, 3, 4}


# ---- JSON


def test_json_reports_title_reply_chapters_and_transcript() -> None:
    report = as_json(rich())
    assert (report["format_version"], report["title"]) == (4, "A man at the gate")
    assert report["request"]["question"] == "Who comes?"
    assert [(one["text"], one["times_seconds"]) for one in report["reply"]] == [
        ("The man in the red jacket.", [0.5, 6.5])
    ]
    assert report["chapters"] == [
        {"title": "He comes", "text": "He walks by.", "first_frame": 1, "start_seconds": 0.0, "end_seconds": 4.0}
        | {"person": None},
        {"title": "He is back", "text": "", "first_frame": 4, "start_seconds": 4.0, "end_seconds": 9.0}
        | {"person": None},
    ]
    assert report["transcript"] == {
        "source": "speech",
        "label": "whisper",
        "cues": [{"start_seconds": 1.5, "end_seconds": 2.5, "text": "Good morning."}],
    }


def test_json_holds_chunks_with_findings_and_requests() -> None:
    report = as_json(rich())
    assert report["fields"] == [{"key": "who", "name": "Who or what"}, {"key": "kind", "name": "Event"}]
    first, last = report["chunks"]
    assert [(one["part"], one["number"], one["start_seconds"], one["end_seconds"]) for one in (first, last)] == [
        (1, 1, 0.0, 2.25),
        (3, 5, 6.5, 9.0),
    ]
    assert first["findings"][0]["fields"] == [
        {"key": "kind", "name": "Event", "value": "moves"},
        {"key": "who", "name": "Who or what", "value": "the man in the red jacket"},
    ]
    assert last["subjects"] == [{"name": "the man", "look": "a red jacket"}]
    assert last["attempts"] == 3
    assert last["troubles"] == [
        {"key": "repeats", "text": "The model repeated itself and was stopped."},
        {"key": "of_tomorrow", "text": "of_tomorrow"},
    ]


def test_json_reports_layout_settings_joins_and_what_it_cost() -> None:
    report = as_json(rich())
    layout = report["layout"]
    assert (layout["side"], layout["per_part"], layout["in_flight"], layout["is_exact"]) == (448, 2, 4, True)
    assert [(one["part"], one["frames"], one["is_answered"]) for one in layout["parts"]] == [
        (1, [1, 2], True),
        (2, [3, 4], False),
        (3, [5, 6], True),
    ]
    assert report["conditions"] == {"model": "some/model", "vllm_config": "", "of_tomorrow": "x"}
    assert [(one["number"], one["recalled"]) for one in report["joins"]] == [(-1, False), (-2, True)]
    assert report["usage"] == {"prompt_tokens": 4000, "completion_tokens": 200}  # what was recalled cost nothing


def test_absent_values_are_null_or_empty_not_missing() -> None:
    bare = as_json(analysis(chunks=(), engine=None))
    assert set(bare) == set(as_json(rich()))
    assert (bare["title"], bare["transcript"], bare["layout"], bare["summary"]) == (None, None, None, None)
    assert [bare[name] for name in ("reply", "chapters", "fields", "chunks", "joins")] == [[]] * 5


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("csv", "html", "json", "markdown", "srt", "vtt"),
        *(pytest.param(name, marks=pytest.mark.thorough) for name in ("docx", "pdf")),
    ],
)
def test_ten_thousand_findings_are_a_report_too(name: str) -> None:
    def many(number: int, *frames: int) -> ChunkResult:
        return part(number, *frames, findings=tuple(found(frames)))

    def found(frames: tuple[int, ...]) -> Iterator[Finding]:
        for place in range(5_000):
            yield Finding(f"finding {place}", (frames[place % 2],), (), {"kind": "moves"} if place % 3 else {})

    text = text_of(FORMATS[name].to_bytes(rich(chunks=(many(1, 1, 2), many(5, 5, 6))), "en", appendix=True))
    assert len(re.findall(r"finding 4999\b", text)) >= 2


@pytest.mark.parametrize(
    ("zone", "shown"),
    [("UTC", "2026-11-21 22:03"), ("Asia/Shanghai", "2026-11-22 06:03"), ("America/New_York", "2026-11-21 17:03")],
)
def test_time_is_that_of_the_readers_zone(zone: str, shown: str) -> None:
    assert local_minute(UTC_TIME, ZoneInfo(zone)) == shown


def test_command_line_uses_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert local_minute(UTC_TIME) == "2026-11-22 07:03"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("created", ["yesterday", "", "0001-01-01T00:00:00+14:00"])
def test_what_cannot_be_converted_is_shown_unchanged(created: str) -> None:
    assert local_minute(created, ZoneInfo("America/New_York")) == created
