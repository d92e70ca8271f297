"""Readiness of the model before an analysis starts: on this machine, to be downloaded, or not available.

Page and command line check it before they start anything. No network is used; sizes come from the catalogue.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from framelens.config import Settings
from framelens.core.engines.model_hub import chosen_hub, is_offline
from framelens.core.engines.vllm_arguments import config_text
from framelens.core.errors import AppError, ModelNotFound
from framelens.core.units import human_size
from framelens.engine.base import Engine, NullEngine
from framelens.engine.hardware_profile import HardwareProfile
from framelens.engine.hub_cache import hub_cache_folder
from framelens.engine.installation import EnginePackage, missing_engine
from framelens.engine.local.model_arguments import effective_arguments
from framelens.engine.model_names import resolve_named_model
from framelens.engine.model_resolution import resolve_model
from framelens.i18n import t
from framelens.models.catalogue import Catalogue
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.memory import MemoryEstimate
from framelens.models.placement import USABLE, MemoryNeed, Proposal

Kind = Literal["ready", "download", "none"]
_OFFERS = 2
"""Number of models offered."""


@dataclass(frozen=True)
class ModelCandidate:
    """A model that could be used.

    Attributes:
        download_bytes: Size of the download, 0 if the model is here, None if unknown.
        need: Memory that it needs, None for an unknown model.
        config: VLLM_CONFIG for this machine, None for the settings' own.
    """

    model: str
    download_bytes: int | None
    need: MemoryNeed | None = None
    config: Mapping[str, Any] | None = None
    entry: CatalogueEntry | None = None

    @property
    def name(self) -> str:
        """Return the last part of the model's name."""
        return self.model.rpartition("/")[2]

    @property
    def licence(self) -> str:
        """Return the name of its licence, or that it allows research alone; "" for an unknown model."""
        return self.entry.licence_text() if self.entry else ""

    @classmethod
    def of(cls, hub_id: str, settings: Settings) -> ModelCandidate:
        """Return a model of a hub as it would run here with these settings."""
        entry = Catalogue.load(settings.data_dir / "models").by_id.get(hub_id)
        if entry is None:
            return cls(hub_id, None)
        need = HardwareProfile.here().need(entry.shape, effective_arguments(settings))
        return cls(hub_id, MemoryEstimate.weights_bytes(entry.shape), need, entry=entry)

    @classmethod
    def of_proposal(cls, proposal: Proposal) -> ModelCandidate:
        """Return a model as it is proposed for this machine."""
        entry, needed = proposal.entry, proposal.sum.card_bytes
        size = 0 if resolve_model(entry.id).folder is not None else MemoryEstimate.weights_bytes(entry.shape)
        least = min(needed, MemoryNeed.least_of(entry.shape, proposal.plan.device))
        need = MemoryNeed(needed, least, round(proposal.budget_bytes / USABLE))
        return cls(entry.id, size, need, proposal.config_without_code, entry)


@dataclass(frozen=True)
class Readiness:
    """Readiness of the model for an analysis.

    Attributes:
        kind: "ready" if the model is here or remote, "download" if it or its engine must be downloaded first, "none" if
            no model is available.
        model: The model that would be downloaded: the chosen model, else the recommended model.
        error: Why no model is available.
        offers: Other models that run on this machine, the recommended model first, then those that are here.
        free_bytes: Free space where downloads are stored.
        engine: The engine that would be installed, None if it is here.
    """

    kind: Kind
    model: ModelCandidate | None = None
    error: AppError | None = None
    offers: tuple[ModelCandidate, ...] = ()
    free_bytes: int = 0
    engine: EnginePackage | None = None

    @property
    def has_room(self) -> bool:
        """Return whether the disks have room for the model and the engine."""
        return self.model is None or self.has_room_for(self.model)

    def engine_text(self, model: ModelCandidate | None = None) -> str:
        """Return the sentence about the engine that is installed with a model, "" where an engine is here."""
        if self.engine is None:
            return ""
        free = human_size(self.engine.free_bytes)
        if model and not self.has_room_for(model):
            disk = human_size(self.engine.disk_bytes + (model.download_bytes or 0))
            return t("models.engine.no_room", model=model.name, disk=disk, free=free)
        size, disk = human_size(self.engine.fetched_bytes), human_size(self.engine.disk_bytes)
        return t("models.engine.absent", size=size, disk=disk, free=free)

    def has_room_for(self, model: ModelCandidate) -> bool:
        """Return whether the disks have room for this model and the engine, which may share a disk."""
        size, engine = model.download_bytes or 0, self.engine.disk_bytes if self.engine else 0
        if self.engine is None or not _is_one_disk():
            return size <= self.free_bytes and (self.engine is None or engine <= self.engine.free_bytes)
        return size + engine <= self.free_bytes

    @property
    def fits(self) -> bool:
        """Return whether the model that would be downloaded fits on this machine; True if its size is unknown."""
        return self.has_room and (self.model is None or self.model.need is None or self.model.need.fits)

    @property
    def offered(self) -> ModelCandidate | None:
        """Return the model to propose: the model that would be downloaded if it fits, else the best that does."""
        return self.model if self.model and self.fits else next(iter(self.offers), None)


