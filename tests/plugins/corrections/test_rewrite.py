"""Rewriting of a report by a scripted model, which is sent no picture and must not lose a citation."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from framelens import config
from framelens.composition import Services, open_library
from framelens.core.errors import Cancelled, EngineError, InputError
from framelens.jobs.stored.corrections import Draft
from framelens.plugins.corrections.rewrite import rewrite
from tests.core.test_corrections import report
from tests.llm.scripted import Behave, Server, has_pictures, serve
from tests.reports.test_reports import NASTY

pytestmark = pytest.mark.usefixtures("english")


@contextmanager
def opened(folder: Path, behave: Behave) -> Iterator[tuple[Services, Server]]:
    with ExitStack() as stack:
        server = stack.enter_context(serve(behave))
        values = {"FRAMELENS_DATA_DIR": str(folder), "FRAMELENS_BASE_URL": server.base_url, "VLLM_MODEL_PATH": "model"}
        services = stack.enter_context(open_library(config.load(values, Path("/dev/null"))))
        services.reports.add(report())
        yield services, server


def rewritten(line: Callable[[str, str], str]) -> Behave:
    """Answer with a line for each line of the request."""

    def behave(body: dict[str, Any]) -> Iterator[str]:
        text = body["messages"][-1]["content"]
        if not isinstance(text, str):
            text = "\n".join(part.get("text", "") for part in text)
        for key, sentence in re.findall(r"^(\w+): (.+)$", text, re.MULTILINE):
            yield line(key, sentence) + "\n"

    return behave


def job_of(services: Services) -> str:
    return services.jobs.recent()[0].id


def test_sentences_are_rewritten_without_pictures_and_keep_their_frames(tmp_path: Path) -> None:
    answers = {"f2": "it happens at 7:07", "c1": "Tor ¶ Ein Auto."}
    with opened(tmp_path, rewritten(lambda key, said: f"{key}: {answers.get(key, 'short ' + key)}")) as (
        services,
        server,
    ):
        job_id = job_of(services)
        services.reports.correct(job_id, [Draft("replace", "f3", "a person's words")], author="Anna")
        made = rewrite(services, job_id, "shorter", "Anna", threading.Event())
        first, second, third = made.analysis.findings
        assert (first.text, first.frames, first.issues) == ("short f1", (1,), ())
        assert (second.frames, second.issues) == ((2,), ("own_time",))  # a time of its own is marked
        assert third.text == "a person's words"
        assert first.person and (first.person.model, first.person.name, first.person.original) == (
            "model",
            "Anna",
            NASTY,
        )
        assert made.analysis.whole and made.analysis.whole.chapters[0].title == "Tor"
        assert (made.analysis.title, made.num_rewritten, made.num_left) == ("short title", 7, 0)
        (sent,) = (body for body in server.requests if "You rewrite sentences" in str(body))
        assert not has_pictures(sent)
        undone = services.reports.correct(job_id, [Draft("undo")], author="Anna").analysis
        assert [finding.text for finding in undone.findings] == [NASTY, "later at 9:59", "a person's words"]
        again = services.reports.correct(job_id, [Draft("redo")], author="Anna").analysis
        assert again.findings == made.analysis.findings


def test_what_the_model_leaves_out_is_unchanged_and_counted(tmp_path: Path) -> None:
    with opened(tmp_path, rewritten(lambda key, said: "**f1:** a van" if key == "f1" else "nothing")) as (services, _):
        made = rewrite(services, job_of(services), "for my customer", "", threading.Event())
        assert (made.num_rewritten, made.num_left) == (1, 7)
        assert [finding.text for finding in made.analysis.findings] == ["a van", "later at 9:59", "both"]


def test_what_cannot_be_rewritten_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, rewritten(lambda key, said: "I can't help with that.")) as (services, _):
        job_id, cancel = job_of(services), threading.Event()
        with pytest.raises(EngineError, match="rewrite_unusable"):
            rewrite(services, job_id, "zh", "", cancel)
        with pytest.raises(InputError, match="rewrite_way_missing"):
            rewrite(services, job_id, " ", "", cancel)
        cancel.set()
        with pytest.raises(Cancelled):
            rewrite(services, job_id, "longer", "", cancel)
        assert services.jobs.snapshot(job_id).corrections == ()
