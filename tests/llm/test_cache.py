import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.outputs import Generation

from framelens.core.domain import Usage
from framelens.llm import cache
from framelens.llm.cache import AnswerCache
from framelens.llm.stream import Reply

REPLY = Reply("1: red", "stop", Usage(10, 3))


def picture(data: str) -> list[HumanMessage]:
    return [HumanMessage([{"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}])]


@pytest.mark.slow
def test_cache_returns_answer_for_same_model_and_messages(tmp_path: Path) -> None:
    answers = AnswerCache(tmp_path / "new" / "answers.sqlite", "model a")
    answers.remember(picture("AAAA"), REPLY)
    assert AnswerCache(tmp_path / "new" / "answers.sqlite", "model a").recall(picture("AAAA")) == REPLY
    assert answers.recall(picture("AAAB")) is None
    assert AnswerCache(tmp_path / "new" / "answers.sqlite", "model b").recall(picture("AAAA")) is None


@pytest.mark.slow
def test_answers_of_earlier_versions_are_not_used(tmp_path: Path) -> None:
    answers = AnswerCache(tmp_path / "answers.sqlite", "model")
    with answers._open_cache() as stored:
        key = cache._digest(picture("AAAA"), None, "")
        stored.update(key, "model", [Generation(text="draft</think>", generation_info={"usage": None})])
    assert answers.recall(picture("AAAA")) is None


def test_an_answer_that_was_cut_off_is_asked_again(tmp_path: Path) -> None:
    answers = AnswerCache(tmp_path / "answers.sqlite", "model")
    answers.remember(picture("AAAA"), Reply("1: re", "length", None))
    assert answers.recall(picture("AAAA")) is None


def test_unusable_cache_file_costs_only_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "answers.sqlite").write_text("this is no database")
    answers = AnswerCache(tmp_path / "answers.sqlite", "model")
    answers.remember(picture("AAAA"), REPLY)
    assert answers.recall(picture("AAAA")) is None
    assert "answers.sqlite" in caplog.text


def test_jobs_may_open_a_new_file_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    begin = threading.Barrier(8)

    def ask(number: int) -> Reply | None:
        answers = AnswerCache(tmp_path / "answers.sqlite", f"model {number}")
        begin.wait()
        return answers.recall(picture("AAAA"))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))) == [None] * 8
    assert "cannot be read" not in caplog.text


@pytest.mark.slow
def test_cache_stays_below_its_limit_without_oldest(tmp_path: Path) -> None:
    path, limit = tmp_path / "answers.sqlite", 256 << 10
    unbounded = AnswerCache(path, "model")
    for number in range(30):
        unbounded.remember(picture(f"{number}"), Reply("a" * 20_000, "stop", None))
    assert path.stat().st_size > limit
    answers = AnswerCache(path, "model", limit_bytes=limit)
    for number in range(30, 60):
        answers.remember(picture(f"{number}"), Reply("a" * 20_000, "stop", None))
        assert path.stat().st_size <= limit
    kept = [number for number in range(60) if answers.recall(picture(f"{number}"))]
    assert len(kept) >= 6 and kept == list(range(60 - len(kept), 60))


def test_warnings_of_the_package_are_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "langchain_community"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(cache, "_logged", set())
    for number in range(3):
        answers = AnswerCache(tmp_path / "answers.sqlite", f"model {number}")
        answers.remember(picture("AAAA"), REPLY)
        assert answers.recall(picture("AAAA")) == REPLY
    assert caplog.text.count("no longer actively maintained") == 1
    assert caplog.text.count("`allowed_objects`") == 1


def test_no_connection_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    answers = AnswerCache(path, "model")
    answers.remember(picture("AAAA"), REPLY)
    assert answers.recall(picture("AAAA")) == REPLY
    assert str(path) not in {file.path for file in psutil.Process().open_files()}


def test_answers_are_not_given_to_other_users(tmp_path: Path) -> None:
    answers = AnswerCache(tmp_path / "answers.sqlite", "model")
    answers.remember(picture("AAAA"), REPLY, owner="u1")
    assert answers.recall(picture("AAAA"), owner="u1") == REPLY
    assert answers.recall(picture("AAAA"), owner="u2") is None and answers.recall(picture("AAAA")) is None
