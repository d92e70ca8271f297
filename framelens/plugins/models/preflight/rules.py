"""Preflight rules: problems that would cost minutes or a download, found before a start and each with its fix.

What vLLM itself reports in its first seconds has no rule: the diagnosis of its log names it. Exact, and so able to stop
a start: names and folders, the number of heads and of devices, the cache of a request against a cache of fixed size,
weights against cards that are smaller, and what the catalogue knows of a model's engine. Everything else rests on the
estimate in `framelens.models.memory` and hinders.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from framelens.plugin.machine import CheckFinding, Fix, old_cards
from framelens.plugin.models import GpuCard, MemoryEstimate, MemoryNeed, chosen_hub
from framelens.plugin.texts import GIB, gib_text
from framelens.plugins.models.preflight.local_vllms import VLLM_SHARE, LocalVllm, visible_cards
from framelens.plugins.models.preflight.subject import Check, PreflightSubject, Rule, Values, another_model

# From transformers' own documentation of the two classes.
_CONVERTED = {"plain": "deepseek-community/deepseek-vl-1.3b-chat", "hybrid": "deepseek-community/deepseek-vl-7b-chat"}
_NOT_IN_TRANSFORMERS = ("deepseek_vl_v2", "multi_modality")
"""Model types that transformers 5.19 can't read."""
_BY_ITSELF = tuple(f"vllm_argument_{fault}" for fault in ("misspelt", "type", "choice", "range"))
_BFLOAT16 = (8, 0)
"""Compute capability from which on vLLM 0.32 computes in bfloat16."""
_IN_4_BITS = ("awq", "gptq")
_MARGIN = 1.01  # tolerance for blocks
_OFFLOADS = ("cpu_offload_gb", "kv_offloading_size", "offload_config")
_OWN_HEAD_DIM = ("qwen3",)
_REST_TOKENS = 1024
"""Least tokens for question and answer in addition to the pictures."""
_TP, _PP = "tensor_parallel_size", "pipeline_parallel_size"
_NO_RAY = Fix(remove=("distributed_executor_backend",))


# ---- settings, name and folder ---------------------------------------------------------------------------------------


def _wrong_setting(subject: PreflightSubject) -> Iterator[CheckFinding]:
    """Find a setting that is wrong by itself; the fix is "auto" for a data type, for anything else vLLM's default."""
    if fault := subject.settings_fault:
        fix = Fix({"dtype": "auto"}) if fault.key == "vllm_dtype_quantized" else None
        yield CheckFinding.of(fault, fix=Fix(remove=(str(fault.values["key"]),)) if fault.key in _BY_ITSELF else fix)


def _nowhere(subject: PreflightSubject) -> Iterator[CheckFinding]:
    """Find a name that leads nowhere, with the model meant by it, or a folder that no engine can load."""
    model, match = subject.model, subject.model.match
    if model.folder and model.error is None:
        return
    meant = match.entry.id if match is not None and match.why != "exact" else ""
    fix = Fix(model=meant) if meant else None
    if model.error is not None:
        yield CheckFinding.of(model.error, fix=fix)
    elif not model.may_be_fetched:
        yield CheckFinding("model_offline", {"model": model.name})
    elif match is not None and match.asked in match.entry.names and "/" in match.asked:
        fix = Fix(model=meant, engine="transformers" if match.entry.engine == "transformers" else "")
        yield CheckFinding("checkpoint_original", {"model": match.asked, "id": meant}, fix=fix)
    elif meant:
        yield CheckFinding("preflight_means", {"asked": model.name, "id": meant}, "hinders", fix, "notice")


def _converted(subject: PreflightSubject) -> Values | None:
    """Name the conversion of a DeepSeek-VL in its own format; Janus has the same type, but also makes pictures."""
    config = subject.config or {}
    if subject.type != "multi_modality" or "gen_vision_config" in config:
        return None
    seeing = config.get("vision_config")
    is_hybrid = isinstance(seeing, Mapping) and seeing.get("cls") == "HybridVisionTower"
    return {"id": _CONVERTED["hybrid" if is_hybrid else "plain"]}


