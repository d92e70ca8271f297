"""Model selection: find the model that a reader typed, what it needs here, and the settings lines that choose it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from framelens import ModelNotFound
from framelens.plugin.engines import config_text
from framelens.plugin.machine import Fix, HardwareProfile
from framelens.plugin.models import Catalogue, CatalogueEntry, Match, MemoryEstimate, Proposal, resolve_model


@dataclass(frozen=True)
class ModelChoice:
    """The model that a name refers to.

    Attributes:
        model: The value for VLLM_MODEL_PATH.
        entry: Its catalogue entry, None for an unknown model on the hub and for a folder of an unknown type.
        match: How the name was understood, where the reader should see that.
        folder: The model's folder, None where it has to be downloaded.
    """

    model: str
    entry: CatalogueEntry | None
    match: Match | None = None
    folder: Path | None = None

    @property
    def download_bytes(self) -> int | None:
        """Return the approximate download size: 0 where nothing is missing, None where it is unknown."""
        if self.folder is not None:
            return 0
        return MemoryEstimate.weights_bytes(self.entry.shape) if self.entry else None


@dataclass(frozen=True)
class ModelSettings:
    """A model with its settings as typed.

    Attributes:
        model: The model's path, id or name.
        vllm_config: VLLM_CONFIG as typed.
        engine: "vllm" or "transformers".
        config: VLLM_CONFIG merged with our defaults, None where it is invalid.
    """

    model: str
    vllm_config: str
    engine: str
    config: Mapping[str, Any] | None

    @property
    def named(self) -> dict[str, str]:
        """Return the keyword arguments for `with_local_model`."""
        return {"model": self.model, "vllm_config": self.vllm_config, "engine": self.engine}

    @property
    def written(self) -> dict[str, Any] | None:
        """Return VLLM_CONFIG as typed, parsed; None where it is not a JSON object."""
        try:
            read = json.loads(self.vllm_config or "{}")
        except ValueError:
            return None
        return read if isinstance(read, dict) else None


def find_model(name: str, catalogue: Catalogue) -> ModelChoice:
    """Find the model that `name` means: a folder, a hub id, a short name, or a name used by Ollama.

    Raises:
        ModelNotFound: No model is meant by it; the error lists alternatives.
    """
    match, unknown = _look_up(name, catalogue)
    try:
        resolved = resolve_model(name)
    except ModelNotFound as error:
        if match is None:
            raise unknown if unknown and unknown.key == "model_is_ollama" else error from error
        resolved = None
    if resolved and resolved.folder and (match is None or match.why not in ("ollama", "ollama_folder")):
        entry = match.entry if match and resolved.hub_id else None
        return ModelChoice(
            name.strip().strip("\"'"), entry or _entry_of(resolved.folder, match), folder=resolved.folder
        )
    if match is not None:
        shown = None if match.why == "exact" else match
        return ModelChoice(match.entry.id, match.entry, shown, resolve_model(match.entry.id).folder)
    assert resolved is not None
    if resolved.hub_id is None or "/" not in resolved.hub_id:
        assert unknown is not None
        raise unknown
    return ModelChoice(resolved.hub_id, None)


def _look_up(name: str, catalogue: Catalogue) -> tuple[Match | None, ModelNotFound | None]:
    try:
        return catalogue.find(name), None
    except ModelNotFound as error:
        return None, error


def _entry_of(folder: Path, match: Match | None) -> CatalogueEntry | None:
    """Return an entry for the folder's own model, with facts that only its makers publish from the catalogue.

    Return None for a type that the calculator doesn't know; an engine, or code that comes with the model, may know it.

    Raises:
        ModelNotFound: The folder has no valid config.json.
    """
    try:
        entry = Catalogue.entry_in(folder)
    except ModelNotFound as error:
        if error.key in ("model_type_unknown", "model_type_weights"):
            return None
        raise
    return replace(match.entry, shape=entry.shape) if match is not None else entry


def proposal_for(choice: ModelChoice, hardware: HardwareProfile) -> Proposal | None:
    """Return settings with which the model fits; None where it doesn't or nothing is known of it."""
    return next(iter(hardware.proposals((choice.entry,))), None) if choice.entry else None


def env_lines(settings: ModelSettings, environment: Mapping[str, str]) -> str:
    """Return the lines for `.env` that choose the same model and settings."""
    lines = [f"VLLM_MODEL_PATH={settings.model}"]
    if settings.engine == "vllm":
        lines.append(f"VLLM_CONFIG='{json.dumps(dict(settings.config or {}))}'")
    else:
        lines.append(f"FRAMELENS_ENGINE={settings.engine}")
    lines += [f"{name}={value}" for name, value in environment.items() if name != "FRAMELENS_ENGINE"]
    return "\n".join(lines)


def with_fix(settings: ModelSettings, fix: Fix) -> ModelSettings:
    """Apply a fix to the settings; settings that it doesn't touch stay as typed."""
    written = settings.written or {}
    changed = fix.applied_to(written)
    # A setting from our defaults can't be removed from the text; null restores vLLM's own default.
    changed |= {name: None for name in fix.remove if name in (settings.config or {}) and name not in written}
    model, engine = fix.model or settings.model, fix.engine or settings.engine
    return replace(settings, model=model, engine=engine, vllm_config=config_text(changed))
