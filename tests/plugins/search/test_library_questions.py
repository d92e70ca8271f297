"""Questions over the library: moments choose the reports, the model looks at them, and "in none" is an answer."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens import config
from framelens.composition import Services, open_library
from framelens.core.errors import ConfigError, EngineError
from framelens.i18n import in_language
from framelens.jobs.asking import Asking
from framelens.jobs.library_questions import MOST_REPORTS
from framelens.jobs.stored.library_search import Moment, MomentHits, MomentQuery
from framelens.plugins.search.layout import KEY, layout_of
from framelens.plugins.search.moment_index import MomentIndex
from framelens.questions.conversation import Conversation
from tests.cards import draw_card, to_jpeg
from tests.reports.test_reports import analysis


class Library:
    """Reports of as many videos, and a search that finds what it is given; `queries` are the searches."""

    def __init__(self, services: Services, monkeypatch: pytest.MonkeyPatch, size: int = 3) -> None:
        self.services, self.queries = services, list[MomentQuery]()
        made = analysis()
        videos = [replace(made.video, name=f"video {number}.mp4") for number in range(size)]
        reports = [replace(made, id=f"report{n}00", sha256=str(n) * 64, video=video) for n, video in enumerate(videos)]
        self.ids = [services.jobs.import_report(report) for report in reports]
        self.times = [frame.time_seconds for frame in made.pictured]
        self.model, self.moments = "tiny", tuple[Moment, ...]()
        index = MomentIndex(services.store, services.jobs.library)
        monkeypatch.setattr(index, "find", self.find)
        monkeypatch.setattr(index, "catch_up", lambda cancel: None)
        object.__setattr__(services, "library_search", index)

    def find(self, query: MomentQuery) -> MomentHits:
        self.queries.append(query)
        return MomentHits(self.moments, self.model)

    def moment(self, report: int, frame: int, text: str = "") -> Moment:
        return Moment(self.ids[report], f"video {report}.mp4", self.times[frame], frame, ("seen",), 0.9, text)

    def ask(self, question: str, *about: str, has_model: bool = False) -> Conversation:
        asking = self.services.asking
        options: dict[str, Any] = {"use_model": has_model, "everywhere": not about}
        return asking.answer(question, about, cancel=threading.Event(), on_step=lambda step: None, **options)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with open_library(config.load({"FRAMELENS_DATA_DIR": str(tmp_path)})) as opened:
        yield opened


@pytest.fixture
def library(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    yield Library(services, monkeypatch)


def test_videos_with_a_thing_are_named_with_its_moments(library: Library) -> None:
    library.moments = (library.moment(2, 1), library.moment(0, 0, "a blue van turns [1]"), library.moment(2, 0))
    turn = library.ask("In which videos is a blue van?").last
    assert (library.queries[-1].words, library.queries[-1].among) == ("blue van", None)
    assert turn.state == "complete" and turn.answer.startswith("“a blue van” was found in 2 of 3 videos:")
    assert turn.answer.index("video 2.mp4:") < turn.answer.index("video 0.mp4:")
    assert "[3]: a blue van turns (1)" in turn.answer and "no model has looked" in turn.answer
    shown = [(library.ids[2], library.times[0]), (library.ids[2], library.times[1]), (library.ids[0], library.times[0])]
    assert [(frame.analysis_id, frame.time_seconds) for frame in turn.cited] == shown


def test_a_name_is_found_at_the_first_picture(library: Library) -> None:
    library.services.jobs.indexing.catch_up()
    index = MomentIndex(library.services.store, library.services.jobs.library)
    index._table.put(library.ids[0], "layout", KEY, [(0, 1.5, 0)], [layout_of(to_jpeg(draw_card("red")))])
    (found,) = [moment for moment in index.find(MomentQuery("video")).moments if moment.job_id == library.ids[0]]
    assert (found.time_seconds, found.text) == (1.5, "video 0.mp4")
    library.moments = (found,)
    with in_language("zh"):
        assert "\n\nvideo 0.mp4：\n- 00:01.500 [1]：名称里有这些字\n" in library.ask("哪些视频里有 video？").last.answer


def test_in_none_is_an_answer_and_words_alone_are_said(library: Library) -> None:
    assert "is in none of the 3 videos" in library.ask("In which videos is a blue van?").last.answer
    library.model = ""
    turn = library.ask("哪些视频里有蓝色面包车？").last
    assert "“蓝色面包车” is in none" in turn.answer and library.queries[-1].words == "蓝色面包车"
    assert [notice.key for notice in turn.notices] == ["ask_library_words"]
    assert "Nothing in the 3 reports" in library.ask("Who pays for the coffee?").last.answer
    object.__setattr__(library.services, "library_search", None)
    with pytest.raises(ConfigError, match="find_without_plugin"):
        library.ask("In which videos is a blue van?")


def test_the_model_decides_and_its_failure_leaves_the_moments(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.moments = (library.moment(0, 0), library.moment(1, 0))
    monkeypatch.setattr(Asking, "has_model", lambda self: True)
    looks = [(False, "a red car"), (True, "It is parked.")]
    monkeypatch.setattr(Asking, "_look", lambda self, thing, frames, content, cancel: iter(looks))
    turn = library.ask("In which videos is a blue van?", has_model=True).last
    assert "was found in 1 of 3 videos" in turn.answer and "[1]: It is parked." in turn.answer
    assert "video 0.mp4" not in turn.answer and "looked at the 2 likeliest moments" in turn.answer
    looks[1] = (False, "a bus")
    assert "and none shows it" in library.ask("In which videos is a blue van?", has_model=True).last.answer

    def fail(*arguments: object) -> Iterator[tuple[bool | None, str]]:
        raise EngineError("model_blind", model="words-only")

    monkeypatch.setattr(Asking, "_look", fail)
    turn = library.ask("In which videos is a blue van?", has_model=True).last
    assert "was found in 2 of 3 videos" in turn.answer and [notice.key for notice in turn.notices] == ["model_blind"]


def test_chosen_reports_alone_are_searched(library: Library) -> None:
    library.moments = (library.moment(1, 0),)
    turn = library.ask("In which videos is a blue van?", *library.ids[:2]).last
    assert library.queries[-1].among == frozenset(library.ids[:2]) and "was found in 1 of 2 videos" in turn.answer
    library.queries.clear()
    with pytest.raises(ConfigError, match="ask_needs_model"):
        library.ask("Who pays for the coffee?", *library.ids)  # a few are asked about together
    assert not library.queries


def test_many_reports_are_narrowed_for_any_question(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = Library(services, monkeypatch, MOST_REPORTS + 1)
    library.moments = (library.moment(4, 0), library.moment(7, 1))
    with pytest.raises(ConfigError, match="ask_needs_model"):
        library.ask("Who drives the red car?", *library.ids)
    (conversation,) = services.conversations.find(analysis_ids=[library.ids[4]])
    turn = services.conversations.get(conversation.id).last
    frames = [(library.ids[4], library.times[0]), (library.ids[7], library.times[1])]
    assert [(frame.analysis_id, frame.time_seconds) for frame in turn.frames] == frames
    assert turn.notices[-1].values == {"n": 2, "total": MOST_REPORTS + 1}
