"""Catalogue of models: models that come with FrameLens and models in the user's folder, one file per family.

`Catalogue.find` understands the names people use: an id on the hub, a short name, a folder, a name that no hub has, and
Ollama's names. A bad file is reported as a problem and never disables the others.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from framelens.core.domain import Language
from framelens.core.engines.model_hub import model_on_page
from framelens.core.errors import AppError, ModelNotFound
from framelens.core.files import typed_path
from framelens.core.toml_lines import toml_files
from framelens.i18n import language, sentences, t
from framelens.models.catalogue_parser import CatalogueEntry, CatalogueFile, MisnamedModel, parse, raw_models
from framelens.models.checkpoint import read_config, shape_in

Why = Literal["exact", "short", "folder", "misnamed", "ollama", "ollama_folder"]

_ORDER = (
    *("qwen3-vl", "qwen3.5", "internvl3.5", "gemma4", "minicpm-v", "qwen2.5-vl", "qwen2-vl", "deepseek-vl", "llava"),
    *("qwen3", "qwen2.5", "deepseek-r1"),
)
_LEAST_LIKENESS = 0.6  # for a name to be proposed
_OLLAMA_PREFIX = re.compile(r"(?:ollama (?:run|pull) )?(?:https?://)?(?:(?:registry\.)?ollama(?:\.(?:ai|com))?/)?")
_OLLAMA_GGUF = re.compile(r"(?:hf\.co/|huggingface\.co/)?[\w.-]+/([\w.-]+?)(?:-gguf)?:[\w.-]+", re.IGNORECASE)
"""Ollama's name for a model in a repository of a hub."""
_OLLAMA = re.compile(r"(?:library/)?([a-z0-9][\w.-]*)(?::([\w.-]+))?")
_OLLAMA_SIZE = re.compile(r"(\d+(?:\.\d+)?b)\b.*")


@dataclass(frozen=True)
class Match:
    """The model meant by `asked`.

    Attributes:
        why: How the name was understood; its text is `models.why.<why>`.
        others: Less likely meanings.
        reason: Explanation, for names that no hub has.
    """

    asked: str
    entry: CatalogueEntry
    why: Why = "exact"
    others: tuple[CatalogueEntry, ...] = ()
    reason: Mapping[Language, str] | None = None

    @property
    def text(self) -> str:
        """Return how the name was understood, and what else it may mean; "" for a name that means itself."""
        if self.why == "exact":
            return ""
        lines = [t(f"models.why.{self.why}", asked=self.asked, id=self.entry.id)]
        if self.reason:
            lines.append(self.reason[language()])
        if self.others:
            lines.append(t("models.why.others", ids=", ".join(entry.id for entry in self.others)))
        return sentences(lines)


