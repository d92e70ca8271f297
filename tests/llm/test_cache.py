from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from langchain_core.messages import HumanMessage

from app.core.domain import Usage
from app.llm.cache import AnswerCache
from app.llm.stream import Reply

REPLY = Reply("1: red", "stop", Usage(10, 3))


def picture(data: str) -> list[HumanMessage]:
    return [HumanMessage([{"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}])]


def test_cache_returns_answer_for_same_model_and_messages(tmp_path: Path) -> None:
    answers = AnswerCache(tmp_path / "new" / "answers.sqlite", "model a")
    answers.remember(picture("AAAA"), REPLY)
    assert AnswerCache(tmp_path / "new" / "answers.sqlite", "model a").recall(picture("AAAA")) == REPLY
    assert answers.recall(picture("AAAB")) is None
    assert AnswerCache(tmp_path / "new" / "answers.sqlite", "model b").recall(picture("AAAA")) is None


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


def test_no_connection_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    answers = AnswerCache(path, "model")
    answers.remember(picture("AAAA"), REPLY)
    assert answers.recall(picture("AAAA")) == REPLY
    assert str(path) not in {file.path for file in psutil.Process().open_files()}
