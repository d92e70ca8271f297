"""Questions that text and speech answer without a model, on a drawn video whose truth is known."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import framelens
from framelens.core.domain import FrameFacts, Notice, ScreenText
from framelens.core.errors import ConfigError
from framelens.core.evidence import Moments, VoteSample
from framelens.i18n import in_language
from framelens.questions.moments.text_voter import FrameTextReader
from framelens.questions.moments.timeline import intervals_of, strip, unread_between
from framelens.reports.formats import FORMATS
from framelens.reports.json import reader as json_reader
from tests.llm.scripted import serve
from tests.reports.test_reports import analysis
from tests.thorough import first_of

pytestmark = pytest.mark.slow
FONT = Path(framelens.__file__).parent / "fonts" / "FrameLensSans-Regular.otf"
RATE = 10
PAGES: tuple[tuple[tuple[str, ...], int], ...] = (
    (("Welcome", "Biology"), 20),
    (("Welcome", "Biology", "Protein folding"), 13),
    (("Cells and tissue", "光合作用"), 21),
    (("Photo-", "synthesis"), 11),
    ((), 15),
)
SUBTITLES = """1
00:00:01,000 --> 00:00:02,500
Now open the

2
00:00:02,500 --> 00:00:04,250
valve slowly.

3
00:00:05,000 --> 00:00:06,000
The valve closes. 阀门关了。
"""


def draw_page(lines: Sequence[str]) -> Image.Image:
    page = Image.new("RGB", (640, 360), (250, 250, 245))
    for number, line in enumerate(lines):
        font = ImageFont.truetype(str(FONT), 40)
        ImageDraw.Draw(page).text((50, 40 + 70 * number), line, font=font, fill=(20, 20, 40))
    return page


def write_pages(path: Path, pages: Iterable[tuple[Sequence[str], int]], rate: int = RATE) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for lines, count in pages:
            frame = av.VideoFrame.from_ndarray(np.asarray(draw_page(lines)), format="rgb24")
            for _ in range(count):
                frame.pts = None
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_pages(tmp_path_factory.mktemp("text") / "pages.mp4", PAGES)
    path.with_suffix(".srt").write_text(SUBTITLES, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text-data")
    framelens.analyse(video, frames=4, use_model=False, data_dir=folder, language="en")
    return folder


def ask(video: Path, data: Path, question: str, **options: object) -> framelens.Turn:
    return framelens.ask(video, question, use_model=False, data_dir=data, language="en", **options).last  # type: ignore[arg-type]


def spans(turn: framelens.Turn) -> list[tuple[float, float]]:
    moments = turn.evidence.moments if turn.evidence else ()
    return [(one.start_seconds, one.end_seconds) for found in moments for one in found.intervals]


@pytest.mark.parametrize(
    ("question", "expected", "read"),
    [
        ("when does *protein* stand on the screen?", [(2.0, 3.3)], "Protein folding"),
        ("什么时候出现“光合作用”？", [(3.3, 5.4)], "光合作用"),
        ("When does the word photosynthesis appear?", [(5.4, 6.5)], "synthesis"),
    ],
)
def test_words_are_found_to_the_frame(
    question: str, expected: list[tuple[float, float]], read: str, video: Path, data: Path
) -> None:
    turn = ask(video, data, question)
    assert spans(turn) == expected and turn.state == "complete" and not turn.model
    assert read in turn.answer and len(turn.cited) == 2 and turn.cited[0].time_seconds == expected[0][0]
    assert not turn.own_times and not turn.unknown_frames


def test_absent_words_are_no_certain_no(video: Path, data: Path) -> None:
    turn = ask(video, data, "Does “carbon” appear on the screen?")
    assert spans(turn) == [] and turn.answer.startswith("“carbon” is not on any of the frames read (")
    assert turn.evidence and turn.evidence.moments[0].widest_gap_seconds <= 0.11


def test_words_on_a_single_frame_are_found(tmp_path: Path) -> None:
    pages = [((f"Counter {number}", "of thirty"), 1) for number in range(30)]
    path = write_pages(tmp_path / "counter.mp4", pages, rate=30)
    turn = ask(path, tmp_path, "When does “Counter 17” stand on the screen?")
    assert spans(turn) == [pytest.approx((17 / 30, 18 / 30), abs=0.001)]
    assert turn.evidence and len(turn.evidence.moments[0].samples) == 30


def test_text_at_a_moment_is_read_there(video: Path, data: Path) -> None:
    turn = ask(video, data, "What is written at 0:02.5?")
    assert "Protein folding" in turn.answer and "Cells" not in turn.answer
    assert [ref.time_seconds for ref in turn.cited] == [2.5]


def test_all_text_is_listed_once(video: Path, data: Path) -> None:
    turn = ask(video, data, "What does the sign say?")
    assert turn.answer.count("Protein folding") == 1 and "光合作用" in turn.answer and "only a model" in turn.answer


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("When does she say *valve*?", [(2.5, 4.25), (5.0, 6.0)]),
        ("她什么时候说到“阀门”？", [(5.0, 6.0)]),
        ("When is “open the valve” said?", [(1.0, 4.25)]),
        ("When is carbon mentioned?", []),
    ],
)
def test_words_are_found_in_the_speech(
    question: str, expected: list[tuple[float, float]], video: Path, data: Path
) -> None:
    turn = ask(video, data, question)
    assert spans(turn) == expected and turn.state == "complete"
    assert [ref.time_seconds for ref in turn.cited] == [start for start, _ in expected]


def test_speech_at_a_moment_is_quoted(video: Path, data: Path) -> None:
    turn = ask(video, data, "What does she say at 0:05?")
    assert "The valve closes." in turn.answer and "00:05.000–00:06.000" in turn.answer and not turn.own_times


def test_question_for_eyes_says_so(video: Path, data: Path) -> None:
    for question in ("What colour is the car?", "When does a dog appear?"):
        with pytest.raises(ConfigError) as raised:
            ask(video, data, question)
        assert raised.value.key == "ask_needs_model"


def test_part_for_eyes_is_named(video: Path, data: Path) -> None:
    turn = ask(video, data, "When does “protein” appear? What colour is the car?")
    assert spans(turn) == [(2.0, 3.3)]
    assert [notice.values for notice in turn.notices if notice.key == "ask_part_needs_model"] == [
        {"question": "What colour is the car?"}
    ]


def test_model_is_asked_only_about_words_that_are_not_known(video: Path, data: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield "x" if body["max_tokens"] == 1 else "No text [1]."

    with serve(behave) as server, framelens.Session(base_url=server.base_url, data_dir=data, language="en") as one:
        found = one.ask(video, "When does “protein” appear on the screen?").last
        assert spans(found) == [(2.0, 3.3)] and not found.model and not server.requests
        spoken = one.ask(video, "When does she say valve?").last
        assert spans(spoken) == [(2.5, 4.25), (5.0, 6.0)] and not server.requests
        one.ask(video, "What is written at 0:02.5?")
        assert server.requests


def test_report_without_a_model_has_the_answer(video: Path, tmp_path: Path) -> None:
    made = framelens.analyse(
        video, "when does *protein* stand on the screen?", 4, use_model=False, data_dir=tmp_path, language="en"
    )
    assert made.question_answer and made.outcome == "done" and made.engine is None
    assert made.brief == "“protein” is on the screen once: 00:02.000–00:03.300"
    text = FORMATS["markdown"].write(made, "en").decode()
    assert "00:02.000–00:03.300" in text and "Protein folding" in text
    read = json_reader.read(FORMATS["json"].write(made, "en"), name="report.json")
    assert read.answer == made.answer
    for name in ("html", "docx", "pdf"):
        assert FORMATS[name].write(made, "zh")


def test_machine_without_recognition_says_so() -> None:
    class Missing:
        missing = Notice("text_not_read", {"reason": "gone"})

        def want(self, jpegs: Sequence[bytes]) -> None:
            pass

        def read(self, jpeg: bytes) -> tuple[()]:
            return ()

    page = BytesIO()
    draw_page(["Welcome"]).save(page, "JPEG")
    with pytest.raises(framelens.InputError) as raised, in_language("en"):
        FrameTextReader(Missing()).texts(page.getvalue())  # type: ignore[arg-type]
    assert raised.value.key == "text_unreadable" and "gone" in str(raised.value)


def test_text_of_keyframes_is_not_read_again() -> None:
    keyframe = analysis().keyframes[0]
    page = BytesIO()
    draw_page(["Welcome"]).save(page, "JPEG", quality=85)
    known = replace(
        analysis(),
        keyframes=(replace(keyframe, jpeg=page.getvalue()),),
        facts=(FrameFacts(keyframe.number, (ScreenText("Welcome", 0.9, (0, 0, 1, 1)),), (), 0.5, 10.0, None),),
    )
    page = BytesIO()
    draw_page(["Welcome"]).save(page, "JPEG", quality=90)
    reader = FrameTextReader(Unused())  # type: ignore[arg-type]
    reader.learn(known)
    assert [text.text for text in reader.texts(page.getvalue())] == ["Welcome"]


class Unused:
    def want(self, jpegs: Sequence[bytes]) -> None:
        pytest.fail("a known picture was read")


def test_unchanged_picture_is_not_read_again() -> None:
    class Reading:
        missing = None
        num_read = 0

        def want(self, jpegs: Sequence[bytes]) -> None:
            self.num_read += len(list(jpegs))

        def read(self, jpeg: bytes) -> tuple[()]:
            return ()

    def jpeg(lines: Sequence[str], quality: int) -> bytes:
        out = BytesIO()
        draw_page(lines).save(out, "JPEG", quality=quality)
        return out.getvalue()

    reading = Reading()
    reader = FrameTextReader(reading)  # type: ignore[arg-type]
    for lines, quality in ((["Total 17"], 90), (["Total 17"], 95), (["Total 11"], 90), (["Total 17"], 92)):
        reader.texts(jpeg(lines, quality))
    assert reading.num_read == 2


def readings(turn: framelens.Turn) -> set[int]:
    (moments,) = turn.evidence.moments if turn.evidence else ()
    return {sample.frame_index for sample in moments.samples}


@pytest.mark.parametrize("is_new", first_of([True, False]), ids=["new conversation", "same conversation"])
def test_asking_again_takes_over_the_readings(is_new: bool, video: Path, tmp_path: Path) -> None:
    question = "When does *Protein folding* stand on the screen?"
    with framelens.Session(data_dir=tmp_path, language="en") as one:
        first = one.ask(video, question, use_model=False, search_frames=5)
        again = one.ask(video if is_new else first, question, use_model=False, search_frames=5).last
        whole = one.ask(video, question, use_model=False).last
    assert "ceiling of frames" in first.last.answer and "ceiling of frames" in again.answer
    assert readings(first.last) < readings(again) < readings(whole)
    assert len(readings(again) - readings(first.last)) == 5
    assert spans(whole) == [(2.0, 3.3)]


def test_unread_gap_joins_no_readings() -> None:
    def sample(seconds: float, probability: float) -> VoteSample:
        return VoteSample(round(seconds * RATE), seconds, seconds + 0.1, probability, 1)

    read = (sample(600.0, 0.0), sample(619.0, 0.99), sample(619.5, 0.99), sample(639.0, 0.99), sample(658.0, 0.0))
    found = Moments("a", "valve", 0.0, 1200.0, read, ended="seconds", by="text")
    first, second = intervals_of(found)
    assert (first.times, second.times) == ("10:19.000–10:19.600", "10:39.000–10:39.100")
    assert all("borders" in one.issues for one in (first, second))
    assert unread_between((first, second)) == [(619.6, 639.0)]
    assert strip(replace(found, intervals=(first, second)), 1200)[615:642] == "    █" + " " * 19 + "█" + "  "
    alone = replace(found, samples=(sample(1100.0, 0.99),))
    assert [one.times for one in intervals_of(alone)] == ["18:20.000–18:20.100"], "the rest was not read"
    dense = replace(found, samples=tuple(sample(10 + 0.4 * step, 0.99) for step in range(9)), end_seconds=13.4)
    assert [one.issues for one in intervals_of(dense)] == [("borders", "letters")]