@dataclass(frozen=True)
class Catalogue:
    """All entries by id, built-in entries first, and the errors of files without entries."""

    by_id: Mapping[str, CatalogueEntry]
    misnamed: tuple[MisnamedModel, ...] = ()
    problems: tuple[AppError, ...] = ()

    @classmethod
    def load(cls, folder: Path | None) -> Catalogue:
        """Load the built-in models and the models of the *.toml files in `folder`, sorted by name.

        An entry with an existing id replaces it, so that an outdated model card can be corrected.

        Args:
            folder: Folder of the user's files; treated as empty if it doesn't exist.

        Returns:
            The catalogue; unreadable files are in its `problems`.
        """
        ours = built_in()
        entries, misnamed, problems = dict(ours.by_id), list(ours.misnamed), []
        for read in _read_folder(folder) if folder else ():
            if isinstance(read, AppError):
                problems.append(read)
            else:
                entries |= {entry.id: entry for entry in read.entries}
                misnamed += read.misnamed
        usable = tuple(name for name in misnamed if all(id_ in entries for id_ in name.means))
        return cls(MappingProxyType(entries), usable, tuple(problems))

    def of_type(self, model_type: object) -> CatalogueEntry | None:
        """Return the first model of this `model_type`, None if there is none."""
        return next((entry for entry in self.by_id.values() if entry.shape.model_type == model_type), None)

    def find(self, name: str) -> Match:
        """Return the model that people mean by `name`.

        Raises:
            ModelNotFound: Nothing matches; the error has the nearest names.
        """
        text = name.strip().strip("\"'")
        text = model_on_page(text) or text.rstrip("/\\")
        match = (
            self._exact(text)
            or self._ollama_folder(text)
            or self._match_misnamed(text)
            or (self._ollama(text) if ":" in text else None)  # deepseek-r1:8b is not the former DeepSeek-R1-8B
            or self._match_short(text)
            or self._ollama(text)
        )
        if match is None:
            nearest = ", ".join(self.nearest(text))
            key = "model_not_in_catalogue" if nearest else "model_unlike_catalogue"
            raise ModelNotFound(key, model=name, nearest=nearest)
        return match

    def find_entry(self, name: str) -> tuple[CatalogueEntry, Match | None]:
        """Return the model that `name` means: a folder's own config.json if it exists, else the catalogue's entry.

        Args:
            name: A folder, a config.json, or a name as for `find`.

        Returns:
            The entry, and the catalogue's match; None for a folder that the catalogue doesn't know.

        Raises:
            ModelNotFound: Nothing matches, or the config.json can't be used.
        """
        folder = Path(typed_path(name)).absolute()
        file = folder if folder.name == "config.json" else folder / "config.json"
        if not file.is_file():
            match = self.find(name)
            return match.entry, match
        entry = self.entry_in(file.parent)
        try:
            return entry, self.find(str(file.parent))
        except ModelNotFound:
            return entry, None

    @staticmethod
    def entry_in(folder: Path) -> CatalogueEntry:
        """Return an entry for the model in a folder, by its config.json; raise ModelNotFound as `shape_in`."""
        config = read_config(folder)
        return CatalogueEntry.of_shape(folder.absolute().name, shape_in(folder, config), config)

    def _exact(self, text: str) -> Match | None:
        return next((Match(text, entry) for id_, entry in self.by_id.items() if id_.lower() == text.lower()), None)

    def _match_misnamed(self, text: str) -> Match | None:
        """Match a wrong name with or without its owner; no entry has such a name, so the match hides no entry."""
        name = _without_suffix(_last_part(text))
        for misnamed in self.misnamed:
            if name == _without_suffix(_last_part(misnamed.name)):
                first, *others = (self.by_id[id_] for id_ in misnamed.means)
                return Match(text, first, "misnamed", tuple(others), misnamed.why)
        return None

    def _match_short(self, text: str) -> Match | None:
        normal = _normalise(_last_part(text))
        is_path = len(re.split(r"[/\\]", text)) > 2 or text.startswith((".", "~", "/"))
        for entry in self.by_id.values():
            if normal in {_normalise(entry.name), *(_normalise(_last_part(name)) for name in entry.names)}:
                return Match(text, entry, "folder" if is_path else "short")
        # "Qwen2.5-VL-7B" for "Qwen2.5-VL-7B-Instruct": the name without its training suffix
        for entry in self.by_id.values():
            if normal and normal == _without_suffix(entry.name):
                return Match(text, entry, "folder" if is_path else "short")
        return None

    def _ollama(self, text: str) -> Match | None:
        match = _OLLAMA.fullmatch(_OLLAMA_PREFIX.sub("", text.lower(), count=1))
        if match is None:
            files = _OLLAMA_GGUF.fullmatch(text)
            short = self._match_short(files[1]) if files else None
            return Match(text, short.entry, "ollama") if short else None
        size = _OLLAMA_SIZE.fullmatch(match[2] or "")
        names = {f"{match[1]}:{match[2]}" if match[2] else match[1], *((f"{match[1]}:{size[1]}",) if size else ())}
        entry = next((entry for entry in self.by_id.values() if names & set(entry.ollama)), None)
        return Match(text, entry, "ollama") if entry else None

    def _ollama_folder(self, text: str) -> Match | None:
        """Match a folder of Ollama's: …/manifests/registry.ollama.ai/library/NAME/TAG is a model, …/blobs isn't."""
        parts = [part for part in re.split(r"[/\\]", text) if part]
        if "manifests" in parts and "library" in parts:
            segments = parts[parts.index("library") + 1 :]
            match = self._ollama(":".join(segments[:2])) if segments else None
            if match is not None:
                return Match(text, match.entry, "ollama_folder")
        if ".ollama" in parts or _is_ollama_folder(text):
            raise ModelNotFound("model_is_ollama", model=text)
        return None

    def nearest(self, text: str) -> list[str]:
        """Return the ids of the models whose names are most like `text`."""
        by_plain = {_normalise(entry.name): entry.id for entry in self.by_id.values()}
        close = difflib.get_close_matches(_normalise(_last_part(text)), by_plain, 3, _LEAST_LIKENESS)
        return [by_plain[name] for name in close]


