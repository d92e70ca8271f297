"""Attacks on stored data: a clock that is set back, invalid names of files, and a disk that was filled."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from random import Random

import httpx

from benchmarks.torture import disk
from benchmarks.torture.attacks import page
from benchmarks.torture.line import Line, Scale
from benchmarks.torture.site import PASSWORD, Site, attacked_site
from framelens.reports.formats import FORMATS
from framelens.store.backup import BackupManifest, check_backup, write_backup
from tests.reports.test_reports import analysis

_ROOT = Path(__file__).parents[3]
_DISK_BYTES = 96 << 20
_NAMES = (
    *("a\0b.json", "\0", "../../../evil.json", "..\\..\\evil.json", "/tmp/evil.json", "C:evil.json", "C:\\evil.json"),
    *(
        "\ud800.json",
        "a\udfffb.zip",
        "a\nb.json",
        "\x1b]0;x\x07.json",
        "CON.json",
        ".",
        "..",
        " ",
        "a" * 5000,
        "a.json/.",
    ),
    *(
        "%2e%2e%2fevil.json",
        "\u202egnp.json",
        "nul\u0000.zip",
        "a.json:stream",
        "~/evil.json",
        "-rf.json",
        "$(id).json",
    ),
)
_ENTRIES = (
    *("batches/C:evil.json", "batches/..\\evil.json", "batches/../evil.json", "batches/a\nb.json", "../evil.json"),
    *("/evil.json", "C:/evil.json", "batches/evil.json:stream", "templates/../../evil.toml", "videos/../evil.json"),
    *(
        "batches//evil.json",
        "batches/evil.json/",
        "videos/" + "A" * 16 + "/../../evil.json",
        "evil.json",
        "batches/ .json",
    ),
    *("videos/" + "A" * 16 + "/C:evil.json", "batches/\u202eevil.json", "batches/a" + "b" * 300 + ".json"),
)


def run(scale: Scale) -> Iterator[Line]:
    """Yield a line for each kind of attack."""
    yield _set_back(scale)
    with attacked_site(scale, "names") as site:
        yield _uploaded_names(site, _drawn(scale, _NAMES))
        yield _archived_names(site, scale.folder("archives"), _drawn(scale, _NAMES))
        yield _entries(site, scale.folder("backups"), _drawn(scale, _ENTRIES))
    yield _full_disk(scale)


def _drawn(scale: Scale, names: tuple[str, ...]) -> list[str]:
    return Random(scale.seed).sample(names, scale.count(len(names)))


# ---- the clock


def _set_back(scale: Scale) -> Line:
    """Sessions that have expired, after the clock was set back to when they were good."""
    what = "sessions that expired, the clock set back"
    if (library := disk.faketime()) is None:
        return Line(f"{what}: not run, since libfaketime isn't installed", 0)
    clock = scale.folder("clock") / "clock"
    clock.write_text("+0")
    variables = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    with attacked_site(scale, "set-back", {**variables, "DONT_FAKE_MONOTONIC": "1"}) as site:
        page = f"/api/videos/{site.ids['video']}"

        def is_open() -> bool:
            with site.client("ann") as ann:
                return ann.get(page).status_code < 400

        assert is_open(), "it isn't good at first"
        count = lost = 0
        for later, back in (("+2d", "+0"), ("+9d", "+0"), ("+9d", "-1d"), ("+40d", "-20d")):
            for moment in (later, back):
                clock.write_text(moment)
                count, lost = count + 1, lost + is_open()
    return Line(what, count, lost)


# ---- names


def _uploaded_names(site: Site, names: list[str]) -> Line:
    """Reports that are uploaded and imported on the page under invalid names."""
    before, count, crashed = _outside(site), 0, 0
    report = FORMATS["json"].write(replace(analysis(), id="odd000000001"), "en")
    for number, name in enumerate(names):
        with site.client("ann", **{"Tus-Resumable": "1.0.0"}) as ann:
            encoded = _base64(name.encode("utf-8", "surrogatepass"))
            headers = {"Upload-Length": str(len(report))}
            headers["Upload-Metadata"] = f"filename {encoded},purpose {_base64(b'report')}"
            made = ann.post("/api/uploads", headers=headers)
            crashed += made.status_code >= 500
            place = made.headers.get("location", "")
            sent = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
            crashed += ann.patch(place, content=report, headers=sent).status_code >= 500
            crashed += asyncio.run(page.imports(site, place.rpartition("/")[2], str(number)))
        with site.client(Authorization=f"Bearer {site.api['ann']}") as program:
            asked = json.dumps({"name": name, "size_bytes": 4})  # halves of characters as escapes
            answer = program.post("/api/v1/uploads", content=asked, headers={"Content-Type": "application/json"})
            crashed += answer.status_code >= 500
        count += 2
    assert _num_jobs(site) > 1, "nothing was imported"
    crashed += "Traceback" in site.log.read_text(errors="replace")
    return Line("odd names of uploads, imported", count, len(_outside(site) - before), crashed)


def _num_jobs(site: Site) -> int:
    with closing(sqlite3.connect(f"file:{site.database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM jobs").fetchone()[0])


def _archived_names(site: Site, folder: Path, names: list[str]) -> Line:
    """Archives with reports under odd names, and files with odd names, imported by a command."""
    before, crashed = _outside(site), 0
    report = FORMATS["json"].write(replace(analysis(), id="odd000000002"), "en")
    for number, name in enumerate(names):
        path = folder / f"{number}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            entry = zipfile.ZipInfo("x.json")
            entry.filename = name.encode("utf-8", "replace").decode()[:1000]  # which cuts off nothing after NUL
            archive.writestr(entry, report)
        done = _command(site, "library", "import", str(path))
        crashed += "Traceback" in done.stderr or done.returncode not in (0, 6)
    return Line("odd names in archives, imported", len(names), len(_outside(site) - before), crashed)


def _entries(site: Site, folder: Path, names: list[str]) -> Line:
    """Backups with an entry that leads elsewhere, or that no system keeps under that name."""
    lost = crashed = 0
    sound = folder / "sound.zip"
    write_backup(site.database.parent, sound, videos=False)
    manifest = check_backup(sound)
    for number, name in enumerate(names):
        path, place = folder / f"{number}.zip", folder / f"to-{number}" / "data"
        _with_entry(sound, path, manifest, name)
        done = _command(site, "admin", "restore", str(path), FRAMELENS_DATA_DIR=str(place))
        crashed += "Traceback" in done.stderr or done.returncode not in (0, 6)
        lost += done.returncode == 0 or any(folder.glob(f"to-{number}/**/*evil*"))
    return Line("odd entries of backups", len(names), lost, crashed)


def _with_entry(source: Path, target: Path, manifest: BackupManifest, name: str) -> None:
    """Copy a backup with an additional entry, which its manifest lists."""
    data = b"{}"
    listed = replace(manifest, num_files=manifest.num_files + 1, size_bytes=manifest.size_bytes + len(data))
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for one in old.namelist():
            if one != "manifest.json":
                new.writestr(one, old.read(one))
        new.writestr(name, data)
        new.writestr("manifest.json", json.dumps(asdict(listed)))


def _outside(site: Site) -> set[str]:
    """Return the files with a name of an attack in folders where such files may not be."""
    folders = (site.database.parent.parent, Path("/tmp"), _ROOT)
    return {str(path) for folder in folders for path in folder.glob("*evil*")}


def _command(site: Site, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FRAMELENS_DATA_DIR": str(site.database.parent), "FRAMELENS_LANGUAGE": "en"}
    command = [sys.executable, "-m", "framelens.cli.main", *words]
    return subprocess.run(
        command, env={**environment, **variables}, cwd=_ROOT, capture_output=True, encoding="utf-8", check=False
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# ---- the disk


def _full_disk(scale: Scale) -> Line:
    """A disk without a free byte: users log in, read and delete, and can upload again."""
    what = "logins, reads and deletions on a full disk"
    if sys.platform != "linux" or os.geteuid():
        return Line(f"{what}: not run, since only root can mount a small one", 0)
    steps: list[bool] = []
    with disk.small_disk(scale.folder("full-disk") / "disk", _DISK_BYTES) as folder:
        small = replace(scale, work=folder)
        with attacked_site(small, "site") as site:
            disk.fill(folder, 0)
            for user in ("ada", "ann", "bob"):
                steps.append(_logged_in(site, user) == 204)
            with site.client("ann") as ann:
                steps.append(ann.get(f"/api/videos/{site.ids['video']}").status_code == 200)
                steps.append(ann.get("/").status_code == 200)
            with site.client(Authorization=f"Bearer {site.api['ann']}") as program:
                job = f"/api/v1/jobs/{site.ids['job']}"
                steps += [_is(program.get, job, 200), _is(program.delete, job, 204), _is(program.get, job, 404)]
            disk.fill(folder, None)
            for user in ("ada", "ann", "bob"):
                steps.append(_logged_in(site, user) == 204)
            crashed = site.log.read_text(errors="replace").count("Traceback")
    return Line(what, len(steps), steps.count(False), crashed)


def _is(request: Callable[[str], httpx.Response], path: str, status: int) -> bool:
    return request(path).status_code == status


def _logged_in(site: Site, user: str) -> int:
    with site.client(Origin=site.url) as stranger:
        return stranger.post("/api/session", json={"name": user, "password": PASSWORD}).status_code
