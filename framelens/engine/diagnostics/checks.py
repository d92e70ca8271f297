"""Diagnostic checks: findings about whether FrameLens can run on this machine, the worst first.

A pure function of the facts. Each finding states a fact and, if it is a problem, what to do about it.
"""

from collections.abc import Iterator

from framelens.core.domain import Notice
from framelens.core.errors import EngineError, StorageError
from framelens.core.units import human_size
from framelens.engine.diagnostics.facts import CheckedSettings, GpuFacts, SystemFacts
from framelens.engine.remote_engine import model_conflict
from framelens.i18n import as_notice

PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
_LEAST_CAPABILITY = (7, 5)
"""The lowest compute capability that the vLLM installed by FrameLens is built for."""
_BFLOAT16_CAPABILITY = (8, 0)
_LITTLE_DISK = 5_000_000_000
"""Bytes."""
_LITTLE_SHM = 1_000_000_000
"""Bytes."""
_ORDER = {"error": 0, "warning": 1, "info": 2}


def run_checks(facts: SystemFacts, wanted: CheckedSettings) -> tuple[Notice, ...]:
    """List the findings: level "error" if FrameLens can't work, "warning" if it may not, else "info"."""
    found = [*_settings(facts, wanted), *_engine(facts, wanted), *_disks(facts), *_last_start(facts)]
    return tuple(sorted(found, key=lambda finding: _ORDER[finding.level]))


def _bad(key: str, **values: str | int | float) -> Notice:
    return Notice(f"doctor_{key}", values, "error")


def _doubtful(key: str, **values: str | int | float) -> Notice:
    return Notice(f"doctor_{key}", values, "warning")


def _good(key: str, **values: str | int | float) -> Notice:
    return Notice(f"doctor_{key}", values, "info")


def _settings(facts: SystemFacts, wanted: CheckedSettings) -> Iterator[Notice]:
    if facts.python not in PYTHONS:
        yield _bad("python", version=".".join(map(str, facts.python)))
    yield _good("settings") if wanted.fault is None else as_notice(wanted.fault)


def _engine(facts: SystemFacts, wanted: CheckedSettings) -> Iterator[Notice]:
    """List findings about the engine: of remote ones, one must answer; a local one needs a fitting machine."""
    if wanted.base_url:
        yield from _remote(facts)
        return
    if facts.port_error is not None:
        yield as_notice(facts.port_error)
    yield from _program(facts, wanted)
    yield from _devices(facts, wanted)
    yield from _model(facts)


def _remote(facts: SystemFacts) -> Iterator[Notice]:
    served = {one.base_url: one.model for one in facts.remote if one.error is None}
    for one in facts.remote:
        if one.error is None:
            yield _good("remote", base_url=one.base_url)
        elif served:  # the others answer
            yield Notice("engine_left_out", {"base_url": one.base_url, "reason": as_notice(one.error)})
        else:
            yield as_notice(one.error)
    if conflict := model_conflict(served):
        yield as_notice(conflict)


def _program(facts: SystemFacts, wanted: CheckedSettings) -> Iterator[Notice]:
    if not facts.linux:
        yield as_notice(EngineError("local_engine_unsupported", system=facts.system))
    elif wanted.engine == "transformers":
        missing = [name for name in ("transformers", "accelerate") if facts.packages.get(name) is None]
        if missing:
            yield as_notice(EngineError("transformers_not_installed", model=wanted.model, missing=", ".join(missing)))
        else:
            yield _good("transformers", version=facts.packages["transformers"] or "")
    elif facts.vllm is None:
        yield as_notice(EngineError("vllm_not_installed", model=wanted.model))
    else:
        yield _good(f"vllm_{facts.vllm[0]}", version=facts.vllm[1])


def _devices(facts: SystemFacts, wanted: CheckedSettings) -> Iterator[Notice]:
    on_gpu = facts.vllm is not None and facts.vllm[0] == "gpu"
    if facts.no_cards is not None:
        if on_gpu:
            yield _bad(f"gpu_{facts.no_cards}", detail=facts.no_cards_detail)
    elif not on_gpu and wanted.engine == "vllm" and facts.vllm is not None:
        yield _doubtful("gpu_unused", name=facts.cards[0].name)
    for number, card in enumerate(facts.cards if on_gpu else ()):
        yield _card(number, card, wanted)
    if on_gpu and facts.cards and wanted.processes > len(facts.cards):
        yield _bad("cards_too_few", wanted=wanted.processes, count=len(facts.cards))
    if not on_gpu and facts.cpu_features and not {"avx512f", "asimd"} & set(facts.cpu_features):
        if "avx2" in facts.cpu_features:
            yield _doubtful("cpu_slow", cpu=facts.cpu)
        elif wanted.engine == "vllm":
            yield _bad("cpu_old", cpu=facts.cpu)
    if wanted.processes > 1 and facts.shm_bytes is not None and facts.shm_bytes < _LITTLE_SHM:
        yield _doubtful("shm_small", free=human_size(facts.shm_bytes))


def _card(number: int, card: GpuFacts, wanted: CheckedSettings) -> Notice:
    capability = ".".join(map(str, card.capability)) if card.capability else "?"
    named: dict[str, str | int | float] = {"number": number, "name": card.name, "capability": capability}
    if card.capability and card.capability < _LEAST_CAPABILITY:
        return _bad("card_old", **named)
    if card.capability and card.capability < _BFLOAT16_CAPABILITY and wanted.vllm_config.get("dtype") == "bfloat16":
        return _bad("card_no_bfloat16", **named)
    return _good("card", memory=human_size(card.memory_bytes or 0), **named)


def _model(facts: SystemFacts) -> Iterator[Notice]:
    model = facts.model
    if model.error is not None:
        yield as_notice(model.error)
    elif not model.folder:
        yield _doubtful("model_absent", model=model.name) if model.may_be_fetched else _bad("offline", model=model.name)
    else:
        yield _good("model", model=model.name, folder=model.folder, size=human_size(model.size_bytes))
        on_cpu = facts.vllm is not None and facts.vllm[0] == "cpu"
        if on_cpu and model.size_bytes > facts.memory_free_bytes:
            values = {"size": human_size(model.size_bytes), "free": human_size(facts.memory_free_bytes)}
            yield _bad("memory_small", model=model.name, **values)


def _disks(facts: SystemFacts) -> Iterator[Notice]:
    data = facts.data
    if data.refusal:
        yield as_notice(StorageError("data_dir_unwritable", path=data.folder, reason=data.refusal))
    else:
        yield _good("data", folder=data.folder, free=human_size(data.free_bytes or 0))
    for room in {data.folder: data, facts.cache.folder: facts.cache}.values():
        if room.free_bytes is not None and room.free_bytes < _LITTLE_DISK:
            yield _doubtful("disk_low", folder=room.folder, free=human_size(room.free_bytes))


def _last_start(facts: SystemFacts) -> Iterator[Notice]:
    if facts.log is not None and facts.log.error is not None:
        reason = as_notice(facts.log.error)
        yield Notice("doctor_last_start", {"log": facts.log.path, "reason": reason}, "warning")
