"""Every time in a report comes from the decoder: checked against a decoding here, whatever the model says."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest

from framelens.core.domain import Analysis, Cue, Language, Transcript
from framelens.core.events import VideoEvent
from framelens.core.units import clock
from framelens.reports.content.labels import clocks
from framelens.reports.formats import FORMATS
from framelens.video import extractor
from framelens.video.extractor import probe
from framelens.video.keyframes.options import ExtractOptions
from tests.analysis.test_pipeline import finished, request, run, statement, tools
from tests.llm.scripted import serve
from tests.media import moving, write_video

SHOTS, FRAMES_EACH = 6, 16
CUES = (Cue(0.331, 1.117, "Look at that."), Cue(2.043, 3.009, "There it goes."))
OWN_TIMES = ("at 12:34", "at 0:59:07", "from 07:11 on")
"""What no frame of the video bears out."""
MARK = re.compile(r"'text': '\[\D*(\d+)\D* · ")
CLOCK = re.compile(r"(?<![\d:T+-])\d{1,2}(?::\d{2}){1,2}(?:\.\d+)?")
"""Clocks, but for the hour at which the report was made, which stands in a date."""


def chattering(body: dict[str, Any]) -> Iterator[str]:
    """A model that puts times of its own wherever it may write."""
    marks = [int(number) for number in MARK.findall(str(body["messages"][-1]["content"]))]
    about = marks or [1]
    said = [{**statement(f"It turns {OWN_TIMES[n % 3]}.", n), "who": "a square"} for n in about[:-1]]
    findings = [*said, {**statement("It moves.", about[-1]), "kind": "moves", "where": f"left {OWN_TIMES[0]}"}]
    overview = [statement(f"All begins {OWN_TIMES[1]}.", *about), statement("A square crosses.", *about)]
    whole = {
        "title": f"A square {OWN_TIMES[0]}",
        "overview": overview,
        "chapters": [
            {"first_frame": 1, "title": "First", "text": f"It comes {OWN_TIMES[2]}."},
            {"first_frame": 4, "title": "Later", "text": "It goes."},
        ],
        "reply": [statement(f"It leaves {OWN_TIMES[0]}.", 2), statement("It leaves to the right.", 2, 3)],
    }
    yield json.dumps({"findings": findings, "overview": overview, "subjects": []} if marks else whole)


def extract(path: Path, wanted: ExtractOptions, cancel: threading.Event) -> Iterator[VideoEvent]:
    yield from extractor.extract(
        path,
        ExtractOptions(wanted.frames, selection=wanted.selection, opening=wanted.opening, read_text=False),
        cancel=cancel,
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video whose frames come at uneven times."""
    images = (image for shot in range(SHOTS) for image in moving(FRAMES_EACH, seed=shot))
    times, now = [], 0.0
    for number in range(SHOTS * FRAMES_EACH):
        times.append(now)
        now += (0.041, 0.067, 0.053)[number % 3]
    return write_video(tmp_path_factory.mktemp("times") / "film.mp4", images, times=times)


@pytest.fixture(scope="module", params=["en", "zh"])
def analysis(request: pytest.FixtureRequest, path: Path) -> Analysis:
    return analysed(path, request.param)


def analysed(path: Path, language: Language) -> Analysis:
    """A real run on the video, except for the model: in several parts, merged, with the speech beside it."""
    transcript = Transcript("subtitles", "film.srt", CUES)
    asked = request(frames=12, template="log", language=language, question="When does it leave?")
    with serve(chattering, context=400) as server:
        heard = SimpleNamespace(transcribe=lambda *_, **__: (transcript, ()))
        made = replace(tools(server, extract=extract, probe=probe), transcription=heard)
        return finished(run(with_path(asked, path), made)[0])


def with_path(asked: Any, path: Path) -> Any:
    return type(asked)(**{**vars(asked), "path": path})


def decoded_times(path: Path) -> set[float]:
    """When each frame is shown, and when the last frame ends, counted from the first."""
    with av.open(str(path)) as container:
        spans = [(frame.time or 0.0, float(frame.duration * frame.time_base)) for frame in container.decode(video=0)]
    start = spans[0][0]
    return {time - start for time, _ in spans} | {spans[-1][0] + spans[-1][1] - start}


def known_times(analysis: Analysis) -> set[float]:
    cues = {edge for cue in CUES for edge in (cue.start_seconds, cue.end_seconds)}
    return decoded_times(analysis.video.path) | cues


@pytest.mark.slow
def test_the_run_has_everything_that_holds_times(analysis: Analysis) -> None:
    assert len(analysis.chunks) > 1 and analysis.summary and analysis.transcript
    assert analysis.summary.chapters and analysis.summary.reply and analysis.summary.title
    assert any(finding.issues for chunk in analysis.chunks for finding in chunk.findings)


@pytest.mark.slow
def test_markdown_times_are_decoded_or_marked(analysis: Analysis) -> None:
    allowed = {clock(seconds) for seconds in known_times(analysis)}
    text = FORMATS["markdown"].to_bytes(analysis, analysis.request.language, appendix=True).decode()
    allowed |= {
        shown for seconds in known_times(analysis) for shown in (*clocks([seconds]), *clocks([seconds], digits=1))
    }
    marked, plain = [], []
    for line in re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "", text).splitlines():
        sentence, is_marked, _ = line.partition("⚠️ *")
        (marked if is_marked else plain).append(sentence)
    found = [found for line in plain for found in CLOCK.findall(line)]
    assert len(found) > 40
    assert [one for one in found if one not in allowed] == []
    foreign = {one for line in marked for one in CLOCK.findall(line) if one not in allowed}
    assert foreign == {"12:34", "0:59:07", "07:11"}


def test_every_number_of_seconds_in_json_is_the_decoders(analysis: Analysis) -> None:
    report = json.loads(FORMATS["json"].write(analysis, analysis.request.language))
    allowed = {round(seconds, 6) for seconds in known_times(analysis)}
    places = ("keyframes", "shots", "chapters", "overview", "reply", "transcript", "chunks", "summary", "layout")
    found = [seconds for place in places for seconds in seconds_in(report[place])]
    assert len(found) > 60
    assert [seconds for seconds in found if round(seconds, 6) not in allowed] == []


def seconds_in(value: Any, key: str = "") -> Iterator[float]:
    """The numbers under keys that end in "_seconds"."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from seconds_in(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from seconds_in(one, key)
    elif key.endswith("_seconds"):
        yield value


def test_what_names_a_time_of_its_own_is_not_verified_in_json(analysis: Analysis) -> None:
    report = json.loads(FORMATS["json"].write(analysis, analysis.request.language))
    chunks = [finding for chunk in report["chunks"] for finding in (*chunk["findings"], *chunk["overview"])]
    said = [*report["overview"], *report["reply"], *chunks]
    with_clock = [one for one in said if CLOCK.search(one["text"] + "".join(f["value"] for f in one["fields"]))]
    assert with_clock and all(not one["verified"] for one in with_clock)
    assert not CLOCK.search(report["title"]) and not any(CLOCK.search(one["text"]) for one in report["chapters"])