def readiness(settings: Settings, engine: Engine) -> Readiness:
    """Check whether an analysis with these settings and this engine has a model, or which download would be needed.

    This takes tens of milliseconds, as the hub's cache is inspected.
    """
    if settings.base_url or engine.status().state in ("starting", "ready"):
        return Readiness("ready")
    error = engine.status().error if isinstance(engine, NullEngine) else None
    package = missing_engine(error)
    if error and (package is None or package.error or is_offline()):
        return Readiness("none", error=(package and package.error) or error)
    try:
        model = resolve_named_model(settings.model_path, settings.data_dir)
    except ModelNotFound as missing:
        return Readiness("none", error=missing, offers=model_offers(settings), engine=package)
    if model.folder is not None or model.hub_id is None:
        present = ModelCandidate(settings.model_path, 0)
        return Readiness("download", present, None, (), free_bytes(), package) if package else Readiness("ready")
    offers = model_offers(settings)
    if is_offline():
        here = tuple(offer for offer in offers if offer.download_bytes == 0)
        return Readiness("none", error=ModelNotFound("model_offline", model=model.hub_id), offers=here)
    if offers and not settings.model_chosen:
        return Readiness("download", offers[0], None, offers[1:], free_bytes(), package)
    return Readiness("download", ModelCandidate.of(model.hub_id, settings), None, offers, free_bytes(), package)


def with_candidate(settings: Settings, candidate: ModelCandidate) -> Settings:
    """Return `settings` with this model, as it runs on this machine.

    Raises:
        ConfigError: The model can't be set.
    """
    if candidate.config is None:
        return settings
    from framelens.jobs.model_switch import ModelSwitch

    return ModelSwitch.with_local_model(
        settings, model=candidate.model, vllm_config=config_text(candidate.config), engine="vllm"
    )


def with_recommended(settings: Settings) -> Settings:
    """Return `settings` with the recommended model where no model was chosen and the default model isn't here."""
    if settings.model_chosen or settings.base_url or resolve_model(settings.model_path).folder:
        return settings
    best = next(iter(model_offers(settings)), None)
    return with_candidate(settings, best) if best else settings


def download_text(size: int | None, free: int) -> str:
    """Return the sentence about a download of `size` bytes, or of an unknown size, with `free` bytes on the disk."""
    hub = chosen_hub()
    values = {"size": human_size(size or 0), "free": human_size(free), "setting": hub.cache_setting}
    key = "no_room" if size and size > free else "to_download" if size else "to_download_unknown"
    return t(f"models.page.{key}", **values, hub=t(f"models.hub_{hub.kind}"))


def free_bytes() -> int:
    """Return the number of free bytes where downloads are stored."""
    return shutil.disk_usage(_download_folder()).free


def _is_one_disk() -> bool:
    """Return whether downloads and this Python's packages are on the same disk."""
    return _download_folder().stat().st_dev == Path(sys.prefix).stat().st_dev


def _download_folder() -> Path:
    folder = hub_cache_folder().absolute()
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def model_offers(settings: Settings) -> tuple[ModelCandidate, ...]:
    """List models that run here: the recommended model, then those on this machine, then the next best.

    A chosen model is left out, unless it needs a configuration other than the settings' to fit.
    """
    hardware, entries = HardwareProfile.here(), Catalogue.load(settings.data_dir / "models").by_id
    candidates = [ModelCandidate.of_proposal(proposal) for proposal in hardware.recommended(tuple(entries.values()))]
    used = entries.get(settings.model_path)
    if used is not None and hardware.need(used.shape, effective_arguments(settings)).fits:
        candidates = [
            replace(candidate, config=None) if candidate.model == used.id else candidate for candidate in candidates
        ]
        candidates = [
            candidate for candidate in candidates if candidate.config is not None or not settings.model_chosen
        ]
    return tuple(
        [*candidates[:1], *sorted(candidates[1:], key=lambda candidate: candidate.download_bytes != 0)][:_OFFERS]
    )
