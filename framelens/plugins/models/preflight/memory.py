"""Checks of length, cache and memory: what a request needs against what is available.

Exact, and so able to stop a start: the length against the model's own, the cache of one request against a cache of
fixed size, weights against cards that are smaller. Everything else rests on the estimate in `framelens.models.memory`
and hinders.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from framelens.core.units import GIB, gib_text
from framelens.models.architecture import FRAME, Shape, image_tokens
from framelens.models.memory import estimate_memory, tokens_in
from framelens.models.placement import estimate_need, tensor_sizes
from framelens.plugins.models.preflight.context import Fix, PreflightFinding, PreflightSubject, preflight_notice

_MARGIN = 1.01  # tolerance for blocks
_UTILISATION = 0.92  # vLLM's default
_OFFLOADS = ("cpu_offload_gb", "kv_offloading_size", "offload_config")
_OWN_HEAD_DIM = ("qwen3",)
_REST_TOKENS = 1024
"""Least tokens for question and answer beside the pictures."""
_SIZES = ("tensor_parallel_size", "pipeline_parallel_size")
_MIN_SHM_BYTES = 1_000_000_000
_TP = "tensor_parallel_size"


def length(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that the length doesn't exceed the model's own, by the most generous reading of its config.json."""
    config, wanted = subject.config, subject.max_model_len
    if config is None or wanted is None or subject.environment.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "0") != "0":
        return
    possible = _longest_context(config)
    if subject.program.kind == "vllm" and possible is not None and wanted > possible:
        values = {"model": subject.name, "length": wanted, "possible": possible}
        yield PreflightFinding("context_exceeds_model", values, "stops", Fix({"max_model_len": possible}))