def _is_absent(subject: PreflightSubject) -> bool:
    """Return whether the model must be downloaded; not if its name means another model."""
    match = subject.model.match
    return not subject.model.folder and (match is None or match.why == "exact")


def _full_disk(subject: PreflightSubject) -> Values | None:
    disk, needed = subject.machine.cache, subject.model.absent_bytes
    if not _is_absent(subject) or disk.free_bytes is None or needed <= disk.free_bytes:
        return None
    values = {"needed": gib_text(needed), "free": gib_text(disk.free_bytes), "folder": disk.folder}
    return {**values, "setting": chosen_hub().cache_setting}


# ---- the engine ------------------------------------------------------------------------------------------------------


def _needs_code(subject: PreflightSubject) -> bool:
    """Return whether the model runs only with code that comes with it, which the settings don't allow."""
    kin = subject.model.kin
    return kin is not None and kin.needs_code and not subject.arguments.get("trust_remote_code")


def _needs_transformers(subject: PreflightSubject) -> Values | None:
    """Name an architecture that transformers runs and vLLM doesn't, as the catalogue knows (DeepSeek-VL)."""
    kin = subject.model.kin
    if kin is None or kin.engine != "transformers":
        return None
    return {"architecture": ", ".join(subject.architectures) or kin.shape.model_type}


def _needs_vllm(subject: PreflightSubject) -> Values | None:
    return {"architecture": subject.type} if subject.type in _NOT_IN_TRANSFORMERS else None


def _vllm_instead(subject: PreflightSubject, values: Values) -> Fix | None:
    kin = subject.model.kin
    return Fix(engine="vllm") if kin is not None and kin.engine == "vllm" else another_model(subject, values)


def _old_cards(subject: PreflightSubject) -> Iterator[CheckFinding]:
    """Find cards that are too old for vLLM as it is published; another build may run on them."""
    if (subject.machine.device, subject.engine) == ("gpu", "vllm"):
        yield from (replace(finding, severity="hinders") for finding in old_cards(subject.machine))


def _packed_experts(subject: PreflightSubject) -> bool:
    """Find a mixture of experts in 4 bits without AMX: vLLM failed with `assert self.quant_method is not None`."""
    shape, flags = subject.shape, subject.machine.cpu_features
    if shape is None or shape.quantisation is None or subject.quantisation not in _IN_4_BITS:
        return False
    is_packed = shape.quantisation.bits == 4 and shape.text.experts > 0
    return is_packed and bool(flags) and "amx_tile" not in flags


# ---- division among devices -----------------------------------------------------------------------------------------


def _divided_heads(subject: PreflightSubject) -> Values | None:
    shape, ways = subject.shape, subject.tensor_parallel
    return {"heads": shape.text.heads, "size": ways} if shape is not None and shape.text.heads % ways else None


