"""Parser of catalogue files: turns a TOML file into entries, or reports the error with its line.

A file holds a family and its models. A model's `config` has the few dozen keys of its config.json from which its shape
is read; a model that is another model stored differently names that model as `base` and lists only the
differences.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints, ValidationError

from framelens.core.domain import Language
from framelens.core.errors import AppError, ConfigError
from framelens.core.toml_lines import TomlEntry, TomlLines
from framelens.i18n import t
from framelens.models.architecture import Shape
from framelens.models.config import read_shape

Engine = Literal["vllm", "transformers"]

_ALLOWED = {
    "family": 'family = "…"',
    "models": "[[models]]",
    "misnamed": "name, means, why",
    "parameters": "parameters = 8_292_166_656",
    "weights_bytes": "weights_bytes = 16_584_333_312",
    "released": 'released = "2025-01"',
    "engine": ", ".join(get_args(Engine)),
    "needs_code": "true, false",
    "config": "[models.config]",
    **{key: f'{key}.zh = "…", {key}.en = "…"' for key in ("about", "why")},
    **{key: f'{key} = ["…"]' for key in ("names", "ollama", "means")},
    **{key: f'{key} = "…"' for key in ("id", "base", "licence", "name")},
}
"""Allowed values that errors name, by key."""
_OWN = ("id", "names", "ollama")
"""Keys that a model doesn't take from its base."""
_UNKNOWN = "extra_forbidden"  # pydantic's name for a key that a model lacks


@dataclass(frozen=True)
class CatalogueEntry:
    """One model of the catalogue.

    Attributes:
        parameters: Number of parameters as its makers publish it.
        shape: Shape by its config.json, with the published size of its weights.
        names: Other names that people use for it.
        ollama: Ollama's names of the same model in its own format.
        needs_code: Whether it runs only with code that comes with it (trust_remote_code).
        config: The config that the shape was read from.
    """

    id: str
    family: str
    parameters: int
    licence: str
    released: str
    about: Mapping[Language, str]
    shape: Shape
    engine: Engine = "vllm"
    needs_code: bool = False
    names: tuple[str, ...] = ()
    ollama: tuple[str, ...] = ()
    base: str = ""
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Return the id without its owner."""
        return self.id.rpartition("/")[2]

    @property
    def is_for_research(self) -> bool:
        """Return whether the licence allows research alone."""
        return "Research" in self.licence

    def licence_text(self) -> str:
        """Return the name of its licence for the user, marked where it allows research alone."""
        return f"{self.licence} ({t('models.missing.research')})" if self.is_for_research else self.licence

    @property
    def sees(self) -> bool:
        """Return whether the model accepts pictures."""
        return self.shape.vision is not None

    @classmethod
    def of_shape(cls, name: str, shape: Shape, config: Mapping[str, Any]) -> CatalogueEntry:
        """Build an entry for a model that no catalogue describes, of this shape and config.json."""
        nothing: Mapping[Language, str] = {"zh": "", "en": ""}
        return cls(name, "", shape.parameters, "", "", nothing, shape, config=config)


@dataclass(frozen=True)
class MisnamedModel:
    """A name that people use but no hub has, the ids of the models meant by it (likeliest first), and the reason."""

    name: str
    means: tuple[str, ...]
    why: Mapping[Language, str]


@dataclass(frozen=True)
class CatalogueFile:
    """The parsed contents of a file."""

    entries: tuple[CatalogueEntry, ...]
    misnamed: tuple[MisnamedModel, ...] = ()


def _both(value: object) -> object:
    """Return a text in both languages: a string is for both, and a missing language takes the other's."""
    if isinstance(value, str):
        return {"zh": value, "en": value}
    if not isinstance(value, dict) or not value:
        return value
    either = next(iter(value.values()))
    return {"zh": value.get("zh", either), "en": value.get("en", either)}


_Text = Annotated[str, StringConstraints(pattern=r"\S")]
_Words = Annotated[dict[Language, str], Field(min_length=1), BeforeValidator(_both)]


class _Table(BaseModel):
    """A table of a file."""

    model_config = ConfigDict(extra="forbid")


class _Model(_Table):
    """An entry of [[models]], completed from its base."""

    id: _Text
    base: str = ""
    parameters: Annotated[int, Strict(), Field(gt=0)]
    weights_bytes: Annotated[int, Strict(), Field(gt=0)] | None = None
    licence: _Text
    released: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}$")]
    engine: Engine = "vllm"
    needs_code: Annotated[bool, Strict()] = False
    names: tuple[str, ...] = ()
    ollama: tuple[str, ...] = ()
    about: _Words = {"zh": "", "en": ""}
    config: dict[str, Any]


