"""Trust in the program code of models: what an administrator has seen and confirmed, and the check before each start.

`trust_remote_code` alone runs nothing. Right before a start the files are hashed again and compared with the record.
The engine then gets no way to the hub, and a fresh folder for the modules that transformers copies: transformers keeps
a copied module that has the same size and time.
"""

import logging
import shlex
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from framelens.core.errors import AppError, ConfigError, EngineError, ModelNotFound
from framelens.core.roles import current_user, requires
from framelens.engine.hub_cache import cached_snapshot
from framelens.engine.model_resolution import resolve_model
from framelens.plugins.models.trust.remote_code import SHORT, RemoteCode, read_code
from framelens.store.audit import AuditLog
from framelens.store.fs_utils import disk_errors, reason_of
from framelens.store.model_records import ModelRecords

log = logging.getLogger(__name__)
TrustState = Literal["none", "trusted", "changed", "untrusted"]
"""Nothing would run; the code is as trusted; it differs from the trusted code; it was never trusted."""
_MOST_SHOWN = 6
"""Changed files that an error names."""


@dataclass(frozen=True)
class TrustRecord:
    """Code of a model that an administrator has allowed to run.

    Attributes:
        revision: Commit of the repository at that time, "" for a folder without a known commit.
        digest: SHA-256 of all files and of the references to them (`remote_code.py` in this folder).
        files: SHA-256 of each file by its name.
        time: ISO time in UTC.
        user_id: Id of the administrator, "" for the only user of an installation without accounts.
    """

    revision: str
    digest: str
    files: dict[str, str]
    time: str
    user_id: str
    user_name: str


def trusted_code(data_dir: Path) -> ModelRecords[TrustRecord]:
    """Open the trusted code by the model's id on the hub or its folder. An invalid record trusts nothing."""
    return ModelRecords(data_dir, "trusted_code", TrustRecord)


@dataclass(frozen=True)
class ModelCode:
    """Code of a model, and the record of what was trusted.

    Attributes:
        model: The model's id on the hub, or its folder.
    """

    model: str
    code: RemoteCode
    record: TrustRecord | None

    @property
    def state(self) -> TrustState:
        """Return whether the code is trusted."""
        if not self.code.runs:
            return "none"
        if self.record is None:
            return "untrusted"
        return "trusted" if self.record.digest == self.code.digest else "changed"

    @property
    def changes(self) -> tuple[str, ...]:
        """List the names of files that were changed, added (+) or removed (-) since the code was trusted."""
        before, now = self.record.files if self.record else {}, self.code.hashes
        changed = [name for name in now if name in before and now[name] != before[name]]
        changed += [f"+{name}" for name in now if name not in before]
        changed += [f"-{name}" for name in before if name not in now]
        return tuple(changed) or ("auto_map",)

    def check(self) -> None:
        """Raise EngineError if any code would run that isn't exactly the trusted code."""
        self.code.check(self.model)
        name = shlex.quote(self.model)
        if self.state == "untrusted":
            raise EngineError("remote_code_untrusted", model=self.model, name=name)
        if self.state == "changed":
            shown = ", ".join(self.changes[:_MOST_SHOWN]) + (" …" if len(self.changes) > _MOST_SHOWN else "")
            raise EngineError("remote_code_changed", model=self.model, name=name, files=shown)


def find_code(data_dir: Path, model: str, folder: Path | None = None) -> ModelCode:
    """Read the code of a model on this machine and the record of what was trusted.

    Args:
        data_dir: The data folder.
        model: A reference as for `framelens.engine.resolve_model`.
        folder: The model's folder if it is known.

    Raises:
        ModelNotFound: It isn't on this machine, or can't be read.
        StorageError: The records can't be read.
    """
    found = resolve_model(str(folder) if folder else model)
    if found.folder is None:
        raise ModelNotFound("remote_code_absent", model=model, name=shlex.quote(model))
    name = found.hub_id or str(found.folder.resolve())
    try:
        code = read_code(found.folder, cached_snapshot)
    except OSError as error:
        raise ModelNotFound("model_unreadable", model=str(found.folder), reason=reason_of(error)) from error
    return ModelCode(name, code, trusted_code(data_dir).of(name))


@requires("administrator")
def trust_code(data_dir: Path, found: ModelCode, typed: str, audit: AuditLog) -> None:
    """Allow the code that was shown to run, if the first characters of its hash were typed.

    Args:
        data_dir: The data folder.
        found: The code as it was shown.
        typed: The beginning of its hash, at least eight characters.
        audit: Gets an entry.

    Raises:
        ConfigError: "remote_code_hash": something else was typed.
        EngineError: The code can't be run at all.
        StorageError: The record can't be written.
    """
    found.code.check(found.model)
    digest, given = found.code.digest, typed.strip().lower()
    if len(given) < SHORT or not digest.startswith(given):
        raise ConfigError("remote_code_hash", model=found.model, given=typed.strip(), wanted=digest[:SHORT])
    user, now = current_user(), datetime.now(UTC).isoformat(timespec="seconds")
    record = TrustRecord(found.code.revision, digest, found.code.hashes, now, user.id, user.name)
    trusted_code(data_dir).save(found.model, record)
    audit.record("code_trusted", digest, found.model)


@requires("administrator")
def untrust_code(data_dir: Path, model: str, audit: AuditLog) -> None:
    """Forget that code of a model was trusted; a running engine isn't stopped.

    Args:
        data_dir: The data folder.
        model: The name in the record, or a reference as for `framelens.engine.resolve_model`.
        audit: Gets an entry.

    Raises:
        ConfigError: "remote_code_unknown": no code of this model was trusted.
        StorageError: The record can't be written.
    """
    kept = trusted_code(data_dir)
    name = model if kept.of(model) else _record_name(model)
    if (record := kept.of(name)) is None:
        raise ConfigError("remote_code_unknown", model=model, trusted=", ".join(kept.all()) or "–")
    kept.save(name, None)
    audit.record("code_untrusted", record.digest, name)


def _record_name(model: str) -> str:
    try:
        found = resolve_model(model)
    except AppError:
        return model
    return found.hub_id or str(found.folder.resolve() if found.folder else model)


class CodeCheck:
    """Check of a model's code at each start of an engine; `prepare` is for a Launcher."""

    def __init__(self, data_dir: Path, model: str) -> None:
        self._data_dir = data_dir
        self._model = model

    def prepare(self, folder: Path) -> Mapping[str, str]:
        """Return the variables that keep the engine to the trusted code, for the model in `folder`.

        Raises:
            AppError: The code isn't the trusted code, or the disk refuses a folder.
        """
        find_code(self._data_dir, self._model, folder).check()
        with disk_errors(Path(tempfile.gettempdir())):
            modules = tempfile.mkdtemp(prefix="framelens-modules-")
        weakref.finalize(self, shutil.rmtree, modules, ignore_errors=True)
        return {"HF_MODULES_CACHE": modules, "HF_HUB_OFFLINE": "1"}
