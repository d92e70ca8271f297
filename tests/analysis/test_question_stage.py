"""The stage of a run that answers its question: before the description, once the frames are known."""

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from framelens.analysis.task import EarlierResults
from framelens.core.analysis_state import AnalysisState
from framelens.core.domain import Analysis, AnswerState, Notice, ReportedAnswer, ReportedConversation
from framelens.core.errors import AppError, EngineBrokeOff
from framelens.core.events import AnswerChanged, VideoEvent
from framelens.video.keyframes.options import ExtractOptions
from tests.analysis.requests.test_orchestrator import introducing
from tests.analysis.test_faults import Mortal, opener
from tests.analysis.test_pipeline import extracting, finished, info, request, run, tools
from tests.jobs.working import CONTEXT
from tests.llm.scripted import saying, serve


@dataclass
class ScriptedAnswerer:
    """Answers with these events or errors, a list for each time that it is asked."""

    scripts: list[list[AnswerChanged | AppError]]
    begins: Callable[[], None] = lambda: None
    asked: list[Analysis] = field(default_factory=list)

    def reads_screen(self, question: str) -> bool:
        return True

    def answer(self, analysis: Analysis, *_: object) -> Generator[AnswerChanged, None, None]:
        self.asked.append(analysis)
        self.begins()
        for one in self.scripts.pop(0):
            if isinstance(one, AppError):
                raise one
            yield one


def said(text: str, state: AnswerState = "stopped", why: Notice | None = None) -> AnswerChanged:
    answer = ReportedAnswer("When?", "", text, state, why=why)
    return AnswerChanged(ReportedConversation("a", "When?", "", "en", (answer,)), is_over=state != "stopped")


def test_engine_that_dies_in_the_answer_is_restarted() -> None:
    with serve(introducing) as server:
        mortal = Mortal(server)
        broken = EngineBrokeOff("engine_unreachable", base_url="u", reason="gone")
        scripts: list[list[AnswerChanged | AppError]] = [[said(""), broken], [said("At 3 s.", "complete")]]
        answerer = ScriptedAnswerer(scripts, lambda: mortal.dead.set() if mortal.starts == 1 else None)
        made = replace(tools(server, connector=opener(server, engine=mortal)), answerer=answerer)
        events, error = run(request(question="When?"), made)
    whole = finished(events)
    assert error is None and mortal.starts == 2 and len(answerer.asked) == 2
    assert whole.question_answer and whole.question_answer.answer == "At 3 s." and whole.brief == "At 3 s."
    assert "engine_restarted" in {notice.key for notice in whole.notices}
    assert all(len(one.facts) == len(one.keyframes) and one.sha256 == "digest" for one in answerer.asked)


def test_answer_of_an_earlier_run_is_kept() -> None:
    with serve(introducing) as server:
        kept = said("At 3 s.", "complete").answer
        answerer = ScriptedAnswerer([])
        made = replace(tools(server), answerer=answerer)
        events, error = run(request(question="When?"), made, done=EarlierResults(AnalysisState(answer=kept)))
    assert error is None and answerer.asked == [] and finished(events).answer == kept


def test_report_without_answer_and_description_is_unusable() -> None:
    with serve(saying("x " * 2000)) as server:
        answerer = ScriptedAnswerer([[said("x x x", "failed", Notice("ask_repeats"))]])
        events, error = run(request(question="When?"), replace(tools(server), answerer=answerer))
    assert error is None and finished(events).outcome == "no_usable_answer" and finished(events).brief == ""


@pytest.mark.slow
def test_question_has_no_opening() -> None:
    def extract(path: Path, wanted: ExtractOptions, cancel: threading.Event) -> Iterator[VideoEvent]:
        assert wanted.opening is None
        yield from extracting(12)(path, wanted, cancel)

    with serve(introducing, context=CONTEXT) as server:
        long = {"probe": lambda path: replace(info(path), duration_seconds_from_header=600.0), "extract": extract}
        answerer = ScriptedAnswerer([[said("No.", "complete")]])
        made = replace(tools(server, 12, **long), answerer=answerer)
        events, error = run(request(question="Who?", frames=12), made)
    assert error is None and finished(events).outcome == "done"
