import json
import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from framelens.core.domain import (
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
from framelens.reports.content.builder import document
from framelens.reports.content.document import Heading, Table, plain_text
from framelens.reports.files import zipped
from framelens.reports.formats import FORMATS, all_files, files_of, format_of
from framelens.reports.text import markdown
from framelens.reports.text.markdown import escape
from tests.cards import draw_card, to_jpeg

pytestmark = pytest.mark.usefixtures("english")

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
                1,
                (ScreenText(NASTY, 0.9, (0.0, 0.0, 1.0, 1.0)),),
                (ColourArea("red", (255, 0, 0), 0.9, "all"),),
                0.5,
                9,
                None,
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


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_is_written_in_both_languages(name: str, language: str) -> None:
    for made in (analysis(), analysis(chunks=(), engine=None, facts=())):
        assert FORMATS[name].write(made, language) or not FORMATS[name].fits(made)  # type: ignore[arg-type]


def test_banners_and_doubts_are_where_they_belong() -> None:
    # The banner is before everything else in markdown.
    lines = [line for line in FORMATS["markdown"].write(analysis(), "zh").decode().splitlines() if line]
    assert lines[0].startswith("# ")
    assert lines[2].startswith("> ⚠️ Messages 格式不支持，使用文本模式")
    # Unverified statements are marked wherever they stand.
    text = FORMATS["markdown"].write(analysis(), "en").decode()
    assert "later at 9:59 ⚠️ *unverified: names a time that does not match its frames*" in text
    assert "made up ⚠️ *unverified: cites no frame*" in text
    assert "it all (00:00, 00:04)" in text


@pytest.mark.parametrize("name", ["html", "markdown", "json"])
def test_the_assumed_encoding_of_subtitles_is_named(name: str) -> None:
    notice = Notice("subtitles_encoding", {"name": "film.srt", "encoding": "Shift-JIS"})
    for language in ("en", "zh"):
        text = FORMATS[name].write(analysis(notices=(notice,)), language).decode()
        assert "Shift" in text and "film" in text


def test_words_from_outside_can_not_become_markup() -> None:
    text = FORMATS["markdown"].to_bytes(analysis(), "en", appendix=True).decode()
    outside_prompt = re.sub(r"`{4,}text.*?^`{4,}$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)<script", outside_prompt)
    assert not re.search(r"(?<!\\)\[x(?<!\\)\]", outside_prompt)
    assert "\n## heading" not in outside_prompt
    assert text.count("`````") == 2  # a prompt with a fence of its own gets a longer fence


def test_pictures_lie_beside_the_text_where_it_refers_to_them() -> None:
    report, *pictures = files_of("markdown", analysis(), "en", "a.md")
    used = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", report.data.decode())
    assert [unquote(name) for name in used] == [picture.name for picture in pictures]
    assert re.fullmatch(r"evil\) # .+-frames-[0-9a-f]{8}", pictures[0].name.split("/")[0])
    assert [name.split("/")[1] for name in used] == ["001_00-00.000.jpg", "002_00-04.000.jpg"]
    assert [picture.data for picture in pictures] == [frame.jpeg for frame in analysis().keyframes]


def test_reports_of_several_analyses_can_lie_in_one_place() -> None:
    folders = {picture.name.split("/")[0] for one in ("a", "b") for picture in markdown.pictures(analysis(id=one))}
    assert len(folders) == 2


@pytest.mark.slow
def test_bundle_holds_each_file_once_and_is_reproducible() -> None:
    names = [file.name for file in all_files(analysis(), "en", "clip")]
    assert len(set(names)) == len(names)
    fitting = {f"clip{form.suffix}" for form in FORMATS.values() if form.fits(analysis())}
    assert fitting | {"clip.contact-sheet.jpg"} <= set(names)
    assert zipped(all_files(analysis(), "en", "clip")) == zipped(all_files(analysis(), "en", "clip"))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_ending_of_a_file_reports_its_format(name: str) -> None:
    assert format_of(f"Clip.Report{FORMATS[name].suffix}") == format_of(f"CLIP{FORMATS[name].suffix.upper()}") == name


def test_markdown_reads_alike_in_another_parser() -> None:
    """markdown-it-py reads CommonMark with tables, as most that show Markdown do."""
    reported = document(analysis(), appendix=True)
    text = FORMATS["markdown"].to_bytes(analysis(), "en", appendix=True).decode()
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    shown = [said(after) for token, after in pairwise(tokens) if token.type == "heading_open"]
    assert shown == [
        one_line(reported.title),
        *(one_line(plain_text(b.line)) for b in reported.blocks if isinstance(b, Heading)),
        "Appendix",
        *(one_line(plain_text(b.line)) for b in reported.appendix if isinstance(b, Heading)),
    ]
    cells = [said(after) for token, after in pairwise(tokens) if token.type == "td_open"]
    tables = [block for block in reported.appendix if isinstance(block, Table)]
    assert cells == [one_line(plain_text(cell)) for table in tables for row in table.rows for cell in row]
    (label,) = [token.content for token in tokens if token.type == "html_block"]
    assert json.loads(label.removeprefix("<!--").strip().removesuffix("-->"))["AIGC"]["ProduceID"] == "job"


def test_the_label_for_machines_cannot_end_its_comment() -> None:
    made = analysis(engine=EngineInfo("vllm", "--><script>", "", "0.32.0", 4096, True))
    *_, label = FORMATS["markdown"].write(made, "en").decode().splitlines()
    assert label.count("-->") == 1 and label.endswith("-->")
    assert "(--><script>)" in json.loads(label[4:-3])["AIGC"]["ContentProducer"]
    assert "AIGC" not in FORMATS["markdown"].write(analysis(chunks=(), engine=None), "en").decode()


def said(token: Token) -> str:
    """The words of an inline token."""
    return one_line("".join(child.content or " " for child in token.children or () if child.type != "image"))


def one_line(text: str) -> str:
    return " ".join(text.split())


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
