"""Videos of pages: their text reaches the model with the pictures, and no answer takes their outline away."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from framelens.core.domain import Boundary, BoundaryType, DecodeSummary, FrameFacts, ScreenText, Shot
from framelens.core.events import FactsMeasured, KeyframesChosen, Probed, VideoEvent
from framelens.core.outline import outline_of
from framelens.reports.formats import FORMATS
from tests.analysis.test_pipeline import answering_per_frame, finished, info, keyframes, request, run, tools
from tests.llm.scripted import saying, serve

PAGES = (
    ("Rivers of Europe", "The Danube rises in the Black Forest", "It ends in the Black Sea"),
    ("Rivers of Asia", "The Yangtze is the longest river there", "It ends in the East China Sea"),
)


def page(lines: tuple[str, ...]) -> tuple[ScreenText, ...]:
    heights = (0.1, 0.06, 0.06)
    return tuple(
        ScreenText(line, 0.99, (0.1, 0.1 + 0.2 * place, 0.1 + 0.02 * len(line), 0.1 + 0.2 * place + height))
        for place, (line, height) in enumerate(zip(lines, heights, strict=True))
    )


def lecture(kind: BoundaryType = "page", read: Callable[[], object] = lambda: None) -> Callable[..., Iterator[Any]]:
    """Four frames of two pages; `read` is called before their text is known."""

    def extract(path: Path, *_: object) -> Iterator[VideoEvent]:
        shots = (Shot(1, 0.0, 4.0), Shot(2, 4.0, 9.0))
        yield Probed(info(path))
        decode = DecodeSummary(225, 9.0, False, "pyav", shots, (Boundary(4.0, 4.0, kind),))
        yield KeyframesChosen(keyframes(4), decode)
        read()
        for number in range(1, 5):
            yield FactsMeasured(FrameFacts(number, page(PAGES[number > 2]), (), 0.5, 10.0, None))

    return extract


def prompt_of(server: Any) -> str:
    content = server.requests[-1]["messages"][-1]["content"]
    return str(content[-1]["text"])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pages_are_sent_with_their_text(language: Any) -> None:
    with serve(answering_per_frame) as server:
        made = finished(
            run(request(language=language), tools(server, extract=lecture(read=lambda: time.sleep(0.3))))[0]
        )
        text = prompt_of(server)
    for lines in PAGES:
        assert text.count(" / ".join(lines)) == 1
    assert made.mode == "messages" and " / ".join(PAGES[0]) in made.chunks[0].prompt


def test_films_are_asked_about_before_text_is_read() -> None:
    answered = threading.Event()

    def answering(body: dict[str, Any]) -> Iterator[str]:
        answered.set()
        yield from answering_per_frame(body)

    with serve(answering) as server:
        made = tools(server, extract=lecture("cut", lambda: answered.wait(20)))
        assert finished(run(request(), made)[0]).findings
        assert "Danube" not in prompt_of(server)


@pytest.mark.parametrize("answer", ["", "I don't know.", "same same " * 200, json.dumps({"findings": []})])
def test_unusable_answer_leaves_the_outline(answer: str) -> None:
    with serve(saying(answer)) as server:
        made = finished(run(request(), tools(server, extract=lecture()))[0])
    assert [chapter.title for chapter in outline_of(made).chapters] == [lines[0] for lines in PAGES]
    for name in ("markdown", "html", "json"):
        report = FORMATS[name].to_bytes(made, "en").decode()
        assert all(line in report for lines in PAGES for line in lines)
