"""Documents made in a child process: the same bytes as here, and an end for what takes too much."""

from dataclasses import replace

import pytest

from framelens.core.domain import Analysis
from framelens.core.errors import InputError
from framelens.i18n import LANGUAGES, error_text
from framelens.reports import document_worker
from framelens.reports.docx import report as docx
from framelens.reports.formats import FORMATS, all_files
from framelens.reports.pdf import report as pdf
from tests.reports.test_reports import analysis

pytestmark = pytest.mark.own_start  # limits of time and memory count from the start


@pytest.mark.slow
def test_document_is_the_one_that_its_writer_makes() -> None:
    assert FORMATS["pdf"].write(analysis(), "zh") == pdf.write(analysis(), "zh")
    assert FORMATS["docx"].write(analysis(), "zh") == docx.write(analysis(), "zh")


def refusal(name: str, made: Analysis) -> str:
    with pytest.raises(InputError) as caught:
        FORMATS[name].write(made, "en")
    for language in LANGUAGES:
        assert name.upper() in error_text(caught.value, language)
    return caught.value.key


@pytest.mark.parametrize("name", ["pdf", "docx"])
def test_document_that_takes_too_long_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_worker, "_SECONDS", 0.01)
    assert refusal(name, analysis()) == "document_too_heavy"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pdf", "docx"])
def test_document_without_enough_memory_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_worker, "_MEMORY_BYTES", 100 << 20)
    first, *rest = analysis().keyframes
    heavy = replace(analysis(), keyframes=(replace(first, jpeg=bytes(128 << 20)), *rest))
    assert refusal(name, heavy) == "document_too_heavy"


@pytest.mark.slow
def test_bug_of_a_writer_is_no_refusal() -> None:
    with pytest.raises(RuntimeError):
        document_worker.write("odt", "framelens.reports.odt:write", analysis(), "en")


@pytest.mark.slow
def test_all_formats_come_without_those_that_are_too_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_worker, "_SECONDS", 0.01)
    files = {file.name: file.data for file in all_files(analysis(), "zh", "clip")}
    assert {"clip.html", "clip.md", "clip.json"} <= files.keys() and not {"clip.pdf", "clip.docx"} & files.keys()
    missing = {line.split(":")[0] for line in files["clip.missing.txt"].decode().splitlines()}
    assert {"clip.pdf", "clip.docx"} <= missing
