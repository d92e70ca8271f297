"""Parser of catalogue files: turns one TOML file into entries, or reports the error with its line.

A file holds a family and its models. A model's `config` has the few dozen keys of its config.json from which its shape
is read; a model that is another one stored differently names that as `base` and lists only the differences.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from app.core import AppError, ConfigError, Language
from app.models.architecture import Shape
from app.models.config.parser import read_shape

Engine = Literal["vllm", "transformers"]

_KEYS = (
    "id", "base", "parameters", "licence", "released", "engine", "needs_code", "names", "ollama", "about", "config",
)  # fmt: skip
_TOP = ("family", "models", "misnamed")
_DATE = re.compile(r"\d{4}-\d{2}")


@dataclass(frozen=True)
class CatalogueEntry:
    """One model of the catalogue.

    Attributes:
        parameters: Number of parameters as its makers publish it.
        shape: Shape computed from its config.json.
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
    def sees(self) -> bool:
        """Return whether the model accepts pictures."""
        return self.shape.vision is not None


def entry_of_config(name: str, config: Mapping[str, Any]) -> CatalogueEntry:
    """Build an entry for a model that no catalogue describes, from its config.json alone.

    Raises:
        ModelNotFound: The config is incomplete, wrong or of an unknown family, as in `read_shape`.
    """
    shape = read_shape(config)
    nothing: Mapping[Language, str] = {"zh": "", "en": ""}
    return CatalogueEntry(name, "", shape.parameters, "", "", nothing, shape, config=config)


@dataclass(frozen=True)
class MisnamedModel:
    """A name that people use but no hub has, the ids of the models meant by it (likeliest first), and the reason."""

    name: str
    means: tuple[str, ...]
    why: Mapping[Language, str]


@dataclass(frozen=True)
class CatalogueFile:
    """The parsed contents of one file."""

    entries: tuple[CatalogueEntry, ...]
    misnamed: tuple[MisnamedModel, ...] = ()


