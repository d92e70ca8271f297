"""Rewriting of a report by a scripted model, which is sent no picture and must not lose a citation."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens import config
from framelens.composition import Services, open_library, open_services
from framelens.core.errors import Cancelled, EngineError, InputError
from framelens.i18n import error_text
from framelens.jobs.stored.corrections import Draft
from framelens.plugins.corrections.rewrite import rewrite
from tests.conftest import ENGINE_ARGUMENTS
from tests.core.test_corrections import report
from tests.llm.scripted import Behave, HangUp, Server, has_pictures, serve
from tests.reports.test_corrected_reports import answered
from tests.reports.test_reports import NASTY

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "make_writing_model.py"
pytestmark = pytest.mark.usefixtures("english")


@contextmanager
def opened(folder: Path, behave: Behave, **options: str) -> Iterator[tuple[Services, Server]]:
    with ExitStack() as stack:
        server = stack.enter_context(serve(behave, **options))
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


@pytest.mark.parametrize(
    ("line", "issues"),
    [
        (lambda key, said: f"{key}: {said.replace(' [2]', '')} in short", ("own_time",)),  # a citation is dropped
        (lambda key, said: f"{key}: five of them", ("new_number",)),
        (lambda key, said: f"{key}: 12 of them at 3:33", ("own_time", "new_number")),
        (lambda key, said: f"{key}: 那里有一辆白色的面包车" if key == "f2" else f"{key}: a van", None),
    ],
)
def test_what_a_rewriting_adds_or_loses_is_marked_or_kept(
    line: Callable[[str, str], str], issues: tuple[str, ...] | None, tmp_path: Path
) -> None:
    with opened(tmp_path, rewritten(line)) as (services, _):
        job_id = services.reports.add(replace(answered(), id="answered-1"))
        before = services.reports.get(job_id)
        made = rewrite(services, job_id, "shorter", "", threading.Event())
        assert before and [finding.frames for finding in made.analysis.findings] == [(1,), (2,), (1, 2)]
        assert made.analysis.question_answer and made.analysis.question_answer.cited == (1, 2)
        assert made.analysis.question_answer.searches == before.question_answer.searches  # type: ignore[union-attr]
        assert made.analysis.conversations[0].answers[1:] == before.conversations[0].answers[1:]
        second = made.analysis.findings[1]
        if issues is None:  # in another language than the report's
            assert (second.text, second.person, made.num_left) == ("later at 9:59", None, 1)
        else:
            assert (second.issues, made.num_left) == (issues, 0)
        undone = services.reports.correct(job_id, [Draft("undo")]).analysis
        assert replace(undone, corrections=None) == before


def hang_up(body: dict[str, Any]) -> Iterator[str]:
    yield "f1: a van\nf2: half a sen"
    raise HangUp


@pytest.mark.parametrize(
    ("behave", "way", "key"),
    [
        (rewritten(lambda key, said: ""), "shorter", "rewrite_unusable"),
        (rewritten(lambda key, said: f"{key}: a white van arrives"), "zh", "rewrite_wrong_language"),
        (hang_up, "shorter", "engine_broke_off"),
    ],
)
def test_a_useless_answer_is_named_and_changes_nothing(behave: Behave, way: str, key: str, tmp_path: Path) -> None:
    with opened(tmp_path, behave) as (services, _):
        job_id = job_of(services)
        services.reports.correct(job_id, [Draft("replace", "f3", "a person's words")], author="Anna")
        with pytest.raises(EngineError, match=key) as refused:
            rewrite(services, job_id, way, "", threading.Event())
        assert error_text(refused.value)
        assert [entry.text for entry in services.jobs.snapshot(job_id).corrections] == ["a person's words"]


def test_of_an_answer_that_is_cut_off_the_whole_lines_count(tmp_path: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield "f1: a van\nf2: half a sen"

    with opened(tmp_path, behave, finish="length") as (services, _):
        made = rewrite(services, job_of(services), "longer", "", threading.Event())
        assert [finding.text for finding in made.analysis.findings] == ["a van", "later at 9:59", "both"]
        assert (made.num_rewritten, made.num_left) == (1, 7)


@pytest.mark.engine
def test_a_real_engine_rewrites_a_report(tmp_path: Path) -> None:
    lines = (
        "f1: a van",
        "**f2**: 那里有一辆白色的面包车",
        "s1: 12 vans",
        "c1: Gate ¶ Shut.",
        "Is there anything else?",
    )
    command = [sys.executable, str(SCRIPT), "--out", str(tmp_path / "model"), *lines]
    subprocess.run(command, check=True, capture_output=True)
    values = {
        "FRAMELENS_DATA_DIR": str(tmp_path / "data"),
        "VLLM_MODEL_PATH": str(tmp_path / "model"),
        "FRAMELENS_DEVICE": "cpu",
        "VLLM_CONFIG": json.dumps(
            {name: value for name, value in ENGINE_ARGUMENTS.items() if name != "limit_mm_per_prompt"}
        ),
    }
    with closing(open_services(config.load(values, Path("/dev/null")), adopts=False)) as services:
        job_id = services.reports.add(report())
        made = rewrite(services, job_id, "shorter", "Anna", threading.Event())
        first, second, third = made.analysis.findings
        assert (first.text, first.frames, second.text, third.text) == ("a van", (1,), "later at 9:59", "both")
        assert next((said.text, said.issues) for said in made.analysis.overview) == ("12 vans", ("new_number",))
        assert made.analysis.whole and made.analysis.whole.chapters[0].text == "Shut."
        assert (made.num_rewritten, made.num_left) == (3, 5)
        undone = services.reports.correct(job_id, [Draft("undo")], author="Anna").analysis
        assert undone.findings == report().findings and undone.overview == report().overview
