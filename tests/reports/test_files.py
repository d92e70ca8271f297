import csv
import io
from pathlib import Path
from zipfile import ZipFile

from framelens.core.domain import Keyframe
from framelens.reports.files import frame_entries, written, written_frames, zipped

FRAMES = (
    Keyframe(1, 0, 0.0, "first", 1, 64, 36, b"first jpeg"),
    Keyframe(2, 1887, 75.48, "change", 2, 64, 36, b"second jpeg"),
)


def test_the_zip_holds_each_picture_and_the_table_of_times() -> None:
    with ZipFile(io.BytesIO(zipped(frame_entries(FRAMES)))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["001_00-00.000.jpg", "002_01-15.480.jpg", "times.csv"]
        rows = list(csv.DictReader(io.StringIO(archive.read("times.csv").decode())))
        assert [archive.read(row["file"]) for row in rows] == [b"first jpeg", b"second jpeg"]
    assert rows[1] == {
        "number": "2",
        "time_seconds": "75.48",
        "clock": "01:15.480",
        "frame_index": "1887",
        "shot": "2",
        "reason": "change",
        "file": "002_01-15.480.jpg",
    }


def test_the_same_frames_give_the_same_bytes() -> None:
    assert zipped(frame_entries(FRAMES)) == zipped(frame_entries(FRAMES))


def test_a_folder_gets_the_same_files(tmp_path: Path) -> None:
    list(written(frame_entries(FRAMES), tmp_path / "new" / "folder"))
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "001_00-00.000.jpg",
        "002_01-15.480.jpg",
        "times.csv",
    ]


def test_table_of_frames_has_whole_microseconds() -> None:
    frame = Keyframe(1, 12, 0.48000000000000004, "even", 1, 2, 2, b"jpeg")
    *_, table = frame_entries([frame])
    assert table.data.decode().splitlines()[1].split(",")[1] == "0.48"


def test_pictures_of_an_earlier_run_are_removed_alone(tmp_path: Path) -> None:
    picture = b"\xff\xd8"
    early, later = (Keyframe(1, n, n / 25, "even", 1, 4, 4, picture) for n in (0, 50))
    for name in ("001_holiday.jpg", "002_00-09.000.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"mine")
    for frames in ([early], [later]):
        list(written_frames(frame_entries(frames), tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("001_00-02.000.jpg", "001_holiday.jpg", "002_00-09.000.jpg", "notes.txt", "times.csv")
    ]


def test_table_of_another_program_names_nothing_to_remove(tmp_path: Path) -> None:
    mine = tmp_path / "001_00-00.000.jpg"
    mine.write_bytes(b"mine")
    (tmp_path / "times.csv").write_text(f"picture\n{mine.name}\n")
    list(written_frames(frame_entries([]), tmp_path))
    assert mine.read_bytes() == b"mine"
