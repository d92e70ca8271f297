"""From what a reader typed for a model to the one that is meant, what it needs, and the lines that choose it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.core.errors import ModelNotFound
from app.engine.model_resolution import resolve_model
from app.models import Catalogue, Entry, Match, Proposal, Shape, read_shape
from app.models.formatting import weights_bytes
from app.services.hardware_profile import Place

_MOST_BYTES = 4 * 1024**2


@dataclass(frozen=True)
class Choice:
    """`model` is what VLLM_MODEL_PATH is to be. `entry` is None for a model on the hub of which nothing is known yet.

    `match` is how the name was understood, where that has to be told. `folder` is where the model lies, None where it
    has to be fetched.
    """

    model: str
    entry: Entry | None
    match: Match | None = None
    folder: Path | None = None

    @property
    def download_bytes(self) -> int | None:
        """What is to be fetched, about; 0 for nothing, None where it is not known."""
        if self.folder is not None:
            return 0
        return weights_bytes(self.entry.shape) if self.entry else None


@dataclass(frozen=True)
class Wanted:
    """A model with its settings as they were written, and `config`, what VLLM_CONFIG comes to with our defaults; None
    where it is not right.
    """

    model: str
    vllm_config: str
    engine: str
    config: Mapping[str, Any] | None

    @property
    def named(self) -> dict[str, str]:
        """As `wiring.chosen` takes it."""
        return {"model": self.model, "vllm_config": self.vllm_config, "engine": self.engine}

    @property
    def written(self) -> dict[str, Any] | None:
        """VLLM_CONFIG as it is written, None where it is no JSON object."""
        try:
            read = json.loads(self.vllm_config or "{}")
        except ValueError:
            return None
        return read if isinstance(read, dict) else None


def understood(name: str, catalogue: Catalogue) -> Choice:
    """What is meant by `name`: a folder, an id on the hub, a short name, or what Ollama calls a model.

    Raises ModelNotFound, which says what there is instead.
    """
    match, unknown = _looked_up(name, catalogue)
    try:
        found = resolve_model(name)
    except ModelNotFound as error:
        if match is None:
            raise unknown if unknown and unknown.key == "model_is_ollama" else error from error
        found = None
    if found and found.folder and (match is None or match.why not in ("ollama", "ollama_folder")):
        known = match.entry if match and found.hub_id else None
        return Choice(name.strip().strip("\"'"), known or _entry_of(found.folder, match), folder=found.folder)
    if match is not None:
        told = None if match.why == "exact" else match
        return Choice(match.entry.id, match.entry, told, resolve_model(match.entry.id).folder)
    assert found is not None
    if found.hub_id is None or "/" not in found.hub_id:
        assert unknown is not None
        raise unknown
    return Choice(found.hub_id, None)


def _looked_up(name: str, catalogue: Catalogue) -> tuple[Match | None, ModelNotFound | None]:
    try:
        return catalogue.find(name), None
    except ModelNotFound as error:
        return None, error


def _entry_of(folder: Path, match: Match | None) -> Entry:
    """The folder's own model; what only its makers tell is the catalogue's. Raises ModelNotFound."""
    shape = _shape_of(folder)
    if match is not None:
        return replace(match.entry, shape=shape)
    nothing = {"zh": "", "en": ""}
    name = folder.absolute().name
    return Entry(name, "", shape.parameters, "", "", nothing, shape)  # type: ignore[arg-type]


def _shape_of(folder: Path) -> Shape:
    try:
        with (folder / "config.json").open("rb") as stream:
            return read_shape(json.loads(stream.read(_MOST_BYTES).decode("utf-8-sig")))
    except FileNotFoundError as error:
        listed = ", ".join(sorted(one.name for one in folder.iterdir())[:8])
        raise ModelNotFound("model_config_missing", model=str(folder), files=listed or "-") from error
    except OSError as error:
        raise ModelNotFound("model_unreadable", model=str(folder), reason=error.strerror or str(error)) from error
    except ValueError as error:
        raise ModelNotFound("model_config_broken", model=str(folder), reason=str(error)) from error


def proposal_for(choice: Choice, place: Place) -> Proposal | None:
    """Settings with which it fits; None where it does not, or nothing is known of it."""
    return next(iter(place.proposals((choice.entry,))), None) if choice.entry else None


def config_text(config: Mapping[str, Any]) -> str:
    """VLLM_CONFIG as people read it: a line for each setting."""
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in config.items()]
    return "{\n" + ",\n".join(lines) + "\n}" if lines else "{}"


def env_lines(wanted: Wanted, environment: Mapping[str, str]) -> str:
    """What belongs into `.env` to have the same from there."""
    lines = [f"VLLM_MODEL_PATH={wanted.model}"]
    if wanted.engine == "vllm":
        lines.append(f"VLLM_CONFIG='{json.dumps(dict(wanted.config or {}))}'")
    else:
        lines.append(f"FRAMELENS_ENGINE={wanted.engine}")
    lines += [f"{name}={value}" for name, value in environment.items() if name != "FRAMELENS_ENGINE"]
    return "\n".join(lines)
