"""Questions and answers of conversations in every format: complete, inert, and read back from JSON."""

import json
import re
from dataclasses import replace
from io import BytesIO
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from pypdf import PdfReader

from framelens.core.domain import (
    Analysis,
    Notice,
    ReportedAnswer,
    ReportedConversation,
    ReportedPicture,
    ReportedSearch,
    Usage,
)
from framelens.core.errors import InputError
from framelens.core.evidence import Interval, Moments, Point, VoteSample
from framelens.jobs.stored.report_import import reports_of
from framelens.reports.content.document import Heading, Paragraph, plain_text
from framelens.reports.content.questions import answer_to_question
from framelens.reports.formats import FORMATS, all_files, files_of
from framelens.reports.json import reader
from scripts import write_report_schema
from tests.cards import draw_card, to_jpeg
from tests.reports.reading import text_of
from tests.reports.test_reports import analysis

pytestmark = pytest.mark.usefixtures("english")
NASTY = (
    "<script>alert(1)</script> ![x](http://evil.example/a.png) [l](javascript:alert(1)) www.evil.example"
    " | # *b* `c`\n## heading\n- an item [1]\n=SUM(A1)\n\u202eturned"
)
BLUE, GREEN, YELLOW = (to_jpeg(draw_card(colour)) for colour in ("blue", "green", "yellow"))


def searched() -> ReportedSearch:
    def interval(start: int, end: int, **changes: object) -> Interval:
        first, last, after = (Point(number, number / 25) for number in (start, end, end + 1))
        return Interval(first, last, None, after, first, 9, 1, 0.9, **changes)  # type: ignore[arg-type]

    samples = tuple(VoteSample(number, number / 25, (number + 1) / 25, 0.9, 1) for number in range(0, 220, 20))
    found = (interval(50, 74), interval(150, 150, issues=("borders", "flicker")))
    moments = Moments("job", "a <b>red</b> card", 0.0, 9.0, samples, contrary={50: 0.1}, intervals=found)
    return ReportedSearch(replace(moments, widest_gap_seconds=0.84, rounds=3, seconds=2.5, ended="complete"))


def talked() -> ReportedConversation:
    first = ReportedAnswer(
        "Who is at the door?",
        "2026-11-22T15:04:00+00:00",
        "A man [1] is at the door.\nHe leaves [2]; a dog [5] and a cat [6] follow, as in [7].",
        "complete",
        versions=3,
        reasoning="The user asks about a door.",
        images=(7,),
        cited=(1, 2, 5, 6, 7),
        mode="messages",
        pictures=(1, 2, 7),
        model="some/model",
        usage=Usage(123, 45),
        seconds=3.21,
        settings={"temperature": 0.6, "seed": None, "system_prompt": "Be brief."},
        searches=(
            searched(),
            ReportedSearch(replace(searched().moments, intervals=(), ended="frames"), "yard.mp4"),
        ),
    )
    second = ReportedAnswer(
        NASTY,
        "2026-11-22T15:05:00+00:00",
        NASTY,
        "stopped",
        why=Notice("ask_stopped", level="info"),
        notices=(Notice("ask_frames_left_out", {"why": Notice("ask_full", {"tokens": 4096}), "frames": "3, 4"}),),
        cited=(1,),
        unknown_frames=(99,),
        own_times=("9:59",),
        mode="text",
        described=(1, 2),
        model="other/model",
    )
    third = ReportedAnswer("Why?", "", "", "failed", why=Notice("engine_empty_answer", {}, "error", "error"))
    pictures = (
        ReportedPicture(1, 0.0, keyframe=1),
        ReportedPicture(2, 4.0, keyframe=2),
        ReportedPicture(5, 2.5, jpeg=BLUE),
        ReportedPicture(6, 1.25, video="yard.mp4", jpeg=GREEN),
        ReportedPicture(7, name="<b>my</b> photo.png", jpeg=YELLOW),
    )
    answers = (first, second, third)
    return ReportedConversation("talk01", NASTY, "2026-11-22T15:04:00+00:00", "en", answers, ("yard.mp4",), pictures)


