"""Program code in a model's folder: what would run with `trust_remote_code`, its hashes, and a copy of exactly that.

transformers and vLLM import the modules that `auto_map` names in a model's JSON files, of the folder itself or, as in
`other/repository--module.Class`, of another repository. Modules import others of their folder. Whatever else could be
loaded from there (libraries, sources for a compiler, scripts) is listed and hashed, too, as trusted code may use it.

Every file is read once. The copy for the engine has these bytes, and the JSON files that were searched, so what runs is
what was compared, whatever happens to the folder meanwhile. Nothing of the code is imported or run here.
"""

import ast
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from framelens.core.errors import EngineError
from framelens.core.files import make_private_folder, write_private

Role = Literal["named", "imported", "present"]
"""Named by a JSON file, imported by such a module, or only in the folder."""
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
# As transformers finds them, which copies these files beside the module.
_RELATIVE_IMPORT = re.compile(r"^\s*(?:import\s+\.|from\s+\.)(\w+)(?:\s+import|\s*$)", re.MULTILINE)
_CONSPICUOUS = frozenset({
    *("subprocess", "multiprocessing", "pty", "shutil", "ctypes", "cffi", "importlib", "runpy"),
    *("socket", "urllib", "http", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "paramiko", "huggingface_hub"),
    *("pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"),
})  # fmt: skip
_CALLS = frozenset({"eval", "exec", "compile", "__import__"})
_ATTRIBUTES = re.compile(
    r"os\.(?:system|popen|fork|kill|remove|unlink|rmdir|exec\w+|spawn\w+|posix_spawn\w*)"
    r"|torch\.load|torch\.hub\.\w+|torch\.ops\.load_library|torch\.utils\.cpp_extension(?:\.\w+)*"
)


@dataclass(frozen=True)
class CodeReference:
    """An entry of an `auto_map`: the JSON file with it, what it is for, and the class as it is written there."""

    file: str
    name: str
    target: str

    @property
    def repository(self) -> str:
        """Return the other repository that has the class, "" for none."""
        found = _REFERENCE.fullmatch(self.target)
        return (found["repository"] or "") if found else ""

    @property
    def module(self) -> str:
        """Return the path of the module in its repository, "" for a reference that can't be followed."""
        found = _REFERENCE.fullmatch(self.target)
        return f"{found['module']}.py" if found else ""


@dataclass(frozen=True)
class CodeFile:
    """A file that could run; its path, with slashes, is that in the folder or in another repository."""

    path: str
    data: bytes = field(repr=False)
    role: Role
    repository: str = ""

    @property
    def name(self) -> str:
        """Return the path, with the other repository before it as in an `auto_map`."""
        return f"{self.repository}--{self.path}" if self.repository else self.path

    @cached_property
    def sha256(self) -> str:
        """Return the SHA-256 of the file."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def text(self) -> str | None:
        """Return the text, or None for a binary file."""
        try:
            text = self.data.decode()
        except UnicodeDecodeError:
            return None
        return None if "\0" in text else text

    @property
    def num_lines(self) -> int | None:
        """Return the number of lines, or None for a binary file."""
        return None if self.text is None else len(self.text.splitlines())

    @cached_property
    def conspicuous(self) -> tuple[str, ...]:
        """List what a Python file uses of processes, network, native code and evaluation, with the first line of each.

        These are facts and no verdict: harmless code may use them, and harmful code may hide that it does.
        """
        if not self.path.endswith(".py"):
            return ()
        try:
            tree = ast.parse(self.data)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return ("SyntaxError",)
        lines: dict[str, int] = {}
        for name, line in (found for node in ast.walk(tree) for found in _conspicuous(node)):
            lines[name] = min(line, lines.get(name, line))
        return tuple(f"{name}:{line}" for name, line in sorted(lines.items()))


@dataclass(frozen=True)
class RemoteCode:
    """The code of one model folder at the moment when it was read.

    Attributes:
        folder: The folder.
        revision: Commit of the hub's repository, "" for a folder that has none.
        references: What its JSON files name; without any, nothing of the code runs.
        files: All files that could run, those that run first.
        repositories: Folders of other repositories whose code runs, None for one that is not on this machine.
    """

    folder: Path
    revision: str
    references: tuple[CodeReference, ...]
    files: tuple[CodeFile, ...]
    repositories: Mapping[str, Path | None]
    json_files: Mapping[str, bytes] = field(repr=False, default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Return one SHA-256 of all files and references."""
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
            if not one.module:
                raise EngineError("remote_code_reference", model=model, file=one.file, reference=one.target)
            if one.repository and self.repositories.get(one.repository) is None:
                raise EngineError("remote_code_elsewhere", model=model, file=one.file, repository=one.repository)