def is_ollama_name(name: str) -> bool:
    """Return whether `name` has a tag, which names of Ollama have and ids on a hub don't."""
    return bool(_OLLAMA_GGUF.fullmatch(name) or (":" in name and _OLLAMA.fullmatch(name)))


@cache
def built_in() -> Catalogue:
    """Return the models that come with FrameLens, in the order in which families are recommended for video."""
    folder = files("framelens.models") / "catalogue"
    texts = {f"{key}.toml": (folder / f"{key}.toml").read_text(encoding="utf-8") for key in _ORDER}
    entries: dict[str, CatalogueEntry] = {}
    misnamed: list[MisnamedModel] = []
    raw: dict[str, Mapping[str, Any]] = {}
    for file, text in texts.items():
        read = parse(text, file=file, bases=raw)
        raw |= raw_models(text)
        entries |= {entry.id: entry for entry in read.entries}
        misnamed += read.misnamed
    return Catalogue(MappingProxyType(entries), tuple(misnamed))


@cache
def raw_built_in() -> Mapping[str, Mapping[str, Any]]:
    """Return the built-in models as their files describe them, by id, each with all of its config."""
    folder = files("framelens.models") / "catalogue"
    raw: dict[str, Mapping[str, Any]] = {}
    for key in _ORDER:
        raw |= raw_models((folder / f"{key}.toml").read_text(encoding="utf-8"))
    return {id_: _merge_base(model, raw) for id_, model in raw.items()}


def _merge_base(model: Mapping[str, Any], raw: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    if "base" not in model:
        return model
    base = raw[model["base"]]
    return {**base, **model, "config": {**base["config"], **model.get("config", {})}}


def _read_folder(folder: Path) -> Iterator[CatalogueFile | AppError]:
    return toml_files(
        folder,
        lambda text, path: parse(text, file=str(path), bases=raw_built_in()),
        unreadable="model_file_unreadable",
        not_toml="model_file_not_toml",
    )


def _is_ollama_folder(text: str) -> bool:
    """Return whether `text` is a folder like those in which Ollama keeps its models."""
    folder = Path(text)
    return bool(text) and (folder / "blobs").is_dir() and (folder / "manifests").is_dir()


def _last_part(text: str) -> str:
    """Return the last part of an id or a path; for a folder of the hub's cache, the name of the model in it."""
    parts = [part for part in re.split(r"[/\\]", text) if part]
    cached = [part for part in parts if part.startswith("models--")]
    return cached[-1].rpartition("--")[2] if cached else (parts[-1] if parts else "")


def _without_suffix(name: str) -> str:
    """Return the name without the suffix that only says how the model was trained."""
    return re.sub(r"(?:instruct|chat|hf)+$", "", _normalise(name))


def _normalise(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower())
