"""Names of backups, and those that can't be written."""

import json
from pathlib import Path

import pytest

from framelens.cli.main import main
from framelens.store.backup import check_backup
from framelens.store.database import Store


@pytest.mark.slow
def test_backup_in_a_folder_is_named_by_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "data"))
    assert main(["admin", "backup", str(tmp_path), "--language", "en"]) == 2
    assert "nothing to back up" in capsys.readouterr().err
    Store(tmp_path / "data" / "framelens.sqlite").close()
    assert main(["admin", "backup", str(tmp_path), "--json", "--no-videos"]) == 0
    found = json.loads(capsys.readouterr().out)
    (written,) = tmp_path.glob("framelens-*.backup.zip")
    assert (found["path"], found["files"], found["videos"]) == (str(written), 1, False)
    assert main(["admin", "backup", f"{tmp_path}/new/", "--no-videos"]) == 0
    assert main(["admin", "backup", f"{tmp_path}/new/", "--no-videos"]) == 0  # in the same second
    assert len(list((tmp_path / "new").glob("framelens-*.backup*.zip"))) == 2
    assert (
        main(["admin", "backup", str(tmp_path / "all.tar.gz"), "--no-videos"]) == 2
        and not (tmp_path / "all.tar.gz").exists()
    )
    (tmp_path / "mine.zip").write_text("mine")
    assert main(["admin", "backup", str(tmp_path / "mine.zip"), "--no-videos"]) == 2
    assert (tmp_path / "mine.zip").read_text() == "mine"
    assert main(["admin", "backup", str(tmp_path / "mine.zip"), "--no-videos", "--overwrite"]) == 0
    assert check_backup(tmp_path / "mine.zip").num_files
    capsys.readouterr()
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "other"))
    assert main(["admin", "restore", str(written), "--language", "en"]) == 0
    printed = capsys.readouterr()
    assert "Restored 1 files" in printed.out.replace("1 file ", "1 files ") and "has no videos" in printed.err
    assert main(["admin", "restore", str(tmp_path / "none.zip"), "--language", "en"]) == 6
    assert "can't be read" in capsys.readouterr().err
    assert main(["admin", "restore", str(tmp_path), "--check", "--language", "en"]) == 6


@pytest.mark.parametrize(("place", "reason"), [("-", "standard output"), ("画" * 90, "too long a name")])
def test_a_backup_needs_a_file_that_can_be_written(
    place: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["admin", "backup", place, "--language", "en"]) == 2
    assert reason in capsys.readouterr().err and not Path(place[:1]).exists()