def asked(**changes: object) -> Analysis:
    made = analysis(conversations=(talked(),), **changes)
    return replace(made, video=replace(made.video, name="clip.mp4"))


def written(name: str, made: Analysis | None = None) -> bytes:
    return FORMATS[name].to_bytes(made or asked(), "en", appendix=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["html", "markdown", "pdf", "docx"])
def test_readable_formats_say_all_about_an_answer(name: str) -> None:
    text = re.sub(r"<[^>]*>", "", text_of(written(name))) if name == "html" else text_of(written(name))
    text = " ".join(text.replace("\\", "").replace("&#39;", "'").split())
    for said in (
        "Questions and answers",
        "Who is at the door?",
        "A man [1] is at the door.",
        "2 other versions",
        "also about yard.mp4",
        "some/model",
        "other/model",
        "3 pictures sent",
        "Temperature 0.6",
        "Be brief.",
        "123 + 45 tokens",
        "Stopped. The answer so far is kept.",
        "frames that don't exist: 99",
        "9:59",
        "frames 3, 4 were left out",
        "no pictures (text mode)",
        "The engine returned an empty answer",
        "00:02.500",
        "yard.mp4 00:01.250",
        "Search for a",
        "00:03.000 (1.00 s)",
        "50 – 74",
        "9 of 10 frames",
        "not known to the frame, the answers change within it",
    ):
        assert said in text, said


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_report_without_conversations_has_no_such_section(name: str) -> None:
    made = asked()
    if FORMATS[name].fits(made):
        plain = written(name, made.without_conversations())
        assert plain == written(name, replace(made, conversations=()))
        assert b"Questions and answers" not in plain and b'"conversations"' not in plain


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_reports_name_no_engine_and_no_folder(name: str) -> None:
    values = {"base_url": "http://10.1.2.3:8000/v1", "reason": "GET http://10.1.2.3:8000/v1/models failed"}
    unreachable = Notice("engine_unreachable", values, "error", "error")
    failed = replace(talked().answers[0], state="failed", why=unreachable, notices=(unreachable,))
    gone = Notice("video_not_found", {"path": "/home/ann/film.mp4"}, "error", "error")
    notices = (gone, Notice("facts_incomplete", {"reason": unreachable}))
    made = asked(notices=notices)
    data = written(name, replace(made, conversations=(replace(talked(), answers=(failed,)),)))
    assert "10.1.2.3" not in text_of(data) and "/home/ann" not in text_of(data)


def test_answers_stay_text_in_html() -> None:
    text = written("html").decode()
    assert "<script>" not in text and "<b>my</b>" not in text and "javascript:alert(1)" in text
    assert not re.findall(r'(?:href|src)="(?!#|\./clip\.mp4#t=|data:image/jpeg)', text)
    assert "[U+202E]turned" in text


def test_answers_stay_text_in_markdown() -> None:
    text = written("markdown").decode()
    section = text[text.rindex("## Questions") : text.index("## Frames and measurements")]
    tokens = MarkdownIt("commonmark").enable("table").parse(section)
    inside = [child for token in tokens for child in token.children or ()]
    assert {token.tag for token in tokens if token.type == "heading_open"} == {"h2", "h3"}
    assert not [one for one in inside if one.type in ("link_open", "html_inline")]
    assert not [token for token in tokens if token.type in ("html_block", "bullet_list_open")]
    assert [token.type for token in tokens].count("table_open") == 1  # the search's table
    sources = [str(one.attrs["src"]) for one in inside if one.type == "image"]
    assert sources and all(re.match(r"[^/]+-frames-[0-9a-f]{8}/", source) for source in sources)
    assert r":\//evil" in section


def test_pictures_of_markdown_lie_beside_it() -> None:
    report, *pictures = files_of("markdown", asked(), "en", "a.md", appendix=True)
    used = {unquote(one) for one in re.findall(r"!\[[^\]]*\\?\][^(]*\(([^)]+-frames-[^)]+)\)", report.data.decode())}
    assert used == {picture.name for picture in pictures}
    assert {BLUE, GREEN, YELLOW} <= {picture.data for picture in pictures}