def cache(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that one request fits in a cache of fixed size; a CPU's cache always has one."""
    shape, wanted, space = subject.shape, subject.max_model_len, _cache_bytes(subject)
    if space is None or subject.program.kind != "vllm":
        return
    total = subject.machine.memory_bytes
    if subject.machine.kind == "cpu" and total is not None and space > total:
        values = {"model": subject.name, "cache": gib_text(space), "memory": gib_text(total)}
        yield PreflightFinding("cache_exceeds_memory", values, "stops")
    elif shape is not None and wanted is not None and _is_counted(subject):
        one = estimate_memory(shape, replace(subject.plan, sequences=1))
        if one.bytes_of("cache") > space * _MARGIN:
            possible = tokens_in(space, one.cache_bytes_per_token, subject.machine.kind)
            fix = Fix({"max_model_len": possible}) if possible else None
            figures = {"model": subject.name, "length": wanted, "possible": possible}
            yield PreflightFinding("context_exceeds_cache", figures, "stops", fix)


def cards(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that weights, working memory and the cache of one request fit in the smallest card."""
    shape, size = subject.shape, subject.machine.least_card_bytes
    if shape is None or size is None or subject.machine.kind != "gpu" or subject.program.kind != "vllm":
        return
    if any(subject.arguments.get(key) for key in _OFFLOADS):
        return
    needed = estimate_memory(shape, subject.plan)
    weights = needed.bytes_of("text_weights", "vision_weights")
    if weights > size:
        values = {"model": subject.name, "weights": gib_text(weights), "memory": gib_text(size)}
        fix = Fix(model=subject.alternative) if subject.alternative else None
        yield PreflightFinding("weights_exceed_card", values, "stops", fix)
        return
    budget = int(size * _utilisation(subject.arguments))
    if not needed.cache_bytes_per_token:
        return
    held, wanted = needed.cache_tokens(budget), subject.max_model_len or shape.text.max_positions
    if held < wanted and _is_counted(subject):
        fix = Fix({"max_model_len": held}) if held >= _REST_TOKENS else None
        fix = fix or (Fix(model=subject.alternative) if subject.alternative else None)
        figures = {"model": subject.name, "length": wanted, "possible": held, "memory": gib_text(budget)}
        yield preflight_notice("cache_short", figures, fix=fix)


def busy_cards(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that other programs leave free what the engine will reserve; the second engine reserves nothing."""
    share, is_claimed = _utilisation(subject.arguments), (subject.machine.kind, subject.program.kind) == ("gpu", "vllm")
    for number, card in enumerate(subject.machine.cards if is_claimed else ()):
        if card.memory_bytes and card.free_bytes is not None and card.free_bytes < share * card.memory_bytes:
            possible = math.floor(card.free_bytes / card.memory_bytes * 100 - 2) / 100
            fix = Fix({"gpu_memory_utilization": possible}) if possible >= 0.1 else None
            wanted = gib_text(share * card.memory_bytes)
            values = {"number": number, "free": gib_text(card.free_bytes), "wanted": wanted}
            yield preflight_notice("card_busy", values, fix=fix)


def ordinary(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that the whole estimate fits in a CPU's usable memory, then in its free memory."""
    shape, there, free = subject.shape, subject.machine.memory_bytes, subject.machine.free_bytes
    if shape is None or there is None or subject.machine.kind != "cpu":
        return
    need = estimate_need(shape, subject.plan, there)
    needed = need.needed_bytes + _cache_beyond_one_request(subject, shape)
    values = {
        "model": subject.name,
        "needed": gib_text(needed),
        "least": gib_text(need.least_bytes),
        "there": gib_text(there),
        "usable": gib_text(need.usable_bytes),
    }
    if needed > need.usable_bytes:
        yield preflight_notice("memory_short", values, fix=_smaller_fix(subject))
    elif free is not None and needed > free:
        yield preflight_notice("memory_busy", {**values, "free": gib_text(free)}, fix=_smaller_fix(subject))


def _cache_beyond_one_request(subject: PreflightSubject, shape: Shape) -> int:
    """Return the bytes of a cache of the user's size beyond those in the estimate.

    The size that FrameLens sets follows from the free memory and is allocated only as it is filled.
    """
    space = _cache_bytes(subject) if subject.sets_cache else None
    return max(0, (space or 0) - estimate_memory(shape, subject.plan).bytes_of("cache"))


def _smaller_fix(subject: PreflightSubject) -> Fix | None:
    """Return settings with which the model fits, or another model."""
    change = {key: value for key, value in subject.fitting.items() if subject.given.get(key) != value}
    if change:
        return Fix(change)
    return Fix(model=subject.alternative) if subject.alternative else None


def pictures(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that a request holds as many frames of the smallest size that is sent as are allowed."""
    shape, wanted = subject.shape, subject.max_model_len
    limits = subject.arguments.get("limit_mm_per_prompt")
    limit = limits.get("image") if isinstance(limits, Mapping) else None
    if shape is None or shape.vision is None or wanted is None or not isinstance(limit, int):
        return
    most = subject.plan.largest_picture_px
    each = image_tokens(shape.vision, *FRAME, together=max(1, limit))
    if most is not None and shape.vision.pictures == "patches":
        each = min(each, math.ceil(most / shape.vision.unit_px**2))
    possible = max(0, wanted - _REST_TOKENS) // each
    if limit == 0:
        yield preflight_notice("pictures_off", {"model": subject.name}, fix=Fix(remove=("limit_mm_per_prompt",)))
    elif possible < limit:
        values = {"limit": limit, "each": each, "length": wanted, "possible": possible}
        yield preflight_notice("pictures_exceed", values, "hinders" if possible == 0 else "tells")


def blind(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Report a model without vision."""
    if subject.shape is not None and subject.shape.vision is None:
        yield preflight_notice("blind", {"model": subject.name}, "tells")


def _longest_context(config: Mapping[str, Any]) -> int | None:
    """Return the positions of the text part of config.json, multiplied by a rope's factor; None if unknown."""
    inner = next((config[key] for key in ("text_config", "language_config", "llm_config") if config.get(key)), config)
    if not isinstance(inner, Mapping) or not isinstance(inner.get("max_position_embeddings"), int):
        return None
    ropes = [inner.get(key) for key in ("rope_scaling", "rope_parameters")]
    factors = [rope.get("factor") for rope in ropes if isinstance(rope, Mapping)]
    factor = max((given for given in factors if isinstance(given, int | float)), default=1.0)
    stated = [config.get("model_max_length"), inner.get("model_max_length")]
    lengths = [given for given in stated if isinstance(given, int)]
    return max(int(inner["max_position_embeddings"] * max(1.0, factor)), *lengths, 0)


def _is_counted(subject: PreflightSubject) -> bool:
    """Return whether the estimate covers this cache: every layer keeps every token, in the type that is computed in.

    A `head_dim` of its own is used by some families only; the others divide `hidden` among the heads regardless.
    """
    shape = subject.shape
    if shape is None or subject.arguments.get("kv_cache_dtype") not in (None, "auto"):
        return False
    text, kept = shape.text, shape.text.cache
    has_own = text.model_type.startswith(_OWN_HEAD_DIM) or text.heads * kept.head_dim == text.hidden
    return has_own and not kept.window_layers and not kept.latent


def _cache_bytes(subject: PreflightSubject) -> int | None:
    """Return the configured size of the cache; on a CPU the variable takes precedence over the argument."""
    space = subject.environment.get("VLLM_CPU_KVCACHE_SPACE", "")
    if subject.machine.kind == "cpu" and space.isdecimal() and int(space):
        return int(space) * GIB
    given = subject.arguments.get("kv_cache_memory_bytes")
    return given if isinstance(given, int) else None


def _utilisation(arguments: Mapping[str, Any]) -> float:
    given = arguments.get("gpu_memory_utilization")
    return float(given) if isinstance(given, int | float) else _UTILISATION


def heads(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that the number of attention heads can be divided equally, as vLLM does."""
    shape, ways = subject.shape, subject.tensor_parallel
    if shape is not None and subject.program.kind == "vllm" and shape.text.heads % ways:
        machine = subject.machine
        there = (len(machine.cards) if machine.kind == "gpu" else machine.memory_nodes) or ways
        values = {"model": subject.name, "heads": shape.text.heads, "size": ways}
        fix = Fix({_TP: tensor_sizes(shape, min(ways, there))[-1]})
        yield PreflightFinding("heads_not_divisible", values, "stops", fix)


def groups(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that a card's part of a matrix in AWQ ends between two groups.

    Early versions of Qwen2.5-VL-72B-Instruct-AWQ failed with 8 cards for this reason.
    """
    shape, quantisation, ways = subject.shape, subject.quantisation, subject.tensor_parallel
    if shape is None or quantisation is None or quantisation.method != "awq" or subject.machine.kind != "gpu":
        return
    text, group = shape.text, quantisation.group_size
    if not group or ways == 1 or text.experts or text.cache.latent or subject.program.kind != "vllm":
        return
    widths = (text.intermediate, text.heads * text.cache.head_dim)
    if any(width // ways % group for width in widths):
        fix = Fix({_TP: tensor_sizes(shape, ways)[-1]})
        yield PreflightFinding("quantization_misaligned", {"model": subject.name}, "stops", fix)


def devices(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that there are enough cards, or on a CPU enough memory nodes; Ray may have others on other machines."""
    wanted, machine, arguments = subject.processes, subject.machine, subject.arguments
    if wanted == 1 or subject.program.kind != "vllm" or arguments.get("distributed_executor_backend") == "ray":
        return
    if machine.kind == "gpu":
        if machine.cards and wanted > len(machine.cards) and arguments.get("nnodes", 1) == 1:
            values = {"model": subject.name, "wanted": wanted, "count": len(machine.cards)}
            yield PreflightFinding("cards_too_few", values, "stops", _fix_for(subject, len(machine.cards)))
        return
    is_bound = subject.environment.get("VLLM_CPU_OMP_THREADS_BIND", "auto") != "auto"
    simulated = "VLLM_CPU_SIM_MULTI_NUMA" in subject.environment or "CPU_VISIBLE_MEMORY_NODES" in subject.environment
    if machine.memory_nodes is not None and wanted > machine.memory_nodes and not is_bound and not simulated:
        fix = _fix_for(subject, machine.memory_nodes)
        yield PreflightFinding("numa_nodes_too_few", {"model": subject.name, "workers": wanted}, "stops", fix)


def through_ray(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that Ray is installed and supports the device, if it is configured."""
    if subject.arguments.get("distributed_executor_backend") != "ray" or subject.program.kind != "vllm":
        return
    fix = Fix(remove=("distributed_executor_backend",))
    if not subject.program.has_ray:
        yield PreflightFinding("ray_missing", {"model": subject.name}, "stops", fix)
    elif subject.machine.kind == "cpu":
        yield PreflightFinding("ray_unsupported", {"model": subject.name, "platform": "cpu"}, "stops", fix)


def shared_memory(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that several processes have enough shared memory."""
    free = subject.machine.shm_bytes
    if subject.processes > 1 and free is not None and free < _MIN_SHM_BYTES:
        yield PreflightFinding("doctor_shm_small", {"free": gib_text(free)}, "hinders", table="notice")


def _fix_for(subject: PreflightSubject, most: int) -> Fix:
    """Return a fix with all processes in one stage, on as many of `most` cards as the model can be divided among."""
    best = tensor_sizes(subject.shape, most)[-1]
    given = [key for key in _SIZES if key in subject.arguments]
    return Fix({key: best if key == _TP else 1 for key in given})
