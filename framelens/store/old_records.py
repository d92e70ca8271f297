"""Records that earlier versions kept in JSON files of the data folder: batches, and records about models.

The migration of the database reads them once. Afterwards the files stay beside the database with the suffix ".old".
"""

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from framelens.core.domain import UNKNOWN_PATH

VERSION = 14
"""The first version of the database with tables for these records."""
BATCHES = "batches"
FILES = ("paces.json", "trials.json", "sights.json", "downloads.json", "trusted_code.json")
_log = logging.getLogger(__name__)
_OLD = ".old"


def insert(connection: sqlite3.Connection, folder: Path) -> None:
    """Insert the records in the files of a data folder; damaged records are left out."""
    for kind, name, document in _model_records(folder):
        connection.execute("INSERT OR REPLACE INTO model_records VALUES (?, ?, ?)", (kind, name, _text(document)))
    for path in sorted((folder / BATCHES).glob("*.json")):
        if not (record := _read(path)):
            continue
        created, folder_of_results, user_id = (str(record.get(one) or "") for one in ("created", "folder", "user_id"))
        request = record.get("request") or {"path": str(UNKNOWN_PATH)}
        document = _text({**record, "videos": [], "request": request, "fingerprint": ""})
        connection.execute(
            "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?)",
            (path.stem, created, folder_of_results, user_id, document),
        )
        rows = (
            (path.stem, place, _text({"key": "", **video}))
            for place, video in enumerate(_listed(record.get("videos"), dict))
        )
        connection.executemany("INSERT OR REPLACE INTO batch_videos VALUES (?, ?, ?)", rows)


def set_aside(folder: Path) -> None:
    """Rename the files that were read."""
    for path in (folder / name for name in (*FILES, BATCHES)):
        with suppress(OSError):  # it isn't read again, wherever it is
            path.rename(path.with_name(f"{path.name}{_OLD}"))


def _model_records(folder: Path) -> Iterator[tuple[str, str, Any]]:
    """Yield kind, name and document of each record about models, the latest last."""
    paces, trusted, downloads = (_read(folder / f"{one}.json") for one in ("paces", "trusted_code", "downloads"))
    yield from (("timings", engine, known) for engine, known in _items(paces.get("engines")))
    yield "timings", "", {"surveys": paces.get("surveys") or []}
    yield from (("trusted_code", model, record) for model, record in _items(trusted.get("models")))
    yield from (("downloads", model, True) for model in _listed(downloads.get("models"), str))
    for kind in ("trials", "sights"):
        measured = _listed(_read(folder / f"{kind}.json").get(kind), dict)
        yield from ((kind, str(number), one) for number, one in enumerate(measured))


def _items(value: object) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _listed(value: object, kind: type) -> list[Any]:
    return [one for one in value if isinstance(one, kind)] if isinstance(value, list) else []


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        _log.warning("%s can't be read and is left out", path, exc_info=True)
        return {}
    return found if isinstance(found, dict) else {}


def _text(document: object) -> str:
    return json.dumps(document, ensure_ascii=False).encode(errors="replace").decode()
