"""Tests of `framelens transcript`: subtitles with their times, without an analysis."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from framelens import config
from framelens.cli.main import main
from framelens.composition import open_library
from framelens.jobs import transcripts
from tests.cards import write_card_video
from tests.spoken import tone, write_spoken

CUES = "1\n00:00:00,500 --> 00:00:01,500\nRed\ncard.\n\n2\n00:00:02,000 --> 00:00:03,000\nBlue.\n"


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)  # reports go there
    return write_card_video(tmp_path / "film.mp4", ["red", "blue"])


@pytest.mark.slow
def test_lines_have_the_times_of_subtitles_beside(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film.with_suffix(".srt").write_text(CUES)
    assert main(["transcript", str(film)]) == 0
    out = capsys.readouterr()
    assert out.out == "00:00.500  Red card.\n00:02.000  Blue.\n" and "film.srt" in out.err
    assert main(["transcript", str(film), "--json", "--start", "1.5"]) == 0
    cue = {"start_seconds": 2.0, "end_seconds": 3.0, "text": "Blue."}
    assert json.loads(capsys.readouterr().out) == {"source": "subtitles", "label": "film.srt", "cues": [cue]}


@pytest.mark.slow
def test_words_are_those_beside_the_file(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_text_reading: None
) -> None:
    def said(video: Path, command: str = "transcript", *options: str) -> list[str]:
        main([command, str(video), *options])
        return [line.partition("  ")[2] for line in capsys.readouterr().out.splitlines()]

    beside, analysed = film.with_suffix(".srt"), ("--no-model", "--quiet", "--frames", "2")
    copy = tmp_path / "copy.mp4"
    shutil.copy(film, copy)
    beside.write_text(CUES)
    said(film, "analyse", *analysed)
    assert said(copy) == []
    beside.write_text(CUES.replace("Blue", "Edited"))
    assert said(film) == ["Red card.", "Edited."]
    copy.with_suffix(".srt").write_text(CUES.replace("Blue", "Copied"))
    assert said(copy) == ["Red card.", "Copied."]
    beside.write_text(CUES)
    with open_library(config.load()) as services:
        (report,) = services.jobs.reports_on_file(services.switcher.session.extractions, film)
        assert services.jobs.reports_on_file(services.switcher.session.extractions, copy) == []
        found = services.jobs.reports_on_file(services.switcher.session.extractions, copy, has_same_words=False)
    assert found == [report] and said(Path(report)) == ["Red card.", "Blue."]


@pytest.mark.slow
def test_subtitles_given_to_a_report_stay_its_words(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_text_reading: None
) -> None:
    given = tmp_path / "elsewhere.srt"
    given.write_text(CUES)
    main(["analyse", str(film), "--no-model", "--quiet", "--frames", "2", "--subtitles", str(given)])
    capsys.readouterr()
    main(["transcript", str(film)])
    assert "Blue." in capsys.readouterr().out
    given.write_text(CUES.replace("Blue", "Edited"))
    assert main(["transcript", str(film)]) == 6


@pytest.mark.slow
def test_named_subtitles_come_before_all_others(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film.with_suffix(".srt").write_text(CUES)
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,100 --> 00:00:00,900\nHello\n")
    assert main(["transcript", str(film), "--subtitles", str(words)]) == 0
    assert capsys.readouterr().out == "00:00.100  Hello\n"
    assert main(["transcript", str(film), "--subtitles", str(film)]) == 6


@pytest.mark.slow
def test_video_without_words_and_sound_says_so(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcript", str(film), "--language", "zh"]) == 6
    out = capsys.readouterr()
    assert out.out == "" and "film.mp4" in out.err and "声音" in out.err
    assert main(["transcript", str(film.with_name("none.mp4"))]) == 3


@pytest.mark.slow
@pytest.mark.parametrize("start, said", [("", "no text with times"), ("00:00:01:12 --> 00:00:02:00\n", "line 1")])
def test_subtitles_that_give_nothing_are_named(
    start: str, said: str, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film.with_suffix(".srt").write_text(f"{start}Hello\n")
    assert main(["transcript", str(film), "--language", "en"]) == 6
    out = capsys.readouterr()
    assert out.out == "" and "film.srt" in out.err and said in out.err and "no sound" in out.err


@pytest.mark.slow
def test_sound_without_a_speech_model_names_what_is_missing(
    film: Path,
    capsys: pytest.CaptureFixture[str],
    use_plugins: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_plugins()
    path = write_spoken(film.with_name("spoken.mkv"), sound=tone(2))
    assert main(["transcript", str(path)]) == 2
    assert "FRAMELENS_PLUGINS" in capsys.readouterr().err
    monkeypatch.setattr(transcripts, "has_recogniser", lambda: True)
    assert main(["transcript", str(path)]) == 6
    out = capsys.readouterr()
    assert "[speech]" in out.err and "FRAMELENS_SPEECH" in out.err
    assert len(out.err.splitlines()) == 1
