"""Whether an analysis gets a model: an installed model, a model to be downloaded, or no model."""

import os
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens import config
from framelens.config import Settings
from framelens.core.engines.vllm_arguments import kv_cache_gib
from framelens.core.errors import EngineError, ModelNotFound
from framelens.core.events import EngineProgress
from framelens.core.units import GIB
from framelens.engine import hardware_profile
from framelens.engine.base import NullEngine
from framelens.engine.engine_builder import build_engine
from framelens.engine.hardware_profile import HardwareProfile
from framelens.engine.local.model_arguments import least_cache_gib
from framelens.jobs import readiness
from framelens.models.catalogue import Catalogue
from framelens.models.placement import Proposal, propose_for_cpu
from framelens.store.model_records import confirmed_downloads
from tests.app.fake_services import ScriptedEngine

pytestmark = pytest.mark.usefixtures("english")

BIG, SMALL = "Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen3-VL-4B-Instruct"
NEWER = "Qwen/Qwen3-VL-8B-Instruct"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The default model on a processor with 20 GiB, and an empty cache of the hub."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(HardwareProfile, "here", lambda: HardwareProfile.of([], "cpu", 20))
    return config.load({"FRAMELENS_DATA_DIR": str(tmp_path / "data")}, dotenv=tmp_path / "no.env")


def test_an_absent_model_costs_a_download(settings: Settings) -> None:
    now = readiness.readiness(replace(settings, model_chosen=True), ScriptedEngine())
    assert (now.kind, now.model and now.model.model) == ("download", BIG)
    assert now.model and now.model.download_bytes and 16.4e9 < now.model.download_bytes < 16.8e9
    assert now.model.need and not now.model.need.fits and not now.model.need.can_fit
    assert "90 % of 20.0 GiB" in now.model.need.description()
    assert now.offers[0].model == SMALL
    assert all(one.need and one.need.fits and one.download_bytes for one in now.offers)
    for_research = [one.entry.is_for_research for one in now.offers if one.entry]
    assert now.offers[0].licence == "Apache-2.0" and for_research == sorted(for_research)


def test_recommended_models_fit_the_card(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # Recommended model takes the place of the default.
    now = readiness.readiness(settings, ScriptedEngine())
    assert (now.kind, now.model and now.model.model) == ("download", SMALL)
    assert SMALL not in {one.model for one in now.offers}
    recommended = readiness.with_recommended(settings)
    assert (recommended.model_path, recommended.vllm_config["max_model_len"] > 0) == (SMALL, True)
    entries = tuple(Catalogue.load(None).by_id.values())
    for_research = [proposal.entry.is_for_research for proposal in HardwareProfile.here().proposals(entries)]
    assert any(for_research) and for_research == sorted(for_research)
    # A card gets a newer model than the default.
    monkeypatch.setattr(HardwareProfile, "here", lambda: HardwareProfile.of([(24, "RTX 4090")], "gpu", 64))
    assert readiness.with_recommended(settings).model_path == NEWER
    now = readiness.readiness(settings, ScriptedEngine())
    assert now.model and now.model.model == NEWER
    assert now.model.entry and now.model.entry.licence == "Apache-2.0"
    kept = [one.config for one in readiness.model_offers(settings) if one.model == BIG]
    assert kept in ([], [None]), "the default runs with its own settings"


def test_a_model_with_smaller_settings_is_offered(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HardwareProfile, "here", lambda: HardwareProfile.of([(24, "RTX 4090")], "gpu", 64))
    long = replace(settings, vllm_config={"max_model_len": 120_000}, model_chosen=True)
    now = readiness.readiness(long, ScriptedEngine())
    assert now.model and now.model.need and not now.model.need.fits and now.model.need.can_fit
    assert now.offers[0].model == NEWER
    assert now.offers[0].config and now.offers[0].config["max_model_len"] < 120_000


def test_a_disk_without_room_is_noticed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "free_bytes", lambda: 10**9)
    assert not readiness.readiness(settings, ScriptedEngine()).has_room


def test_a_folder_a_remote_or_a_running_engine_is_ready(settings: Settings, tiny_vl: Path) -> None:
    stopped = ScriptedEngine()
    assert readiness.readiness(replace(settings, model_path=str(tiny_vl)), stopped).kind == "ready"
    assert readiness.readiness(replace(settings, base_url="http://127.0.0.1:9/v1"), stopped).kind == "ready"
    running = ScriptedEngine(replace(stopped.now, state="ready"))
    assert readiness.readiness(settings, running).kind == "ready"