def read_code(folder: Path, find_repository: FindRepository) -> RemoteCode:
    """Read the code in a model folder and, of other repositories that its JSON files name, the modules that would run.

    Raises:
        OSError: The folder or a file can't be read.
    """
    executable, json_files = dict[str, bytes](), dict[str, bytes]()
    for path in sorted(_walk(folder)):
        if _EXECUTABLE.fullmatch(path):
            executable[path] = (folder / path).read_bytes()
        elif path.lower().endswith(".json"):
            json_files[path] = (folder / path).read_bytes()
    references = [one for name, data in json_files.items() for one in _references(name, data)]
    if _GENERATE in executable:
        references.append(CodeReference(_GENERATE, "generate", "custom_generate/generate.generate"))
    named = {one.module for one in references if not one.repository}
    imported = _imported(named, executable.get)
    roles: dict[str, Role] = {path: "named" if path in named else "imported" for path in imported}
    files = [CodeFile(path, data, roles.get(path, "present")) for path, data in executable.items()]
    repositories = {name: find_repository(name) for name in sorted({one.repository for one in references} - {""})}
    for name, other in repositories.items():
        files += _of_repository(name, other, {one.module for one in references if one.repository == name})
    files.sort(key=lambda file: (("named", "imported", "present").index(file.role), file.name))
    return RemoteCode(folder, revision_of(folder), tuple(references), tuple(files), repositories, json_files)


def write_copy(code: RemoteCode, target: Path) -> None:
    """Write the model folder to run to `target`, a folder that doesn't exist: code and JSON as read, links to the rest.

    Modules of other repositories become files of this one, so nothing is looked up elsewhere.

    Raises:
        OSError: The disk refuses.
    """
    make_private_folder(target)
    written: dict[str, bytes] = {}
    if code.runs:
        for file in code.files:
            beside = f"{_folder_name(file.repository)}/" if file.repository else ""
            written[beside + file.path] = file.data
    written |= {name: _localised(data) for name, data in code.json_files.items()}
    for path, data in written.items():
        make_private_folder((target / path).parent)
        write_private(target / path, data)
    for path in _walk(code.folder):
        if path not in code.json_files and path not in written and not _EXECUTABLE.fullmatch(path):
            make_private_folder((target / path).parent)
            if not path.lower().endswith(".json"):
                (target / path).symlink_to((code.folder / path).resolve())


def revision_of(folder: Path) -> str:
    """Return the commit that a folder was downloaded at, by the hub's cache or the downloader's notes; "" for none."""
    if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name):
        return folder.name
    try:
        notes = folder / ".cache" / "huggingface" / "download" / "config.json.metadata"
        first = notes.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, ValueError):
        return ""
    return first if _COMMIT.fullmatch(first) else ""


# ---- files -----------------------------------------------------------------------------------------------------------


def _walk(folder: Path) -> Iterator[str]:
    """Yield the paths of all files with slashes; hidden folders, caches of Python and linked folders are left out."""

    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [one for one in folders if not one.startswith(".") and one != "__pycache__"]
        for name in files:
            if (path := Path(parent) / name).is_file():
                yield path.relative_to(folder).as_posix()


