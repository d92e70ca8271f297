"""Rules about an installation: whether FrameLens can run on this machine, with these settings.

Pure functions of the facts. Each finding states a fact and, if it is a problem, what to do about it.
"""

from collections.abc import Iterator

from framelens.config import Settings
from framelens.core.units import human_size
from framelens.engine.check_findings import CheckFinding, Severity
from framelens.engine.diagnostics.facts import SystemFacts
from framelens.engine.remote_engine import model_conflict

PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
_LEAST_CAPABILITY = (7, 5)
"""The lowest compute capability that the vLLM installed by FrameLens is built for."""
_LITTLE_DISK = 5_000_000_000
"""Bytes."""


def run_checks(facts: SystemFacts, settings: Settings) -> tuple[CheckFinding, ...]:
    """List the findings: first those that keep FrameLens from working, then possible problems, then passed checks."""
    local = (_program, _cards, _processor, _model)
    rules = (_settings, *((_remote,) if settings.base_url else local), _speech, _disks, _last_start)
    return CheckFinding.worst_first(finding for rule in rules for finding in rule(facts, settings))


def doctor_finding(key: str, severity: Severity, /, **values: object) -> CheckFinding:
    """Build a finding with the text `notice.doctor_<key>`."""
    return CheckFinding(f"doctor_{key}", values, severity, table="notice")


def _settings(facts: SystemFacts, _: Settings) -> Iterator[CheckFinding]:
    if facts.python not in PYTHONS:
        yield doctor_finding("python", "stops", version=".".join(map(str, facts.python)))
    yield CheckFinding.of(facts.fault) if facts.fault else doctor_finding("settings", "tells")


def _remote(facts: SystemFacts, _: Settings) -> Iterator[CheckFinding]:
    """Check the remote engines: at least one must answer, and their models must not conflict."""
    served = {engine.base_url: engine.model for engine in facts.remote if engine.error is None}
    for engine in facts.remote:
        if engine.error is None:
            yield doctor_finding("remote", "tells", base_url=engine.base_url)
        elif served:  # the others answer
            values = {"base_url": engine.base_url, "reason": CheckFinding.of(engine.error).notice}
            yield CheckFinding("engine_left_out", values, "hinders", table="notice")
        else:
            yield CheckFinding.of(engine.error)
    if conflict := model_conflict(served):
        yield CheckFinding.of(conflict)


def _program(facts: SystemFacts, settings: Settings) -> Iterator[CheckFinding]:
    missing = [name for name in ("transformers", "accelerate") if facts.packages.get(name) is None]
    if not facts.linux:
        yield CheckFinding("local_engine_unsupported", {"system": facts.system})
    elif settings.engine == "transformers" and missing:
        yield CheckFinding("transformers_not_installed", {"model": settings.model_path, "missing": ", ".join(missing)})
    elif settings.engine == "transformers":
        yield doctor_finding("transformers", "tells", version=facts.packages["transformers"])
    elif facts.vllm is None:
        yield CheckFinding("vllm_not_installed", {"model": settings.model_path})
    else:
        yield doctor_finding(f"vllm_{facts.vllm[0]}", "tells", version=facts.vllm[1])


def _cards(facts: SystemFacts, settings: Settings) -> Iterator[CheckFinding]:
    device = facts.vllm[0] if facts.vllm else ""
    if facts.cards and device == "cpu" and settings.engine == "vllm":
        yield doctor_finding("gpu_unused", "hinders", name=facts.cards[0].name)
    if device != "gpu":
        return
    if facts.no_cards is not None:
        yield doctor_finding(f"gpu_{facts.no_cards}", "stops", detail=facts.no_cards_detail)
    old = list(old_cards(facts))
    yield from old
    for number, card in enumerate(facts.cards):
        if number not in {finding.values["number"] for finding in old}:
            capability, memory = _capability(card.capability), human_size(card.memory_bytes or 0)
            values = {"number": number, "name": card.name, "capability": capability}
            yield doctor_finding("card", "tells", memory=memory, **values)


def old_cards(facts: SystemFacts) -> Iterator[CheckFinding]:
    """Find the cards that are too old for the installed vLLM."""
    for number, card in enumerate(facts.cards):
        if card.capability and card.capability < _LEAST_CAPABILITY:
            values = {"number": number, "name": card.name, "capability": _capability(card.capability)}
            yield doctor_finding("card_old", "stops", **values)


def _capability(capability: tuple[int, int] | None) -> str:
    return ".".join(map(str, capability)) if capability else "?"


def _processor(facts: SystemFacts, settings: Settings) -> Iterator[CheckFinding]:
    features = set(facts.cpu_features)
    if (facts.vllm and facts.vllm[0] == "gpu") or not features or {"avx512f", "asimd"} & features:
        return
    if "avx2" in features:
        yield doctor_finding("cpu_slow", "hinders", cpu=facts.cpu)
    elif settings.engine == "vllm":
        yield doctor_finding("cpu_old", "stops", cpu=facts.cpu)


def _model(facts: SystemFacts, _: Settings) -> Iterator[CheckFinding]:
    model, free = facts.model, facts.memory_free_bytes
    if model.error is not None:
        yield CheckFinding.of(model.error)
    elif model.folder:
        size = human_size(model.size_bytes)
        yield doctor_finding("model", "tells", model=model.name, folder=model.folder, size=size)
        if facts.vllm and facts.vllm[0] == "cpu" and free is not None and model.size_bytes > free:
            yield doctor_finding("memory_small", "stops", model=model.name, size=size, free=human_size(free))
    elif model.may_be_fetched:
        yield doctor_finding("model_absent", "hinders", model=model.name)
    else:
        yield CheckFinding("model_offline", {"model": model.name})


def _speech(facts: SystemFacts, _: Settings) -> Iterator[CheckFinding]:
    if (speech := facts.speech) is None:
        return
    if not speech.name:
        yield doctor_finding("speech_none", "tells")
    elif speech.size_bytes:
        yield doctor_finding("speech_absent", "tells", model=speech.name, size=human_size(speech.size_bytes))
    else:
        yield doctor_finding("speech", "tells", model=speech.name)


def _disks(facts: SystemFacts, _: Settings) -> Iterator[CheckFinding]:
    data = facts.data
    if data.refusal:
        yield CheckFinding("data_dir_unwritable", {"path": data.folder, "reason": data.refusal})
    else:
        yield doctor_finding("data", "tells", folder=data.folder, free=human_size(data.free_bytes or 0))
    for disk in {data.folder: data, facts.cache.folder: facts.cache}.values():
        if disk.free_bytes is not None and disk.free_bytes < _LITTLE_DISK:
            yield doctor_finding("disk_low", "hinders", folder=disk.folder, free=human_size(disk.free_bytes))


def _last_start(facts: SystemFacts, _: Settings) -> Iterator[CheckFinding]:
    if facts.log is not None and facts.log.error is not None:
        reason = CheckFinding.of(facts.log.error).notice
        yield doctor_finding("last_start", "hinders", log=facts.log.path, reason=reason)