def test_thumbnails_lead_to_their_moments_in_html() -> None:
    text = written("html").decode()
    section = text[text.index('id="questions"') : text.index('id="frames"')]
    assert section.count('href="./clip.mp4#t=0.000"') == 4 and section.count('href="./clip.mp4#t=4.000"') == 2
    assert section.count("<img ") == 7
    assert 'href="./clip.mp4#t=2.500"' in section and "#t=1.250" not in section


@pytest.mark.slow
def test_pdf_holds_the_pictures() -> None:
    images = sum(len(page.images) for page in PdfReader(BytesIO(written("pdf"))).pages)
    plain = sum(len(page.images) for page in PdfReader(BytesIO(written("pdf", analysis()))).pages)
    assert images >= plain + 3


def test_label_names_every_model_that_wrote() -> None:
    report = json.loads(written("json"))
    assert "answers" in report["ai_label"] and "some/model, other/model" in report["ai_label"]
    assert "other/model" in report["aigc"]["ContentProducer"]
    measured = asked(chunks=(), engine=None, notices=(Notice("no_model"),))
    assert b"No model has seen" not in written("html", measured)
    assert b"No model has seen" in written("html", measured.without_conversations())
    assert "some/model" in json.loads(written("json", measured))["ai_label"]
    for name in ("vtt", "srt"):
        assert b"other/model" not in written(name)


@pytest.mark.slow
def test_json_holds_the_conversation_and_is_read_back() -> None:
    import jsonschema  # it takes two seconds, and each worker imports every test file

    made = asked()
    document = json.loads(written("json", made))
    jsonschema.validate(document, write_report_schema.schema(), cls=jsonschema.Draft202012Validator)
    back = reader.read(written("json", made), name="a.json")
    assert back.conversations == made.conversations
    for name in ("html", "markdown"):
        assert written(name, back) == written(name, made)
    from framelens.reports.json import writer

    assert b"base64" not in writer.without_pictures(made, "en")


@pytest.mark.slow
def test_import_checks_pictures_of_conversations() -> None:
    data = written("json")
    (back,) = reports_of([("a.json", BytesIO(data))])
    assert back.conversations == asked().conversations
    broken = json.loads(data)
    broken["conversations"][0]["pictures"][2]["picture"] = "data:image/jpeg;base64,/9j/AAAA"
    with pytest.raises(InputError, match="report_bad_picture"):
        list(reports_of([("a.json", BytesIO(json.dumps(broken).encode()))]))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda one: one["pictures"].append(one["pictures"][0]), "report_doubled"),
        (lambda one: one["pictures"][0].update(time_seconds=1e300), "report_bad_time"),
        (lambda one: one["answers"][1]["why"].update(key="nothing"), "report_unknown_notice"),
        (lambda one: one["answers"][0].update(state="odd"), "report_damaged"),
        (lambda one: one["answers"][0].update(settings={"temperature": {}}), "report_damaged"),
    ],
)
def test_damaged_conversations_are_refused(change: object, key: str) -> None:
    document = json.loads(written("json"))
    change(document["conversations"][0])  # type: ignore[operator]
    with pytest.raises(InputError, match=key):
        reader.read(json.dumps(document).encode(), name="a.json")


@pytest.mark.slow
def test_whole_bundle_is_written_with_conversations() -> None:
    for language in ("en", "zh"):
        names = [file.name for file in all_files(asked(), language, "clip")]  # type: ignore[arg-type]
        assert len(set(names)) == len(names)


def test_answer_that_is_being_written_is_not_called_stopped() -> None:
    def shown(why: Notice | None, *, is_live: bool) -> list[str]:
        answer = ReportedAnswer("When?", "", "", "stopped" if why is None else "failed", why=why)
        given = ReportedConversation("a", "When?", "", "en", (answer,))
        blocks = answer_to_question(given, (), is_live=is_live)
        return [plain_text(block.line) for block in blocks if isinstance(block, Heading | Paragraph)]

    refused = Notice("ask_repeats")
    assert shown(None, is_live=True) == []
    assert shown(None, is_live=False) == ["Answer", "The answer was stopped."]
    assert shown(refused, is_live=True) == shown(refused, is_live=False) != []
