"""Frames described in words are described by all their facts, which an answer with pictures doesn't wait for."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from framelens.analysis.prompts.templates import Templates
from framelens.config import load
from framelens.core.background_task import in_thread
from framelens.core.errors import Cancelled
from framelens.jobs.asking import Asking
from framelens.jobs.engine_session import SharedParts
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.questions.answer_queue import AnswerQueues
from framelens.questions.conversation import AnswerDraft, AskSettings, Conversation
from framelens.questions.repository import ConversationRepository
from framelens.questions.request_answer import RequestAnswerer
from framelens.questions.retrieval.select import RetrievalTools
from framelens.store.database import open_store
from tests.analysis.requests.test_orchestrator import introducing
from tests.analysis.test_pipeline import extracting, tools
from tests.jobs.working import REQUEST, ScriptedSession, ended, jobs_in, until
from tests.llm.scripted import Refuse, has_pictures, serve

QUESTION = "Which colours are there?"
LOOK = cast(RetrievalTools, SimpleNamespace(extractions=None, stills=None, embeddings=None))


@dataclass
class Held:
    """Facts of all frames but the first, held back until the question is asked in the form that is answered.

    Attributes:
        sees: Whether the engine takes pictures with a question; it says so only then, and facts follow.
        seconds: How long facts are held back where it takes no pictures.
        refused: Set once it has said so.
        before: How many frames were measured when the question was asked.
        sent: The question's messages.
    """

    sees: bool
    seconds: float = 0.5
    refused: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    measured: int = 0
    before: list[int] = field(default_factory=list)
    sent: str = ""

    def measure(self, number: int) -> None:
        if number > 1:
            self.asked.wait(60 if self.sees else self.seconds)
        self.measured = number

    def behave(self, body: dict[str, Any]) -> Iterator[str]:
        if body["max_tokens"] == 1 or "response_format" in body:
            yield from introducing(body)
            return
        if has_pictures(body) and not self.sees:
            self.refused.set()
            raise Refuse(400, "model is not a multimodal model")
        self.before.append(self.measured)
        self.sent = json.dumps(body["messages"])
        self.asked.set()
        yield "Red."

    def check(self, answer: str) -> None:
        """Check that the answer waited for facts if it rests on them, and only then."""
        assert answer == "Red." and self.before == [1 if self.sees else 4]
        assert self.sent.count("much change since the previous frame") == (0 if self.sees else 3), self.sent


@pytest.mark.slow
@pytest.mark.parametrize("sees", [True, False])
def test_question_of_an_analysis(sees: bool, tmp_path: Path) -> None:
    held, store = Held(sees), open_store(tmp_path)
    with serve(held.behave) as server:
        answerer = RequestAnswerer(ConversationRepository(store), AnswerQueues(), LOOK)
        made = replace(tools(server, extract=extracting(4, held.measure)), answerer=answerer)
        with jobs_in(tmp_path, made) as jobs:
            job = ended(jobs, jobs.submit(replace(REQUEST, question=QUESTION), name="clip.mp4"))
    store.close()
    assert job.analysis and job.analysis.question_answer, job.error
    held.check(job.analysis.question_answer.answer)


class AskedSession(ScriptedSession):
    """An engine session whose engine is asked about videos, too."""

    settings = load({"FRAMELENS_BASE_URL": "http://127.0.0.1:9/v1"})
    engine = None

    @property
    def connector(self) -> Any:
        return self.tools.connector

    def retrieval(self, stills: object) -> RetrievalTools:
        return LOOK


@contextmanager
def measuring(held: Held, folder: Path) -> Iterator[tuple[Asking, AnswerDraft]]:
    """What answers questions, and a question about a report of which three frames are still being measured."""
    switchers: list[EngineSwitcher[Any]] = []

    def switcher(session: ScriptedSession) -> EngineSwitcher[Any]:
        switchers.append(EngineSwitcher(AskedSession(session.tools, session.conditions)))
        return switchers[0]

    with (
        serve(held.behave) as server,
        closing(open_store(folder)) as store,
        jobs_in(folder, tools(server, extract=extracting(4, held.measure)), switcher=switcher) as jobs,
    ):
        job_id = jobs.submit(REQUEST, name="clip.mp4")
        until(jobs, job_id, lambda job: job.state == "measuring")
        asking = Asking(jobs, switchers[0], Templates(), SharedParts(store))
        yield asking, AnswerDraft(Conversation.begun_about([job_id], "en").with_question(QUESTION, AskSettings()))


@pytest.mark.slow
@pytest.mark.parametrize("sees", [True, False])
def test_question_about_a_report_in_the_making(sees: bool, tmp_path: Path) -> None:
    held = Held(sees)
    with measuring(held, tmp_path) as (asking, draft):
        for _ in asking.ask(draft, threading.Event()):
            pass
    held.check(draft.turn.answer)


@pytest.mark.slow
def test_question_that_waits_for_facts_is_stopped(tmp_path: Path) -> None:
    held, stop = Held(sees=False, seconds=60), threading.Event()
    with measuring(held, tmp_path) as (asking, draft):
        answer = in_thread("asks", lambda: list(asking.ask(draft, stop)))
        held.refused.wait(60)
        stop.set()
        with pytest.raises(Cancelled):
            answer.result(60)
        held.asked.set()
    assert draft.turn.state == "stopped" and held.before == []