class _Misnamed(_Table):
    name: _Text
    means: tuple[str, ...]
    why: _Words


class _File(_Table):
    family: _Text
    models: Annotated[list[dict[str, Any]], Field(min_length=1)]
    misnamed: list[_Misnamed] = []


_T = TypeVar("_T", bound=_Table)


def parse(text: str, *, file: str, bases: Mapping[str, Mapping[str, Any]]) -> CatalogueFile:
    """Parse the entries of a catalogue file.

    Args:
        text: Contents of the file.
        file: Name of the file, for errors.
        bases: Raw tables of the models that a `base` may name, by id.

    Raises:
        ConfigError: The text isn't TOML or a value is wrong; the error has the line.
    """
    return _Reader(text, file, bases).entries()


def raw_models(text: str) -> dict[str, Mapping[str, Any]]:
    """Return the models of a file that `parse` accepted, as written, by id."""
    return {model["id"]: model for model in tomllib.loads(text)["models"]}


class _Reader:
    """Reader of a file; `_wrong` finds the line of a wrong value."""

    def __init__(self, text: str, file: str, bases: Mapping[str, Mapping[str, Any]]) -> None:
        self._lines, self._file, self._bases = TomlLines(text), file, dict(bases)

    def entries(self) -> CatalogueFile:
        """Return all entries of the file; raise ConfigError."""
        table = self._lines.parsed(file=self._file, error_key="model_file_not_toml")
        content = self._validate(_File, table)
        entries = []
        for number, model in enumerate(content.models, 1):
            entries.append(self._entry(model, content.family, ("models", number)))
            self._bases[model["id"]] = model
        misnamed = tuple(MisnamedModel(item.name, item.means, item.why) for item in content.misnamed)
        return CatalogueFile(tuple(entries), misnamed)

    def _entry(self, raw: Mapping[str, Any], family: str, table_entry: TomlEntry) -> CatalogueEntry:
        model = self._validate(_Model, self._with_base(raw, table_entry), table_entry)
        return CatalogueEntry(
            family=family, shape=self._shape(model, table_entry), **model.model_dump(exclude={"weights_bytes"})
        )

    def _validate(self, kind: type[_T], table: Mapping[str, Any], table_entry: TomlEntry | None = None) -> _T:
        try:
            return kind.model_validate(table)
        except ValidationError as error:
            # A misspelt key is the cause of a missing key.
            first = min(error.errors(include_url=False), key=lambda item: item["type"] != _UNKNOWN)
            location, value = first["loc"], None if first["type"] == "missing" else first["input"]
            if location[0] == "misnamed" and len(location) > 1:
                kind, table_entry = _Misnamed, ("misnamed", int(location[1]) + 1)  # type: ignore[assignment]
            if first["type"] == _UNKNOWN:
                raise self._wrong(str(location[-1]), value, ", ".join(kind.model_fields), table_entry) from error
            key = next(str(part) for part in reversed(location) if part in _ALLOWED)
            raise self._wrong(key, value, _ALLOWED[key], table_entry) from error

    def _with_base(self, raw: Mapping[str, Any], table_entry: TomlEntry) -> Mapping[str, Any]:
        if "base" not in raw:
            return raw
        base = self._bases.get(raw["base"]) if isinstance(raw["base"], str) else None
        if base is None:
            raise self._wrong("base", raw["base"], ", ".join(list(self._bases)[:8]) + " …", table_entry)
        config = raw.get("config", {})
        own = (*_OWN, "weights_bytes") if config else _OWN  # a config of its own means another size
        inherited = {key: value for key, value in base.items() if key not in own}
        return {**inherited, **raw, "config": {**base["config"], **config} if isinstance(config, dict) else config}

    def _shape(self, model: _Model, table_entry: TomlEntry) -> Shape:
        try:
            return read_shape(model.config, stored_bytes=model.weights_bytes or 0, published=model.parameters)
        except AppError as error:
            key = str(error.values.get("key") or error.values.get("keys") or "config").split(",")[0].rpartition(".")[2]
            wrong = key if self._lines.has(key, table_entry) else "config"
            raise self._wrong(wrong, str(error), "config.json", table_entry) from error

    def _wrong(self, key: str, value: object, allowed: str, table_entry: TomlEntry | None) -> ConfigError:
        shown, line = "-" if value is None else str(value)[:200], self._lines.line(key, table_entry)
        return ConfigError("model_file_wrong", file=self._file, line=line, key=key, given=shown, allowed=allowed)