def _divided_groups(subject: PreflightSubject) -> bool:
    """Find a card's part of a matrix in AWQ that doesn't end between two groups.

    Early versions of Qwen2.5-VL-72B-Instruct-AWQ failed with 8 cards for this reason.
    """
    shape, ways = subject.shape, subject.tensor_parallel
    if shape is None or shape.quantisation is None or subject.quantisation != "awq" or ways == 1:
        return False
    text, group = shape.text, shape.quantisation.group_size
    if not group or text.experts or text.cache.latent:
        return False
    return any(width // ways % group for width in (text.intermediate, text.heads * text.cache.head_dim))


def _num_devices(subject: PreflightSubject) -> int | None:
    machine = subject.machine
    return len(machine.cards) or None if machine.device == "gpu" else machine.memory_nodes


def _fewer_ways(subject: PreflightSubject, _: Values) -> Fix:
    """Return the fix that divides each layer among as many devices as there are and as the model allows."""
    ways = subject.tensor_parallel
    return Fix({_TP: _most_ways(subject, min(ways, _num_devices(subject) or ways))})


def _most_ways(subject: PreflightSubject, devices: int) -> int:
    return subject.shape.tensor_sizes(devices)[-1] if subject.shape else devices


def _one_stage(subject: PreflightSubject, _: Values) -> Fix:
    """Return the fix that divides the model in a single stage among the available devices."""
    best = _most_ways(subject, _num_devices(subject) or 1)
    return Fix({key: best if key == _TP else 1 for key in (_TP, _PP) if key in subject.arguments})


def _uses_ray(subject: PreflightSubject) -> bool:
    return subject.arguments.get("distributed_executor_backend") == "ray"


def _too_few_nodes(subject: PreflightSubject) -> Values | None:
    """Find fewer memory nodes than processes, unless the user has said how these are bound to processors."""
    processes, nodes, environment = subject.processes, subject.machine.memory_nodes, subject.environment
    is_bound = environment.get("VLLM_CPU_OMP_THREADS_BIND", "auto") != "auto"
    is_simulated = not {"VLLM_CPU_SIM_MULTI_NUMA", "CPU_VISIBLE_MEMORY_NODES"}.isdisjoint(environment)
    if nodes is None or processes <= max(1, nodes) or _uses_ray(subject) or is_bound or is_simulated:
        return None
    return {"workers": processes}


# ---- length, cache and memory ---------------------------------------------------------------------------------------


def _shorter(_: PreflightSubject, values: Values) -> Fix | None:
    return Fix({"max_model_len": values["possible"]}) if values["possible"] else None


def _small_cache(subject: PreflightSubject) -> Values | None:
    """Find a cache of fixed size that doesn't hold a request; a CPU's cache always has a size."""
    shape, length, space = subject.shape, subject.max_model_len, _cache_bytes(subject)
    if shape is None or length is None or space is None or not _is_counted(subject):
        return None
    estimate = MemoryEstimate.of(shape, replace(subject.plan, sequences=1))
    if estimate.bytes_of("cache") <= space * _MARGIN:
        return None
    return {"length": length, "possible": estimate.tokens_in(space)}


def _is_counted(subject: PreflightSubject) -> bool:
    """Return whether the estimate covers this cache: every layer keeps every token, in the type that is computed in.

    A `head_dim` of its own is used by some families only; the others divide `hidden` among the heads regardless.
    """
    shape = subject.shape
    if shape is None or subject.arguments.get("kv_cache_dtype") not in (None, "auto"):
        return False
    text, cache = shape.text, shape.text.cache
    has_own = text.model_type.startswith(_OWN_HEAD_DIM) or text.heads * cache.head_dim == text.hidden
    return has_own and cache.is_whole and not cache.latent


def _cache_bytes(subject: PreflightSubject) -> int | None:
    """Return the configured size of the cache; on a CPU the variable takes precedence over the argument."""
    space = subject.environment.get("VLLM_CPU_KVCACHE_SPACE", "")
    if subject.machine.device == "cpu" and space.isdecimal() and int(space):
        return int(space) * GIB
    size = subject.arguments.get("kv_cache_memory_bytes")
    return size if isinstance(size, int) else None


def _large_weights(subject: PreflightSubject) -> Values | None:
    """Find weights that exceed the smallest card."""
    shape, size = subject.shape, subject.machine.least_card_bytes
    if shape is None or size is None or any(subject.arguments.get(key) for key in _OFFLOADS):
        return None
    weights = MemoryEstimate.of(shape, subject.plan).bytes_of("text_weights", "vision_weights")
    return {"weights": gib_text(weights), "memory": gib_text(size)} if weights > size else None


def _large_uncounted(subject: PreflightSubject) -> Values | None:
    """Find weights of a family whose need can't be calculated that exceed the cards or the memory by themselves."""
    machine, weights = subject.machine, subject.model.weights_bytes
    there = machine.memory_bytes if machine.device == "cpu" else (machine.least_card_bytes or 0) * subject.processes
    shrinks = any(subject.arguments.get(key) for key in (*_OFFLOADS, "quantization"))
    if subject.model.shape is not None or not there or shrinks or weights <= there * GpuCard.USABLE:
        return None
    return {"weights": gib_text(weights), "memory": gib_text(there)}


def _short_cache(subject: PreflightSubject) -> Values | None:
    """Find weights and working memory that leave too little of the smallest card for a request."""
    shape, size = subject.shape, subject.machine.least_card_bytes
    if shape is None or size is None or any(subject.arguments.get(key) for key in _OFFLOADS) or _large_weights(subject):
        return None
    needed, budget = MemoryEstimate.of(shape, subject.plan), int(size * _utilisation(subject))
    if not needed.cache_bytes_per_token or not _is_counted(subject):
        return None
    held, length = needed.cache_tokens(budget), subject.max_model_len or shape.text.max_positions
    return {"length": length, "possible": held, "memory": gib_text(budget)} if held < length else None


def _shorter_or_another(subject: PreflightSubject, values: Values) -> Fix | None:
    return _shorter(subject, values) if values["possible"] >= _REST_TOKENS else another_model(subject, values)


def _busy_cards(subject: PreflightSubject) -> Iterator[CheckFinding]:
    """Find cards on which other programs hold memory that vLLM will reserve; transformers reserves nothing."""
    share, is_claimed = _utilisation(subject), (subject.machine.device, subject.engine) == ("gpu", "vllm")
    for number, card in enumerate(subject.machine.cards if is_claimed else ()):
        free, taken = card.free_bytes, _engine_on(subject, number)
        is_short = bool(card.memory_bytes) and free is not None and free < share * (card.memory_bytes or 0)
        possible = math.floor((free or 0) / (card.memory_bytes or 1) * 100 - 2) / 100 if is_short else 0.0
        fix = Fix({"gpu_memory_utilization": possible}) if possible >= 0.1 else None
        if taken and (is_short or share + taken.share > 1):
            since = datetime.fromtimestamp(taken.started).strftime("%Y-%m-%d %H:%M")
            running = {"number": number, "running": taken.model, "pid": taken.pid, "since": since}
            yield CheckFinding("card_taken", {"model": subject.model.name, **running}, "stops", fix)
        elif is_short:
            values = {"free": gib_text(free or 0), "wanted": gib_text(share * (card.memory_bytes or 0))}
            yield CheckFinding("preflight_card_busy", {"number": number, **values}, "hinders", fix, "notice")


def _engine_on(subject: PreflightSubject, card: int) -> LocalVllm | None:
    """Return the engine of FrameLens that shares a card with the engine that is about to start."""
    if card not in visible_cards(subject.environment)[: subject.processes]:
        return None
    return next((engine for engine in subject.engines if card in engine.cards), None)


def _utilisation(subject: PreflightSubject) -> float:
    share = subject.arguments.get("gpu_memory_utilization")
    return float(share) if isinstance(share, int | float) else VLLM_SHARE


def _short_memory(subject: PreflightSubject) -> Values | None:
    need = _need(subject)
    return _amounts(need) if need and need.needed_bytes > need.usable_bytes else None


def _busy_memory(subject: PreflightSubject) -> Values | None:
    need, free = _need(subject), subject.machine.memory_free_bytes
    if need is None or free is None or _short_memory(subject) or need.needed_bytes <= free:
        return None
    return {**_amounts(need), "free": gib_text(free)}


def _need(subject: PreflightSubject) -> MemoryNeed | None:
    """Return what the model needs of ordinary memory, with a cache of the user's size.

    The size that FrameLens sets follows from the free memory and is allocated only as it is filled.
    """
    shape, there = subject.shape, subject.machine.memory_bytes
    if shape is None or there is None:
        return None
    need = MemoryNeed.of(shape, subject.plan, there)
    space = (_cache_bytes(subject) if subject.sets_cache else None) or 0
    beyond = max(0, space - MemoryEstimate.of(shape, subject.plan).bytes_of("cache"))
    return replace(need, needed_bytes=need.needed_bytes + beyond)


def _amounts(need: MemoryNeed) -> Values:
    amounts = {"needed": need.needed_bytes, "least": need.least_bytes, "there": need.there_bytes}
    return {name: gib_text(size) for name, size in (*amounts.items(), ("usable", need.usable_bytes))}


def _smaller(subject: PreflightSubject, values: Values) -> Fix | None:
    """Return the fix that takes settings with which the model fits, or another model."""
    change = {key: value for key, value in subject.fitting.items() if subject.written.get(key) != value}
    return Fix(change) if change else another_model(subject, values)


# ---- pictures --------------------------------------------------------------------------------------------------------


def _picture_limit(subject: PreflightSubject) -> int | None:
    """Return the number of pictures that a request may have by the settings."""
    limits = subject.arguments.get("limit_mm_per_prompt")
    limit = limits.get("image") if isinstance(limits, Mapping) else None
    sees = subject.shape is not None and subject.shape.vision is not None
    return limit if sees and isinstance(limit, int) else None


def _many_pictures(subject: PreflightSubject) -> Values | None:
    """Find more allowed pictures than a request holds, of the smallest size that is sent."""
    shape, length, limit = subject.shape, subject.max_model_len, _picture_limit(subject)
    if shape is None or shape.vision is None or length is None or not limit:
        return None
    most = subject.plan.largest_picture_px
    each = shape.vision.image_tokens()
    if most is not None and shape.vision.pictures == "patches":
        each = min(each, math.ceil(most / shape.vision.unit_px**2))
    possible = max(0, length - _REST_TOKENS) // each
    return {"limit": limit, "each": each, "length": length, "possible": possible} if possible < limit else None


def _holds_one(subject: PreflightSubject) -> bool:
    return bool((_many_pictures(subject) or {}).get("possible"))


# ---- the table -------------------------------------------------------------------------------------------------------

BASIC: tuple[Check, ...] = (
    _wrong_setting,
    _nowhere,
    Rule(
        "checkpoint_original", _converted, lambda _, values: Fix(model=values["id"], engine="transformers"), engine=""
    ),
)
"""Where one of these checks stops a start, the other rules aren't checked."""
RULES: tuple[Check, ...] = (
    Rule("doctor_model_absent", _is_absent, severity="tells", engine=""),
    Rule("model_disk_full", _full_disk, severity="hinders", engine=""),
    Rule("remote_code_needed", _needs_code),
    Rule("architecture_unsupported", _needs_transformers, Fix(engine="transformers")),
    Rule("transformers_lacks_type", _needs_vllm, _vllm_instead, engine="transformers"),
    Rule(
        "bfloat16_unsupported",
        lambda it: it.dtype == "bfloat16" and it.has_older_card(_BFLOAT16),  # only "auto" falls back by itself
        Fix({"dtype": "half"}),
        device="gpu",
    ),
    _old_cards,
    Rule("quantization_needs_gpu", _packed_experts, another_model, device="cpu"),
    Rule("quantization_misaligned", _divided_groups, _fewer_ways, device="gpu"),
    Rule("heads_not_divisible", _divided_heads, _fewer_ways),
    Rule("numa_nodes_too_few", _too_few_nodes, _one_stage, device="cpu"),
    Rule("ray_missing", lambda it: _uses_ray(it) and not it.machine.packages.get("ray"), _NO_RAY),
    Rule(
        "ray_unsupported",
        lambda it: _uses_ray(it) and bool(it.machine.packages.get("ray")) and {"platform": "cpu"},
        _NO_RAY,
        device="cpu",
    ),
    Rule("context_exceeds_cache", _small_cache, _shorter),
    Rule("weights_exceed_card", _large_weights, another_model, device="gpu"),
    Rule("preflight_weights_large", _large_uncounted, another_model, "hinders", engine=""),
    Rule("preflight_cache_short", _short_cache, _shorter_or_another, "hinders", device="gpu"),
    _busy_cards,
    Rule("preflight_memory_short", _short_memory, _smaller, "hinders", device="cpu", engine=""),
    Rule("preflight_memory_busy", _busy_memory, _smaller, "hinders", device="cpu", engine=""),
    Rule(
        "preflight_pictures_off",
        lambda it: it.max_model_len is not None and _picture_limit(it) == 0,
        Fix(remove=("limit_mm_per_prompt",)),
        "hinders",
    ),
    Rule("preflight_pictures_exceed", lambda it: not _holds_one(it) and _many_pictures(it), severity="hinders"),
    Rule("preflight_pictures_exceed", lambda it: _holds_one(it) and _many_pictures(it), severity="tells"),
    Rule("preflight_blind", lambda it: it.shape and it.shape.vision is None, severity="tells", engine=""),
)
