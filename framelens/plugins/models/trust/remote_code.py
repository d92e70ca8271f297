"""Program code in a model's folder: the files that could run with `trust_remote_code`, and one hash of all of them.

transformers and vLLM import the modules that `auto_map` names in a model's JSON files, of the folder itself or, as in
`other/repository--module.Class`, of another repository. What runs may import or load any other file, so every file
that could be code (modules, libraries, sources for a compiler, scripts) is listed and hashed, but not imported or run.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from framelens.core.errors import EngineError

FindRepository = Callable[[str], Path | None]
"""Returns the folder of a repository of the hub on this machine, None if it isn't there."""

SHORT = 8
"""Characters of the hash that are typed to confirm it."""
_EXECUTABLE = re.compile(
    r".*\.(?:py|pyc|pyd|pyx|so(?:\.\d+)*|dll|dylib|c|cc|cpp|cxx|cu|cuh|h|hpp|sh|bat|ps1|ptx|cubin|fatbin)",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"(?:(?P<repository>[\w.-]+(?:/[\w.-]+)?)--)?(?P<module>[\w-]+(?:/[\w-]+)*)\.(?P<name>[A-Za-z_]\w*)"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_GENERATE = "custom_generate/generate.py"
_MAP = "auto_map"
_MAY_MAP = re.compile(rb"auto_map|\\u00[2-7]")
"""The key of the map, or an escape of a plain letter, in which it could be hidden."""


@dataclass(frozen=True)
class CodeReference:
    """An entry of an `auto_map`: the JSON file with it, what it is for, and the class as it is written there."""

    file: str
    name: str
    target: str

    @property
    def repository(self) -> str:
        """Return the other repository that has the class, "" if no other has it."""
        found = _REFERENCE.fullmatch(self.target)
        return (found["repository"] or "") if found else ""

    @property
    def is_module(self) -> bool:
        """Return whether it names a class of a module, and so can be followed."""
        return _REFERENCE.fullmatch(self.target) is not None


@dataclass(frozen=True)
class CodeFile:
    """A file that could run; its path, with slashes, is relative to the folder or to another repository."""

    path: str
    num_bytes: int
    sha256: str
    repository: str = ""

    @property
    def name(self) -> str:
        """Return the path, with the other repository before it as in an `auto_map`."""
        return f"{self.repository}--{self.path}" if self.repository else self.path


@dataclass(frozen=True)
class RemoteCode:
    """The code of a model folder at the moment when it was read.

    Attributes:
        folder: The folder.
        revision: Commit of the hub's repository, "" for a folder without a known commit.
        references: References in its JSON files; without any, nothing of the code runs.
        files: All files that could run, by name.
        repositories: Folders of other repositories whose code runs, None for a repository not on this machine.
    """

    folder: Path
    revision: str
    references: tuple[CodeReference, ...]
    files: tuple[CodeFile, ...]
    repositories: Mapping[str, Path | None]

    @cached_property
    def digest(self) -> str:
        """Return a single SHA-256 of all files and references."""
        named = sorted((one.file, one.name, one.target) for one in self.references)
        return hashlib.sha256(json.dumps([named, sorted(self.hashes.items())]).encode()).hexdigest()

    @property
    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each file by its name."""
        return {file.name: file.sha256 for file in self.files}

    @property
    def runs(self) -> bool:
        """Return whether anything would run with `trust_remote_code`."""
        return bool(self.references)

    def check(self, model: str) -> None:
        """Raise EngineError for a reference that leads out of the folder or to a repository that isn't here."""
        for one in self.references:
            if not one.is_module:
                raise EngineError("remote_code_reference", model=model, file=one.file, reference=one.target)
            if one.repository and self.repositories.get(one.repository) is None:
                raise EngineError("remote_code_elsewhere", model=model, file=one.file, repository=one.repository)


def read_code(folder: Path, find_repository: FindRepository) -> RemoteCode:
    """Read the code in a model folder and in the other repositories that its JSON files name.

    Raises:
        OSError: The folder or a file can't be read.
    """
    files = list(_code_files(folder))
    names = sorted(path for path in _walk(folder) if path.lower().endswith(".json"))
    references = [one for name in names for one in _references(name, (folder / name).read_bytes())]
    if any(file.path == _GENERATE for file in files):
        references.append(CodeReference(_GENERATE, "generate", "custom_generate/generate.generate"))
    repositories = {name: find_repository(name) for name in sorted({one.repository for one in references} - {""})}
    for name, other in repositories.items():
        files += _code_files(other, name) if other else ()
    files.sort(key=lambda file: file.name)
    return RemoteCode(folder, revision_of(folder), tuple(references), tuple(files), repositories)


def revision_of(folder: Path) -> str:
    """Return the commit of a folder's download, by the hub's cache or the downloader's notes; "" if unknown."""
    if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name):
        return folder.name
    try:
        notes = folder / ".cache" / "huggingface" / "download" / "config.json.metadata"
        first = notes.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, ValueError):
        return ""
    return first if _COMMIT.fullmatch(first) else ""


def _code_files(folder: Path, repository: str = "") -> Iterator[CodeFile]:
    for path in _walk(folder):
        if _EXECUTABLE.fullmatch(path):
            data = (folder / path).read_bytes()
            yield CodeFile(path, len(data), hashlib.sha256(data).hexdigest(), repository)


def _walk(folder: Path) -> Iterator[str]:
    """Yield the paths of all files with slashes, those in hidden and linked folders too; a circle of links once."""

    def refuse(error: OSError) -> None:
        raise error

    seen = set[str]()
    for parent, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        if (real := os.path.realpath(parent)) in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in files:
            if (path := Path(parent) / name).is_file():
                yield path.relative_to(folder).as_posix()


def _references(file: str, data: bytes) -> Iterator[CodeReference]:
    """Yield the classes that a JSON file names in any `auto_map`, however deep it is."""
    if not _MAY_MAP.search(data):
        return
    try:
        waiting = [json.loads(data)]
    except (ValueError, RecursionError):
        return
    while waiting:
        match waiting.pop():
            case dict() as owner:
                yield from (CodeReference(file, *one) for one in _named(owner.get(_MAP), ""))
                waiting += owner.values()
            case list() as values:
                waiting += values


def _named(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield name and class of each entry of an `auto_map`; a name may have several, and some maps have no names."""
    match value:
        case str():
            yield name, value
        case list():
            for one in value:
                yield from _named(one, name)
        case dict():
            for key, one in value.items():
                yield from _named(one, str(key))