@pytest.mark.parametrize("how", ["offline", "folder", "engine"])
def test_where_no_model_can_be_had_the_reason_is_known(
    how: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: ScriptedEngine | NullEngine = ScriptedEngine()
    if how == "offline":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    elif how == "folder":
        settings = replace(settings, model_path="/no/such/folder")
    else:
        engine = NullEngine(BIG, EngineError("local_engine_unsupported", system="darwin"))
    now = readiness.readiness(settings, engine)
    keys = {"offline": "model_offline", "folder": "model_folder_missing", "engine": "local_engine_unsupported"}
    assert (now.kind, now.error and now.error.key) == ("none", keys[how])


NO_VLLM = NullEngine(BIG, EngineError("vllm_not_installed", model=BIG))


def test_a_missing_engine_is_had_with_the_model(
    settings: Settings, tiny_vl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HardwareProfile, "here", lambda: HardwareProfile.of([], "cpu", 20))
    now = readiness.readiness(settings, NO_VLLM)
    assert (now.kind, now.model and now.model.model) == ("download", SMALL)
    assert now.engine and now.engine.fetched_bytes < now.engine.disk_bytes
    here = readiness.readiness(replace(settings, model_path=str(tiny_vl)), NO_VLLM)
    assert here.kind == "download" and here.engine and here.offered and here.offered.download_bytes == 0


def test_model_and_engine_share_a_disk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HardwareProfile, "here", lambda: HardwareProfile.of([], "cpu", 20))
    free = 10 * 10**9  # for either, not for both
    monkeypatch.setattr(readiness, "free_bytes", lambda: free)
    now = readiness.readiness(settings, NO_VLLM)
    assert now.engine and now.model and now.model.download_bytes
    assert max(now.engine.disk_bytes, now.model.download_bytes) < free
    now = replace(now, engine=replace(now.engine, free_bytes=free))
    monkeypatch.setattr(readiness, "_is_one_disk", lambda: True)
    assert not now.has_room
    monkeypatch.setattr(readiness, "_is_one_disk", lambda: False)
    assert now.has_room


@pytest.mark.parametrize("why", ["read_only", "offline"])
def test_no_engine_is_offered_where_none_can_come(
    why: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "offline":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    else:
        monkeypatch.setattr(os, "access", lambda *_: False)
    now = readiness.readiness(settings, NO_VLLM)
    keys = {"read_only": "environment_read_only", "offline": "vllm_not_installed"}
    assert (now.kind, now.error and now.error.key, now.offered) == ("none", keys[why], None)


@pytest.mark.slow
def test_an_engine_downloads_only_what_was_confirmed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    reported: list[EngineProgress] = []
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    engine, _ = build_engine(settings)
    with pytest.raises(ModelNotFound) as refused:
        engine.ensure_ready(reported.append, threading.Event())
    assert refused.value.key == "model_unconfirmed"
    confirmed_downloads(settings.data_dir).save(BIG, True)
    with pytest.raises(ModelNotFound) as tried:
        engine.ensure_ready(reported.append, threading.Event())
    assert tried.value.key == "model_not_local"
    assert confirmed_downloads(settings.data_dir).get(BIG)  # it goes on after a restart


def test_proposals_are_made_once_for_the_same_models(monkeypatch: pytest.MonkeyPatch) -> None:
    made, propose = list[float](), propose_for_cpu

    def counted(memory_gib: float, *given: Any, **more: Any) -> tuple[Proposal, ...]:
        made.append(memory_gib)
        return propose(memory_gib, *given, **more)

    monkeypatch.setattr(hardware_profile, "propose_for_cpu", counted)
    entries = tuple(Catalogue.load(None).by_id.values())[:3]
    here, other = (HardwareProfile("here", None, memory_gib=gib) for gib in (911.5, 17.5))
    first = here.proposals(entries)
    assert here.proposals(entries) == first == propose(911.5, entries) and made == [911.5]
    for place, some in ((other, entries), (here, entries[:1]), (here, tuple(map(copy, entries)))):
        assert place.proposals(some) == propose(place.memory_gib, some)
    assert made == [911.5, 17.5, 911.5, 911.5]


@pytest.mark.parametrize("memory_gib", [12, 16, 20, 24, 32])
def test_recommended_context_fits_the_cache_of_a_cpu(memory_gib: float, settings: Settings) -> None:
    """The launcher of the engine makes the cache; a request that doesn't fit into it would end the start."""
    place = HardwareProfile("here", None, memory_gib=memory_gib)
    best = place.recommended(tuple(Catalogue.load(None).by_id.values()))[0]
    chosen = replace(settings, model_path=best.entry.id, vllm_config=best.config)
    taken = best.plan.max_model_len * best.sum.cache_bytes_per_token
    assert taken <= kv_cache_gib(0, least_cache_gib(chosen)) * GIB < taken + GIB