def _of_repository(name: str, folder: Path | None, modules: set[str]) -> Iterator[CodeFile]:
    if folder is None:
        return

    def read(path: str) -> bytes | None:
        file = folder / path
        return file.read_bytes() if file.is_file() else None

    for path, data in _imported(modules, read).items():
        yield CodeFile(path, data, "named" if path in modules else "imported", name)


def _imported(modules: set[str], read: Callable[[str], bytes | None]) -> dict[str, bytes]:
    """Return the modules that exist, and all that they import from their folder, with their contents."""
    found, waiting = dict[str, bytes](), sorted(modules - {""})
    while waiting:
        path = waiting.pop()
        if path in found or (data := read(path)) is None:
            continue
        found[path] = data
        parent = path.rpartition("/")[0]
        waiting += [f"{parent}/{one}.py" if parent else f"{one}.py" for one in _relative_imports(data)]
    return found


def _relative_imports(data: bytes) -> set[str]:
    text = data.decode(errors="replace")
    found = set(_RELATIVE_IMPORT.findall(text))
    try:
        nodes = [node for node in ast.walk(ast.parse(data)) if isinstance(node, ast.ImportFrom) and node.level == 1]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return found
    for node in nodes:
        found |= {node.module.replace(".", "/")} if node.module else {alias.name for alias in node.names}
    return found


# ---- references ------------------------------------------------------------------------------------------------------


def _references(file: str, data: bytes) -> list[CodeReference]:
    """List the classes that a JSON file names in any `auto_map`, however deep it is."""
    found: list[CodeReference] = []

    def note(name: str, target: str) -> str:
        found.append(CodeReference(file, name, target))
        return target

    for owner in _owners(_parsed(data)):
        _mapped(owner[_MAP], "", note)
    return found


def _parsed(data: bytes) -> Any:
    if not _MAY_MAP.search(data):
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _owners(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects that have an `auto_map`."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if _MAP in one:
                yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _mapped(value: Any, name: str, change: Callable[[str, str], str]) -> Any:
    """Return an `auto_map` with its classes changed; a name may have several, and some maps have no names."""
    match value:
        case str():
            return change(name, value)
        case list():
            return [_mapped(one, name, change) for one in value]
        case dict():
            return {key: _mapped(one, str(key), change) for key, one in value.items()}
    return value


def _localised(data: bytes) -> bytes:
    """Return a JSON file whose references to other repositories lead to the copies of their modules."""
    value = _parsed(data)
    for owner in (owners := list(_owners(value))):
        owner[_MAP] = _mapped(owner[_MAP], "", lambda _, target: _local_target(target))
    return json.dumps(value).encode() if owners else data


def _local_target(target: str) -> str:
    found = _REFERENCE.fullmatch(target)
    if found is None or not found["repository"]:
        return target
    return f"{_folder_name(found['repository'])}/{found['module']}.{found['name']}"


def _folder_name(repository: str) -> str:
    """Return the folder of another repository in the copy; Python imports from it, so it is one word."""
    return f"from_{re.sub(r'[^A-Za-z0-9]', '_', repository)}_{hashlib.sha256(repository.encode()).hexdigest()[:8]}"


# ---- facts -----------------------------------------------------------------------------------------------------------


def _conspicuous(node: ast.AST) -> Iterator[tuple[str, int]]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                if alias.name.partition(".")[0] in _CONSPICUOUS or _ATTRIBUTES.fullmatch(alias.name):
                    yield alias.name, node.lineno
        case ast.ImportFrom(module=str(module), names=names, level=0):
            if module.partition(".")[0] in _CONSPICUOUS:
                yield module, node.lineno
            for alias in names:
                if _ATTRIBUTES.fullmatch(f"{module}.{alias.name}"):
                    yield f"{module}.{alias.name}", node.lineno
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
            yield name, node.lineno
        case ast.Attribute() if _ATTRIBUTES.fullmatch(dotted := _dotted(node)):
            yield dotted, node.lineno


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Attribute(value=value, attr=name):
            return f"{_dotted(value)}.{name}"
        case ast.Name(id=name):
            return name
    return "?"
