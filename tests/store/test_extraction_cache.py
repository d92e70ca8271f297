import os
import time
from pathlib import Path

import pytest

from framelens.core.roles import User, as_user
from framelens.store.extraction_cache import ExtractionStore, file_state

KEYS = [f"{number:064x}" for number in range(4)]


def aged(path: Path) -> Path:
    """As a file that was not written this very moment."""
    os.utime(path, (time.time() - 60,) * 2)
    return path


@pytest.fixture
def surveys(tmp_path: Path) -> ExtractionStore:
    return ExtractionStore(tmp_path / "surveys", limit_bytes=100)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"a film" * 100_000)
    return aged(path)


def test_what_was_put_is_given_back(surveys: ExtractionStore) -> None:
    assert surveys.get(KEYS[0]) is None
    surveys.put(KEYS[0], b"one")
    surveys.put(KEYS[0], b"two")
    assert surveys.get(KEYS[0]) == b"two"


def test_what_was_not_used_for_longest_makes_room(surveys: ExtractionStore, tmp_path: Path) -> None:
    for age, key in zip((30, 20, 10), KEYS, strict=False):
        surveys.put(key, bytes(40) if key != KEYS[2] else b"")
        os.utime(tmp_path / "surveys" / f"{key}.survey", (time.time() - age,) * 2)
    assert surveys.get(KEYS[0]) is not None  # used again: the second is the oldest now
    surveys.put(KEYS[3], bytes(40))
    assert [surveys.get(key) is not None for key in KEYS] == [True, False, True, True]


def test_an_entry_that_another_process_drops_is_no_fault(
    surveys: ExtractionStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    surveys.put("a" * 64, bytes(10))
    list_entries = Path.rglob

    def listed(folder: Path, pattern: str) -> list[Path]:
        return [*list_entries(folder, pattern), folder / "gone.survey"]

    monkeypatch.setattr(Path, "rglob", listed)
    surveys.put("b" * 64, bytes(10))
    assert surveys.get("b" * 64) == bytes(10) and not caplog.records


def test_entries_stay_within_folder_and_room(surveys: ExtractionStore) -> None:
    # One that is larger than all room is kept alone.
    surveys.put(KEYS[0], bytes(40))
    surveys.put(KEYS[1], bytes(400))
    assert [surveys.get(key) is not None for key in KEYS[:2]] == [False, True]
    # A key cannot leave the folder.
    with pytest.raises(ValueError, match="not a key"):
        surveys.get("../../etc/passwd")


def test_a_disk_that_refuses_makes_it_forget_and_nothing_else(tmp_path: Path, film: Path) -> None:
    (tmp_path / "file").write_text("")
    surveys = ExtractionStore(tmp_path / "file" / "surveys")
    surveys.put(KEYS[0], b"one")
    surveys.note_sha256(film, KEYS[0], file_state(film))
    assert surveys.get(KEYS[0]) is None
    assert surveys.known_sha256(film) is None


def test_fingerprints_follow_the_content_of_a_file(surveys: ExtractionStore, film: Path) -> None:
    # The fingerprint of an unchanged file is known.
    surveys.note_sha256(film, KEYS[1], file_state(film))
    assert surveys.known_sha256(film) == KEYS[1]
    # A change in the middle that keeps the size is noticed.
    surveys.note_sha256(film, KEYS[1], file_state(film))
    with film.open("r+b") as file:
        file.seek(300_000)
        file.write(b"!")
    aged(film)
    assert surveys.known_sha256(film) is None


def test_notes_about_changing_files_are_not_believed(surveys: ExtractionStore, film: Path) -> None:
    # A file that changed while it was read is not noted.
    before = file_state(film)
    film.write_bytes(b"another film" * 50_000)
    surveys.note_sha256(aged(film), KEYS[1], before)
    assert surveys.known_sha256(film) is None
    # A file written this moment is not noted.
    os.utime(film)
    surveys.note_sha256(film, KEYS[1], file_state(film))
    assert surveys.known_sha256(film) is None


def test_copy_of_a_file_is_fingerprinted_itself(surveys: ExtractionStore, film: Path, tmp_path: Path) -> None:
    surveys.note_sha256(film, KEYS[1], file_state(film))
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(film.read_bytes())
    assert surveys.has_twin(aged(copy))
    assert surveys.known_sha256(copy) is None


def test_a_damaged_note_is_no_note(surveys: ExtractionStore, film: Path, tmp_path: Path) -> None:
    surveys.note_sha256(film, KEYS[1], file_state(film))
    (note,) = (tmp_path / "surveys").glob("*.file.json")
    note.write_text('{"broken')
    assert surveys.known_sha256(film) is None


def test_users_do_not_find_what_others_stored(surveys: ExtractionStore, film: Path) -> None:
    for user in ("", "u1", "u2"):
        with as_user(User(user, user, "analyst")):
            assert not surveys.has(KEYS[0]) and not surveys.has_twin(film) and surveys.known_sha256(film) is None
            surveys.put(KEYS[0], user.encode())
            surveys.note_sha256(film, KEYS[1], file_state(film))
            assert surveys.get(KEYS[0]) == user.encode() and surveys.known_sha256(film) == KEYS[1]
