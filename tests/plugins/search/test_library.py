"""The library and questions with a server of embeddings, and without the plugin or its setting."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from framelens import config
from framelens.cli import main
from framelens.composition import open_library
from framelens.reports.formats import FORMATS
from framelens.video.stills import Stills
from tests.loopback import Handler, scripted
from tests.reports.test_reports import analysis


class Server:
    base_url = ""


class OneMeaning(Handler):
    """A model for which all texts mean the same."""

    def do_POST(self) -> None:
        texts = json.loads(self.body())["input"]
        self.send_json(200, {"data": [{"index": place, "embedding": [1.0, 0.5]} for place in range(len(texts))]})


@pytest.fixture
def url() -> Iterator[str]:
    with scripted(OneMeaning, Server()) as server:
        yield server.base_url


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    path.write_bytes(FORMATS["json"].write(analysis(), "en"))
    return path


def run(*arguments: object) -> int:
    return main.main([str(argument) for argument in arguments])


def searched(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    assert run("library", "search", "submarine", "--json", "--language", "en") == 0
    written = capsys.readouterr()
    return json.loads(written.out), written.err


def test_library_is_searched_by_meaning(
    url: str,
    report: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    use_plugins: Callable[..., None],
) -> None:
    assert run("library", "import", report) == 0
    monkeypatch.setenv("FRAMELENS_EMBEDDING", f"{url} any")
    found, _ = searched(capsys)
    assert found["total"] == 1 and found["analyses"][0]["hits"]
    use_plugins()
    assert searched(capsys)[0]["total"] == 0


def test_without_an_answer_words_alone_count(
    report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("library", "import", report) == 0
    monkeypatch.setenv("FRAMELENS_EMBEDDING", "http://127.0.0.1:1/v1")
    found, message = searched(capsys)
    assert found["total"] == 0 and "Searched by words alone" in message


def test_setting_opens_search_and_embedder(tmp_path: Path) -> None:
    def opened(**environ: str) -> tuple[bool, bool]:
        settings = config.load({"FRAMELENS_DATA_DIR": str(tmp_path), **environ}, tmp_path / "no.env")
        with open_library(settings) as services:
            stills = Stills()
            embeddings = services.switcher.session.retrieval(stills).embeddings
            stills.close()
            return services.library_search is not None, embeddings is not None

    assert opened(FRAMELENS_EMBEDDING="http://127.0.0.1:1/v1") == (True, True)
    assert opened() == (True, False)
