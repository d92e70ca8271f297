"""A JSON report is whole: it has the form that is published, and the analysis can be made of it again."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from framelens.core.domain import UNKNOWN_PATH, Analysis, Boundary, Language, Measures, Selection, Stretch
from framelens.core.errors import InputError
from framelens.i18n import error_text
from framelens.reports.formats import FORMATS
from framelens.reports.json import writer
from framelens.reports.json.reader import read
from scripts.write_report_schema import LEFT_OUT, TARGET, text
from tests.reports.content.test_labels import rich
from tests.reports.test_reports import analysis

NAME = "clip.report.json"


def looked_at_closely() -> Analysis:
    """With a range, boundaries, measures and stretches."""
    whole = rich()
    measures = Measures(0.5, (0.1, 1.0), (0.12345678, 0.2), (0.5, 0.5), (123.456, 9.0), (0.3, 0.3))
    decode = replace(
        whole.decode,
        boundaries=(Boundary(4.0, 4.0, "cut"), Boundary(5.0, 6.0, "dissolve")),
        measures=measures,
        stretches=(Stretch(1.0, 2.0, "black"),),
    )
    return replace(
        whole, decode=decode, request=replace(whole.request, selection=Selection(start_seconds=1.0, end_seconds=8.0))
    )


ANALYSES: dict[str, Callable[[], Analysis]] = {
    "plain": analysis,
    "rich": rich,
    "close": looked_at_closely,
    "no model": lambda: analysis(chunks=(), engine=None, facts=(), notices=()),
}
each_analysis = pytest.mark.parametrize("name", ANALYSES)


@each_analysis
@pytest.mark.parametrize("language", ["zh", "en"])
def test_imported_analysis_gives_the_identical_report(name: str, language: Language) -> None:
    written = writer.write(ANALYSES[name](), language)
    assert writer.write(read(written, name=NAME), language) == written


@pytest.mark.slow
@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format_can_be_made_of_the_json_again(form: str) -> None:
    made = rich()
    again = read(writer.write(made, "en"), name=NAME)
    assert FORMATS[form].write(again, "zh") == FORMATS[form].write(made, "zh")


@pytest.mark.slow
@each_analysis
def test_a_report_has_the_published_form(name: str) -> None:
    import jsonschema  # it takes two seconds, and each worker imports every test file

    published = json.loads(TARGET.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(published)
    for language in ("zh", "en"):
        report = json.loads(writer.write(ANALYSES[name](), language))
        jsonschema.validate(report, published, cls=jsonschema.Draft202012Validator)
        assert set(report) == set(published["required"]) == set(published["properties"]) - LEFT_OUT


def test_the_published_form_is_that_of_the_code() -> None:
    assert TARGET.read_text(encoding="utf-8") == text()


PLACES = {
    "engine": ("http://127.0.0.1:8000/v1", "remote"),
    "model": ("/home/anna/models/Qwen2.5-VL-7B (changed 2026-01-02)", "Qwen2.5-VL-7B (changed 2026-01-02)"),
    "speech": ("D:\\anna\\whisper-small\\", "whisper-small"),
    "template": ("log 1234", "log 1234"),
    "vllm_config": ('{"allowed_local_media_path": ""}', '{"allowed_local_media_path": ""}'),
    "frame_side": ("", ""),
}


@pytest.mark.slow
def test_json_report_holds_no_folder_or_engine_address() -> None:
    made = analysis(conditions={key: given for key, (given, _) in PLACES.items()})
    assert json.loads(writer.write(made, "en"))["conditions"] == {
        key: reported for key, (_, reported) in PLACES.items()
    }
    for form in FORMATS.values():
        written = form.write(made, "en")
        assert not [place for place in (b"/v/", b"127.0.0.1", b"anna") if place in written]


@pytest.mark.slow
def test_a_report_without_pictures_can_be_read_and_drawn() -> None:
    bare = read(writer.without_pictures(rich(), "en"), name=NAME)
    assert {frame.jpeg for frame in bare.keyframes} == {b""}
    for form in FORMATS.values():
        assert form.write(bare, "en")


# ---- what is no report


def changed(**changes: Any) -> bytes:
    return json.dumps(json.loads(writer.write(rich(), "en")) | changes).encode()


def refused(data: bytes) -> InputError:
    with pytest.raises(InputError) as raised:
        read(data, name=NAME)
    assert NAME in error_text(raised.value, "en") and NAME in error_text(raised.value, "zh")
    return raised.value


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"<html>", writer.write(analysis(), "en")[:-300]])
def test_what_is_no_json_is_named_as_such(data: bytes) -> None:
    found = refused(data)
    assert found.key == "report_not_json" and "codec" not in str(found.values["reason"])


@pytest.mark.parametrize("data", [b"[]", b"7", b"{}", b'{"format_version": 1, "keyframes": []}'])
def test_other_json_is_reported_from_a_report(data: bytes) -> None:
    assert refused(data).key == "report_not_ours"


@pytest.mark.parametrize("version", [2, 5, "3", None])
def test_another_version_is_named(version: object) -> None:
    error = refused(changed(format_version=version))
    assert (error.key, error.values["version"], error.values["known"]) == ("report_version", str(version), 4)


def test_damage_is_named_with_its_place() -> None:
    # Damage is named with its place.
    frames = json.loads(writer.write(rich(), "en"))["keyframes"]
    error = refused(changed(keyframes=[*frames[:2], {**frames[2], "time_seconds": "soon"}]))
    assert (error.key, error.values["place"]) == ("report_damaged", "keyframes.2.time_seconds")
    del frames[1]["shot"]
    assert refused(changed(keyframes=frames)).values["place"] == "keyframes.1.shot"
    assert refused(changed(chunks=None)).values["place"] == "chunks"
    bare = json.loads(changed())
    del bare["chunks"]
    assert refused(json.dumps(bare).encode()).values["place"] == "chunks"
    # Values that do not go together are damage.
    shots = [{"number": 1, "start_seconds": 5.0, "end_seconds": 1.0}]
    assert refused(changed(shots=shots)).key == "report_damaged"


@pytest.mark.parametrize("value", [True, None, [2], "soon", 2.5])
def test_a_number_that_is_none_is_damage(value: object) -> None:
    source = json.loads(changed())["source"]
    assert refused(changed(source={**source, "width": value})).values["place"] == "source.width"


@pytest.mark.parametrize(
    "picture", ["data:image/jpeg;base64,!", "data:image/jpeg;base64,AAAA", "clip.jpg", "file:///x"]
)
def test_a_picture_that_is_none_is_damage(picture: str) -> None:
    frames = json.loads(writer.write(rich(), "en"))["keyframes"]
    assert refused(changed(keyframes=[{**frames[0], "picture": picture}, *frames[1:]])).key == "report_damaged"


@pytest.mark.parametrize("channels", [0, -1, 10**9])
def test_impossible_channels_are_damage(channels: int) -> None:
    source = json.loads(changed())["source"] | {"audio_tracks": [{"num_channels": channels, "sample_rate": 48_000}]}
    assert refused(changed(source=source)).key == "report_damaged"


def test_later_additions_and_files_are_not_followed() -> None:
    # What a later version adds is passed over.
    assert read(changed(of_tomorrow={"x": 1}), name=NAME) == read(changed(), name=NAME)
    # No file that a report names is opened here.
    source = json.loads(writer.write(rich(), "en"))["source"]
    made = read(changed(source={**source, "name": "/etc/passwd"}), name=NAME)
    assert made.video.path == made.request.path == UNKNOWN_PATH
