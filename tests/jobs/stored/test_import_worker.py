"""Import of reports that FrameLens did not write: refused with a sentence, in a child, before anything is stored."""

import base64
import io
import json
import resource
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from framelens.core.domain import AnalysisRequest
from framelens.core.errors import InputError
from framelens.i18n import error_text
from framelens.jobs.stored.report_import import reports_in, reports_of
from framelens.reports.files import write_zip
from framelens.reports.formats import bundle
from framelens.reports.json import writer
from framelens.reports.json.reader import MOST_PICTURE_BYTES, MOST_TEXT_BYTES
from framelens.reports.json.writer import JPEG_URL
from tests.app import rich as script
from tests.reports.content.test_labels import rich
from tests.reports.test_reports import analysis
from tests.thorough import first_of

NAME = "clip.report.json"
Document = dict[str, Any]


def document() -> Document:
    made: Document = json.loads(writer.write(rich(), "en"))
    return made


def refused(data: bytes, name: str = NAME) -> InputError:
    with pytest.raises(InputError) as raised:
        list(reports_of([(name, BytesIO(data))]))
    for language in ("en", "zh"):
        assert name in error_text(raised.value, language)
    return raised.value


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def picture(width: int, height: int, *, is_noise: bool = False) -> str:
    pixels = np.zeros((height, width, 3), np.uint8)
    if is_noise:
        pixels = np.random.default_rng(1).integers(0, 255, pixels.shape, np.uint8)
    data = BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=90)
    return JPEG_URL + base64.b64encode(data.getvalue()).decode()


def with_picture(url: str) -> Callable[[Document], None]:
    def change(made: Document) -> None:
        made["keyframes"][0]["picture"] = url

    return change


def huge_picture(made: Document) -> None:
    """A JPEG of a single colour that says that it is 30,000 pixels wide and high."""
    data = bytearray(base64.b64decode(picture(64, 64).removeprefix(JPEG_URL)))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = (30_000).to_bytes(2, "big") * 2
    with_picture(JPEG_URL + base64.b64encode(data).decode())(made)


