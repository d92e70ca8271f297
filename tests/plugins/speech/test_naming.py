"""People name the speakers of a report and merge them; the names are wherever the words are."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pysubs2
import pytest

from framelens import config
from framelens.analysis.inputs.transcription import Transcription
from framelens.composition import Services, open_services
from framelens.core.domain import Analysis, Cue, Transcript
from framelens.core.errors import InputError
from framelens.i18n import in_language
from framelens.i18n.formatting import attributed
from framelens.jobs.stored.library_entries import passages
from framelens.jobs.stored.speakers import SpeakerSummary
from framelens.questions.retrieval.scores import passages_of
from framelens.reports.formats import FORMATS
from framelens.reports.json.reader import read
from framelens.store.extraction_cache import ExtractionStore
from tests.plugins.speech.test_commands import framelens
from tests.reports.content.test_labels import rich

CUES = (
    Cue(0.0, 1.0, "Hello.", 1),
    Cue(1.0, 2.0, "Good day.", 2),
    Cue(2.0, 2.5, "And {you}, me?", 3),
    Cue(2.5, 3.0, "?"),
)
HEARD = Transcript("speech", "Whisper small", CUES, ("", "", ""), speakers_guessed=True)


def spoken() -> Analysis:
    return replace(rich(), transcript=HEARD)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Services]:
    services = open_services(config.load({"FRAMELENS_DATA_DIR": str(tmp_path)}))
    yield services
    services.close()


def named(services: Services, job_id: str, **names: str) -> Transcript:
    services.reports.name_speakers(job_id, names)
    analysis = services.jobs.snapshot(job_id).analysis
    assert analysis and analysis.transcript
    return analysis.transcript


def test_two_with_one_name_are_one_until_it_is_taken_back(opened: Services) -> None:
    job_id = opened.jobs.import_report(spoken())
    merged = named(opened, job_id, A="Anna", C="  Anna\n", b="王伟")
    assert merged.speakers == ("Anna", "王伟", "Anna")
    assert [cue.text for cue in attributed(merged)] == ["Anna: Hello.", "王伟: Good day.", "Anna: And {you}, me?", "?"]
    split = named(opened, job_id, C="")
    assert attributed(split)[2].text == "Speaker C: And {you}, me?" and attributed(split)[0].text == "Anna: Hello."
    assert [one.num_cues for one in SpeakerSummary.all_of(split)] == [1, 1, 1]


def test_names_are_searched_asked_about_and_exported(opened: Services) -> None:
    job_id = opened.jobs.import_report(spoken())
    named(opened, job_id, B="Anna")
    job = opened.jobs.snapshot(job_id)
    assert job.analysis
    said = [one.text for one in passages(job) if one.kind == "said"]
    assert said == ["Hello.", "Anna: Good day.", "And {you}, me?", "?"]
    assert "Anna: Good day." in [one.text for one in passages_of("x", job.analysis)]
    for name in ("html", "markdown", "transcript_srt", "transcript_vtt", "transcript_ass"):
        written = FORMATS[name].to_bytes(job.analysis, "zh", appendix=True).decode()
        assert "Anna" in written and "说话人 A" in written, name
    assert "3 位说话人，人数为推测" in FORMATS["markdown"].to_bytes(job.analysis, "zh", appendix=True).decode()


def test_subtitles_have_speakers_where_a_format_has_a_place(opened: Services) -> None:
    heard = HEARD.with_names(("Anna, <b>", "", ""))
    made = replace(spoken(), transcript=heard)
    vtt = FORMATS["transcript_vtt"].write(made, "en").decode()
    assert "<v Anna, &lt;b&gt;>Hello." in vtt and "<v Speaker B>Good day." in vtt and "\n?\n" in vtt
    ass = pysubs2.SSAFile.from_string(FORMATS["transcript_ass"].write(made, "en").decode())
    assert [(one.name, one.plaintext) for one in ass][:3] == [
        ("Anna  <b>", "Hello."),
        ("Speaker B", "Good day."),
        ("Speaker C", "And (you), me?"),
    ]
    assert ass[1].end - ass[1].start == 1000


def test_a_json_report_keeps_speakers_and_is_as_before_without(opened: Services) -> None:
    made = replace(spoken(), transcript=HEARD.with_names(("Anna", "", "")))
    again = read(FORMATS["json"].write(made, "en"), name="x")
    assert again.transcript == made.transcript
    plain = json.loads(FORMATS["json"].write(rich(), "en"))["transcript"]
    assert set(plain) == {"source", "label", "cues"} and set(plain["cues"][0]) == {
        "start_seconds",
        "end_seconds",
        "text",
    }


def test_wrong_names_are_refused_in_a_sentence(opened: Services) -> None:
    job_id = opened.jobs.import_report(spoken())
    for names, key in (({"D": "x"}, "speaker_unknown"), ({"A": "x" * 61}, "speaker_name_long")):
        with pytest.raises(InputError) as caught:
            named(opened, job_id, **names)
        assert caught.value.key == key
    with pytest.raises(InputError) as caught:
        named(opened, opened.jobs.import_report(replace(rich(), id="other-report")), A="x")
    assert caught.value.key == "speakers_absent"


def test_names_are_kept_and_prompted(opened: Services, tmp_path: Path) -> None:
    # Names are kept for another analysis.
    analysis = spoken()
    named(opened, opened.jobs.import_report(analysis), A="Anna")
    kept = Transcription(None, ExtractionStore(opened.settings.data_dir / "surveys"))
    assert kept.names_of(analysis.sha256, 3) == ("Anna", "", "") and kept.names_of(analysis.sha256, 2) == ()
    # A prompt has the speakers in its language.
    with in_language("zh"):
        assert attributed(HEARD)[0].text == "说话人 A：Hello."


@pytest.mark.slow
def test_the_command_lists_and_names_speakers(opened: Services, tmp_path: Path) -> None:
    job_id = opened.jobs.import_report(spoken())
    environment = {"FRAMELENS_DATA_DIR": str(tmp_path), "LANG": "C.UTF-8"}
    done = framelens(environment, "transcript", job_id, "--name", "A=Anna", "--name", "B=Anna")
    assert done.returncode == 0, done.stderr
    assert [line.split("  ")[:2] for line in done.stdout.splitlines()] == [["A", "Anna"], ["B", "Anna"], ["C", "–"]]
    listed = json.loads(framelens(environment, "transcript", job_id, "--list-speakers", "--json").stdout)
    assert [one["name"] for one in listed] == ["Anna", "Anna", ""]
    wrong = framelens(environment, "transcript", job_id, "--name", "Anna")
    assert wrong.returncode == 2 and "A=Anna" in wrong.stderr
