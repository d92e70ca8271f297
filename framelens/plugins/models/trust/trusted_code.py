"""Records of the program code of models that administrators have allowed to run."""

import logging
from dataclasses import dataclass
from pathlib import Path

from framelens.core.codec import from_builtins, to_builtins
from framelens.core.files import make_private_folder
from framelens.store.fs_utils import disk_errors, read_json, write_json

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrustRecord:
    """Code of a model that an administrator has allowed to run.

    Attributes:
        revision: Commit of the repository at that time, "" for a folder without one.
        digest: SHA-256 of all files and of what refers to them (`remote_code.py` beside this module).
        files: SHA-256 of each file by its name.
        time: ISO time in UTC.
        user_id: Id of the administrator, "" for the one user of an installation without accounts.
    """

    revision: str
    digest: str
    files: dict[str, str]
    time: str
    user_id: str
    user_name: str


class TrustedCode:
    """Trusted code by the model's id on the hub or its folder, in the file `path`, which every call reads.

    Every method raises StorageError if the file can't be read or written. What isn't valid trusts nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, model: str) -> TrustRecord | None:
        """Return the record of a model, or None."""
        return self.all().get(model)

    def all(self) -> dict[str, TrustRecord]:
        """Return all records."""
        try:
            return from_builtins((read_json(self._path) or {}).get("models", {}), dict[str, TrustRecord])
        except ValueError:
            log.warning("records of trusted code in %s are damaged", self._path, exc_info=True)
            return {}

    def save(self, model: str, record: TrustRecord | None) -> None:
        """Save the record of a model in place of an earlier one; None removes it."""
        kept = {name: one for name, one in self.all().items() if name != model}
        with disk_errors(self._path.parent):
            make_private_folder(self._path.parent)
            write_json(self._path, {"models": to_builtins(kept | ({model: record} if record else {}))})


def trusted_code(data_dir: Path) -> TrustedCode:
    """Open the records of trusted code."""
    return TrustedCode(data_dir / "trusted_code.json")