def parse(text: str, *, file: str, known: Mapping[str, Mapping[str, Any]]) -> CatalogueFile:
    """Parse the entries of a catalogue file.

    Args:
        text: Contents of the file.
        file: Name of the file, for errors.
        known: Raw tables of the models that a `base` may name, by id.

    Raises:
        ConfigError: The text isn't TOML or a value is wrong; the error has the line.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        raise ConfigError("model_file_not_toml", file=file, line=line, reason=str(error)) from error
    return _Reader(text, file, known).entries(table)


def raw_models(text: str) -> dict[str, Mapping[str, Any]]:
    """Return the models of a file that `parse` accepted, as written, by id."""
    return {model["id"]: model for model in tomllib.loads(text)["models"]}


class _Reader:
    """Checker of one file's values; `_wrong` finds the line of a wrong one."""

    def __init__(self, text: str, file: str, known: Mapping[str, Mapping[str, Any]]) -> None:
        self._lines, self._file, self._known = text.splitlines(), file, dict(known)

    def entries(self, table: Mapping[str, Any]) -> CatalogueFile:
        """Return all entries of the file; raise ConfigError."""
        for key in table:
            if key not in _TOP:
                raise self._wrong(key, table[key], ", ".join(_TOP), 0)
        family, models = table.get("family"), table.get("models")
        if not isinstance(family, str) or not family.strip():
            raise self._wrong("family", family, 'family = "…"', 0)
        if not isinstance(models, list) or not models or not all(isinstance(one, dict) for one in models):
            raise self._wrong("models", models, "[[models]]", 0)
        found = []
        for place, model in enumerate(models, 1):
            found.append(self._entry(model, family, place))
            self._known[model["id"]] = model
        return CatalogueFile(tuple(found), tuple(self._misnamed(one) for one in table.get("misnamed", [])))

    def _entry(self, given: Mapping[str, Any], family: str, place: int) -> CatalogueEntry:
        for key in given:
            if key not in _KEYS:
                raise self._wrong(key, given[key], ", ".join(_KEYS), place)
        model = self._with_base(given, place)
        return CatalogueEntry(
            id=self._text(model, "id", place),
            family=family,
            parameters=self._count(model, place),
            licence=self._text(model, "licence", place),
            released=self._date(model, place),
            about=self._words(model, "about", place),
            shape=self._shape(model, place),
            engine=self._engine(model, place),
            needs_code=model.get("needs_code") is True,
            names=self._list(given, "names", place),
            ollama=self._list(given, "ollama", place),
            base=str(given.get("base", "")),
            config=model["config"],
        )

    def _with_base(self, given: Mapping[str, Any], place: int) -> Mapping[str, Any]:
        if "base" not in given:
            return given
        base = self._known.get(given["base"]) if isinstance(given["base"], str) else None
        if base is None:
            raise self._wrong("base", given["base"], ", ".join(list(self._known)[:8]) + " …", place)
        config = given.get("config", {})
        if not isinstance(config, dict):
            raise self._wrong("config", config, "[models.config]", place)
        return {**base, **given, "config": {**base["config"], **config}}

    def _shape(self, model: Mapping[str, Any], place: int) -> Shape:
        config = model.get("config")
        if not isinstance(config, dict):
            raise self._wrong("config", config, "[models.config]", place)
        try:
            return read_shape(config)
        except AppError as error:
            key = str(error.values.get("key") or error.values.get("keys") or "config").split(",")[0].rpartition(".")[2]
            raise self._wrong(key if self._has(key, place) else "config", str(error), "config.json", place) from error

    def _text(self, table: Mapping[str, Any], key: str, place: int) -> str:
        given = table.get(key)
        if not isinstance(given, str) or not given.strip():
            raise self._wrong(key, given, f'{key} = "…"', place)
        return given

    def _count(self, table: Mapping[str, Any], place: int) -> int:
        given = table.get("parameters")
        if isinstance(given, bool) or not isinstance(given, int) or given <= 0:
            raise self._wrong("parameters", given, "parameters = 8_292_166_656", place)
        return given

    def _date(self, table: Mapping[str, Any], place: int) -> str:
        given = table.get("released", "")
        if not isinstance(given, str) or not _DATE.fullmatch(given):
            raise self._wrong("released", given, 'released = "2025-01"', place)
        return given

    def _engine(self, table: Mapping[str, Any], place: int) -> Engine:
        given = table.get("engine", "vllm")
        if given not in get_args(Engine):
            raise self._wrong("engine", given, ", ".join(get_args(Engine)), place)
        return given  # type: ignore[no-any-return]

    def _words(self, table: Mapping[str, Any], key: str, place: int) -> Mapping[Language, str]:
        given = table.get(key, "")
        if isinstance(given, str):
            return {"zh": given, "en": given}
        if not isinstance(given, dict) or not given or not all(isinstance(text, str) for text in given.values()):
            raise self._wrong(key, given, f'{key}.zh = "…", {key}.en = "…"', place)
        either = next(iter(given.values()))
        return {"zh": given.get("zh", either), "en": given.get("en", either)}

    def _list(self, table: Mapping[str, Any], key: str, place: int) -> tuple[str, ...]:
        given = table.get(key, [])
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise self._wrong(key, given, f'{key} = ["…"]', place)
        return tuple(given)

    def _misnamed(self, given: Any) -> MisnamedModel:
        if not isinstance(given, dict) or set(given) != {"name", "means", "why"}:
            raise self._wrong("misnamed", given, "name, means, why", 0)
        means = self._list(given, "means", 0)
        return MisnamedModel(self._text(given, "name", 0), means, self._words(given, "why", 0))

    def _wrong(self, key: str, given: object, allowed: str, place: int) -> ConfigError:
        shown, line = "-" if given is None else str(given)[:200], self._line(key, place)
        return ConfigError("model_file_wrong", file=self._file, line=line, key=key, given=shown, allowed=allowed)

    def _span(self, place: int) -> tuple[int, int]:
        heads = [number for number, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*models\s*\]\]", line)]
        if not 0 < place <= len(heads):
            return 0, len(self._lines)
        return heads[place - 1], heads[place] if place < len(heads) else len(self._lines)

    def _find(self, key: str, place: int) -> int | None:
        start, end = self._span(place)
        setting = re.compile(rf"\s*(?:\[+[\w.]*\b)?[\"']?{re.escape(key)}[\"']?\s*[\].=]")
        return next((number for number in range(start, end) if key and setting.match(self._lines[number])), None)

    def _has(self, key: str, place: int) -> bool:
        return self._find(key, place) is not None

    def _line(self, key: str, place: int) -> int:
        """Return the 1-based line that sets `key`: at the top (place 0) or in model number `place`."""
        found = self._find(key, place)
        return (self._span(place)[0] if found is None else found) + 1