def cut_picture(made: Document) -> None:
    data = base64.b64decode(picture(320, 180, is_noise=True).removeprefix(JPEG_URL))
    with_picture(JPEG_URL + base64.b64encode(data[: len(data) // 2]).decode())(made)


def unknown_notice(made: Document) -> None:
    inner = {"key": "made_up", "level": "warning", "text": "", "table": "notice", "values": {}}
    made["notices"] = [{**inner, "key": "text_mode", "values": {"reason": inner}}]


def doubled_frame(made: Document) -> None:
    made["keyframes"][1]["number"] = made["keyframes"][0]["number"]


def endless_time(made: Document) -> None:
    made["keyframes"][-1]["time_seconds"] = 1e308


def endless_chapter(made: Document) -> None:
    made["summary"]["chapters"][-1]["end_seconds"] = 1e308


def many_settings(made: Document) -> None:
    made["conditions"] = {f"setting {number}": "x" for number in range(30_000)}


def many_frames(made: Document) -> None:
    made["keyframes"] = [{**made["keyframes"][0], "number": number, "picture": None} for number in range(1, 300)]


def unknown_colour(made: Document) -> None:
    colours = [{"name": "made up", "rgb": [1, 2, 3], "share": 1.0, "place": "all"}]
    facts = {"texts": [], "colours": colours, "brightness": 0.5, "sharpness": 9.0, "motion": None}
    made["keyframes"][0]["facts"] = facts


HOSTILE: dict[str, tuple[Callable[[Document], None], str]] = {
    "a time of 1e308": (endless_time, "report_bad_time"),
    "a chapter until 1e308": (endless_chapter, "report_bad_time"),
    "an unknown notice": (unknown_notice, "report_unknown_notice"),
    "doubled frame numbers": (doubled_frame, "report_doubled"),
    "a picture of 30,000 x 30,000": (huge_picture, "report_picture_too_large"),
    "half a picture": (cut_picture, "report_bad_picture"),
    "a picture that is none": (with_picture(JPEG_URL + "/9j/AAAA"), "report_bad_picture"),
    "30,000 settings": (many_settings, "report_too_many_settings"),
    "more frames than there can be": (many_frames, "report_too_many_frames"),
    "a colour without a name": (unknown_colour, "report_damaged"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_report_is_refused_with_a_sentence(case: str) -> None:
    made = document()
    change, key = HOSTILE[case]
    change(made)
    assert refused(json.dumps(made).encode()).key == key


@pytest.mark.slow
@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(number: str) -> None:
    data = json.dumps({**document(), "seconds_by_stage": {"ask": 0.125}}).replace("0.125", number)
    assert refused(data.encode()).key == "report_not_json"


@pytest.mark.slow
def test_deep_json_is_refused() -> None:
    assert refused(b"[" * 200_000 + b"]" * 200_000).key == "report_too_deep"


def zip_of(*pieces: bytes, member: str = "report.json") -> bytes:
    """A ZIP with a member that is these pieces, packed as they come."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(member, "w") as target:
        for piece in pieces:
            target.write(piece)
    return data.getvalue()


HEAD = b'{"format": "framelens-report", "format_version": 3, "x": '
BOMBS: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "400 MB of one text": (lambda: iter([HEAD + b'"', *[b"a" * (1 << 20)] * 400, b'"}']), "report_too_large"),
    "63 MB of nothing but lists": (lambda: iter([HEAD + b"[[]", *[b",[]" * 350_000] * 60, b"]}"]), ""),
    "400 MB of one picture": (
        lambda: iter([b'{"keyframes": [{"picture": "', JPEG_URL.encode(), *[b"A" * (1 << 20)] * 400, b'"}]}']),
        "report_too_large",
    ),
    "a million empty pictures": (
        lambda: iter([*[b'{"picture": "data:image/jpeg;base64,"}' * 10_000] * 100]),
        "report_too_many_frames",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", first_of(BOMBS))
def test_bomb_costs_this_process_next_to_nothing(case: str) -> None:
    pieces, key = BOMBS[case]
    data = zip_of(*pieces())
    before = peak_bytes()
    error = refused(data, "bomb.zip")
    assert peak_bytes() - before < 64 << 20
    assert error.key == key or (not key and error.key in ("report_too_heavy", "report_damaged"))


@pytest.mark.slow
def test_largest_pictures_and_texts_of_ours_are_imported(tmp_path: Path) -> None:
    """Noise packs worst; at the size and quality of kept frames, all pictures together exceed the limit of text."""
    noisy = base64.b64decode(picture(1280, 1280, is_noise=True).removeprefix(JPEG_URL))
    assert len(noisy) < MOST_PICTURE_BYTES / 3
    made = analysis()
    frames = [replace(made.keyframes[0], number=number, jpeg=noisy) for number in range(1, 41)]
    path = tmp_path / "large.json"
    path.write_bytes(writer.write(replace(made, keyframes=tuple(frames)), "en"))
    assert path.stat().st_size > MOST_TEXT_BYTES
    (read,) = reports_in([path])
    assert [frame.jpeg for frame in read.keyframes] == [noisy] * 40


@pytest.mark.slow
def test_archive_of_many_reports_is_imported_whole() -> None:
    given = [
        script.rich(AnalysisRequest(Path("/v/clip.mp4")), f"job12345{number}", parts=2, findings=3)
        for number in range(8)
    ]
    data = BytesIO()
    write_zip(data, bundle(given, ["json"]))
    read = reports_of([("reports.zip", data)])
    assert [writer.write(one, "en") for one in read] == [writer.write(one, "en") for one in given]


@pytest.mark.slow
def test_one_bad_file_keeps_the_others_from_being_imported() -> None:
    good, bad = writer.write(rich(), "en"), document()
    doubled_frame(bad)
    taken = []
    with pytest.raises(InputError, match="report_doubled"):
        for one in reports_of([("good.json", BytesIO(good)), ("bad.json", BytesIO(json.dumps(bad).encode()))]):
            taken.append(one.id)
    assert taken == []


@pytest.mark.slow
def test_what_looks_like_a_picture_in_an_answer_stays_text() -> None:
    """Quotation marks in an answer are escaped, so the reader of pictures never starts within an answer."""
    text = f'"picture": "{JPEG_URL}AAAA"'
    made = analysis()
    made = replace(made, chunks=(replace(made.chunks[0], answer=text),))
    (read,) = reports_of([(NAME, BytesIO(writer.write(made, "en")))])
    assert read.chunks[0].answer == text


@pytest.mark.slow
def test_keys_of_the_environment_do_not_reach_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    from framelens.jobs.stored import report_import

    given: list[dict[str, str]] = []
    run = subprocess.run

    def note(*command: Any, env: dict[str, str], **options: Any) -> Any:
        given.append(env)
        return run(*command, env=env, **options)

    monkeypatch.setenv("FRAMELENS_API_KEY", "sk-secret")
    monkeypatch.setattr(report_import.subprocess, "run", note)
    assert len(list(reports_of([(NAME, BytesIO(writer.write(analysis(), "en")))]))) == 1
    assert "PATH" in given[0] and "sk-secret" not in given[0].values()


def test_what_is_no_file_is_refused() -> None:
    with pytest.raises(InputError, match="report_not_found"):
        list(reports_in([Path("/dev/zero")]))
