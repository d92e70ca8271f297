"""Report templates: the built-in ones and those of a user's folder, each a TOML file.

A bad file is reported as a problem; the others still work. app.analysis.prompts.prompts writes the prompts,
app.analysis.prompts.schema the form of answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from app.analysis.prompts.template_parser import Field, FieldChoice, FieldKind, Template, Words, parse
from app.core.errors import AppError, ConfigError

__all__ = ["Field", "FieldChoice", "FieldKind", "Template", "Templates", "Words", "built_in", "digest", "load"]

_ORDER = (
    "describe", "log", "slides", "steps", "sport", "safety", "meeting", "script", "quality", "question",
)  # fmt: skip
_MOST_BYTES = 256 * 1024  # of a file; chosen by hand, not tuned
_MOST_FILES = 200  # of the folder; chosen by hand, not tuned


@dataclass(frozen=True)
class Templates:
    """All templates by key, built-in ones first, and the problems of files that could not be loaded."""

    by_key: Mapping[str, Template]
    problems: tuple[AppError, ...] = field(default=())

    def find(self, key: str) -> Template:
        """Return the template with this key.

        Raises:
            ConfigError: No template has the key.
        """
        if key not in self.by_key:
            raise ConfigError("template_absent", key=key, allowed=", ".join(self.by_key))
        return self.by_key[key]


@cache
def built_in() -> Mapping[str, Template]:
    """Return the templates of FrameLens by key, in the order of the menu."""
    folder = files("app.analysis") / "templates"
    texts = {key: (folder / f"{key}.toml").read_text(encoding="utf-8") for key in _ORDER}
    return MappingProxyType({key: parse(text, file=f"{key}.toml", stem=key) for key, text in texts.items()})


def load(folder: Path | None) -> Templates:
    """Load the built-in templates and those of the *.toml files in `folder`, sorted by name.

    A missing folder counts as empty. A file whose key is already in use is a problem; the first one is kept.
    """
    found = dict(built_in())
    problems: list[AppError] = []
    for one in _own(folder) if folder else ():
        if isinstance(one, AppError):
            problems.append(one)
        elif one[1].key in found:
            problems.append(ConfigError("template_taken", file=str(one[0]), key=one[1].key))
        else:
            found[one[1].key] = one[1]
    return Templates(MappingProxyType(found), tuple(problems))


def digest(template: Template) -> str:
    """Return the SHA-256 in hex of the template's content, which doesn't depend on the file."""
    return hashlib.sha256(json.dumps(asdict(template), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _own(folder: Path) -> Iterator[tuple[Path, Template] | AppError]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".toml") if folder.is_dir() else []
    except OSError as error:
        yield ConfigError("template_unreadable", file=str(folder), reason=error.strerror or str(error))
        return
    if len(paths) > _MOST_FILES:
        yield ConfigError("template_files_many", folder=str(folder), count=len(paths), most=_MOST_FILES)
    for path in paths[:_MOST_FILES]:
        try:
            yield path, parse(_read(path), file=str(path), stem=path.stem)
        except AppError as error:
            yield error


def _read(path: Path) -> str:
    """Read a file with or without a byte order mark; raise ConfigError if that fails."""
    try:
        if not path.is_file():
            raise ConfigError("template_unreadable", file=str(path), reason="not a file")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ConfigError("template_unreadable", file=str(path), reason=f"> {_MOST_BYTES} bytes")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError("template_unreadable", file=str(path), reason=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError("template_not_toml", file=str(path), line=line, reason="not UTF-8") from error
