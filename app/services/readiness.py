"""What an analysis needs before it starts: is the model on this machine, or what would be downloaded, and does it fit?

Page and command line ask here before they start anything. No network is used; sizes and speeds are the estimates of the
catalogue, and what was measured on this machine.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.config import Settings
from app.core.errors import AppError, ModelNotFound
from app.engine import AbsentEngine, Engine, resolve_model
from app.engine.diagnostics.facts import is_offline
from app.engine.model_resolution import hub_cache_folder
from app.models import Entry, Need, Proposal, load
from app.models.cpu_speed import Pace
from app.models.formatting import weights_bytes
from app.models.placement import USABLE
from app.services import hardware_profile
from app.services.hardware_profile import Place
from app.services.preflight import effective_arguments
from app.store.benchmark_store import trials

Kind = Literal["ready", "download", "none"]
_OFFERS = 2


@dataclass(frozen=True)
class Candidate:
    """A model that would be used. `download_bytes` is 0 where it is here, None where its size is not known.

    `need` is None for a model of which nothing is known, `pace` also on cards, for which there is no estimate. `config`
    is VLLM_CONFIG for this machine.
    """

    model: str
    download_bytes: int | None
    need: Need | None = None
    pace: Pace | None = None
    config: Mapping[str, Any] | None = None
    entry: Entry | None = None

    @property
    def name(self) -> str:
        """The last part of its name."""
        return self.model.rpartition("/")[2]


@dataclass(frozen=True)
class Readiness:
    """`kind`: "ready", where the model is here or served elsewhere; "download", where it has to be downloaded first;
    "none", where no model can be had: `error` says why.

    `model` is the one that would be downloaded. `offers` run on this machine, those that are here first.
    `free_bytes`: where downloads are kept.
    """

    kind: Kind
    model: Candidate | None = None
    error: AppError | None = None
    offers: tuple[Candidate, ...] = ()
    free_bytes: int = 0

    @property
    def has_room(self) -> bool:
        """Whether the disk has room for the download."""
        size = self.model.download_bytes if self.model else None
        return size is None or size <= self.free_bytes


def readiness(settings: Settings, engine: Engine) -> Readiness:
    """Return whether an analysis with these settings and this engine gets a model, and at what cost.

    Takes tens of milliseconds: the hub's cache is looked into.
    """
    if settings.base_url or engine.status().state in ("starting", "ready"):
        return Readiness("ready")
    if isinstance(engine, AbsentEngine):
        return Readiness("none", error=engine.status().error)
    try:
        found = resolve_model(settings.model_path)
    except ModelNotFound as error:
        return Readiness("none", error=error, offers=_offers(settings))
    if found.folder is not None or found.hub_id is None:
        return Readiness("ready")
    offers = _offers(settings)
    if is_offline():
        here = tuple(one for one in offers if one.download_bytes == 0)
        return Readiness("none", error=ModelNotFound("model_offline", model=found.hub_id), offers=here)
    return Readiness("download", _wanted(found.hub_id, settings), None, offers, free_bytes())


def free_bytes() -> int:
    """Return the bytes that are free where downloads are kept."""
    folder = hub_cache_folder().absolute()
    return shutil.disk_usage(next(one for one in (folder, *folder.parents) if one.is_dir())).free


def _wanted(hub_id: str, settings: Settings) -> Candidate:
    entry = load(settings.data_dir / "models").by_id.get(hub_id)
    if entry is None:
        return Candidate(hub_id, None)
    place = _place(settings)
    need = place.need(entry.shape, effective_arguments(settings))
    return Candidate(hub_id, weights_bytes(entry.shape), need, place.pace(entry), entry=entry)


def _offers(settings: Settings) -> tuple[Candidate, ...]:
    """What sees and runs here, those on this machine first. The model of the settings is among them where it fits with
    settings for this machine only.
    """
    place, entries = _place(settings), load(settings.data_dir / "models").by_id
    runs = [one for one in place.proposals(tuple(entries.values())) if one.entry.sees and one.entry.engine == "vllm"]
    used = entries.get(settings.model_path)
    if used is not None and place.need(used.shape, effective_arguments(settings)).fits:
        runs = [one for one in runs if one.entry.id != used.id]
    found = [_offer(one) for one in runs if not one.entry.needs_code]
    here = [one for one in found if one.download_bytes == 0]
    return tuple([*here, *(one for one in found if one.download_bytes)][:_OFFERS])


def _place(settings: Settings) -> Place:
    place = hardware_profile.here()
    if place.card is not None:
        return place
    return place.as_measured(trials(settings.data_dir).all(), load(settings.data_dir / "models").by_id)


def _offer(proposal: Proposal) -> Candidate:
    entry, needed = proposal.entry, proposal.sum.card_bytes
    size = 0 if resolve_model(entry.id).folder is not None else weights_bytes(entry.shape)
    need = Need(needed, needed, round(proposal.budget_bytes / USABLE))
    return Candidate(entry.id, size, need, proposal.pace, proposal.config, entry)
