"""Commands with links in place of files."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cards import write_card_video
from tests.commands import Done, run_command
from tests.llm.scripted import Server, serve
from tests.video_server import Served, serving

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_text_reading")]
Run = Callable[..., Done]


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("linked") / "cards.mp4", ["red", "blue"])


@pytest.fixture
def served(cards: Path) -> Iterator[Served]:
    with serving(cards.read_bytes()) as server:
        yield server


@pytest.fixture(scope="module")
def engine() -> Iterator[Server]:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield "x" if body["max_tokens"] == 1 else "Red comes first [1]."

    with serve(behave) as server:
        yield server


@pytest.fixture
def run(tmp_path: Path, engine: Server) -> Run:
    settings = {
        "FRAMELENS_DATA_DIR": str(tmp_path / "data"),
        "FRAMELENS_BASE_URL": engine.base_url,
        "FRAMELENS_NETWORK": '{"private_networks": "127.0.0.0/8"}',
    }
    return partial(run_command, environ=settings, cwd=tmp_path)


def test_a_question_is_asked_about_a_link(run: Run, served: Served) -> None:
    url = f"{served.url}/good/cards.mp4"
    done = run("ask", url, "Which colour is first?", "--frames", 2, "--json")
    assert done.returncode == 0, done.stderr
    assert "Red comes first" in done.stdout
    assert "cards.mp4" in done.stderr
    sent = served.sent
    again = run("ask", url, "And then?", "--frames", 2)
    assert again.returncode == 0 and "Red comes first" in again.stdout and served.sent == sent
    refused = run("ask", f"{served.url}/expired/a.mp4", "Why?")
    assert refused.returncode == 6 and "HTTP 403" in refused.stderr
    alone = run("ask", url)
    assert alone.returncode == 2 and "Traceback" not in alone.stderr


def test_a_batch_takes_a_list_with_links(run: Run, served: Served, cards: Path, tmp_path: Path) -> None:
    lines = ["# films", f"{served.url}/good/one.mp4", f"{served.url}/gone/two.mp4", str(cards), "http://10.0.0.1/a.mp4"]
    (tmp_path / "films.txt").write_text("\n".join(lines), encoding="utf-8")
    done = run("batch", "films.txt", "--no-model", "--output", "results", "--json")
    (summary,) = (tmp_path / "results").glob("summary.json")
    found = json.loads(summary.read_text(encoding="utf-8"))
    assert [one["state"] for one in found["videos"]] == ["without_model"], done.stderr
    assert done.returncode == 6 and "same content" in done.stderr
    for text in ("HTTP 404", "10.0.0.1"):
        assert text in done.stderr and text in json.dumps(found)


def test_an_address_needs_no_scheme(run: Run, tmp_path: Path, cards: Path) -> None:
    missing = run("keyframes", "www.cards.invalid/a.mp4")
    assert missing.returncode == 6 and "The host www.cards.invalid was not found" in missing.stderr
    (tmp_path / "www.cards.mp4").write_bytes(cards.read_bytes())
    assert run("keyframes", "www.cards.mp4", "--json").returncode == 0  # a file of that name
