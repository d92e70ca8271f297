"""Rules about data type and quantisation against the device.

Limits of vLLM 0.32 are: bfloat16 from compute capability 8.0 on, AWQ and GPTQ in 16 bits only, 4-bit experts on a
CPU only with AMX (or AMD's own kernels), 4-bit matrices on a CPU in multiples of 32.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from framelens.core.failures.check_findings import CheckFinding, Fix
from framelens.core.units import GIB, gib_text
from framelens.models.formats import is_faster_wide, prefers_float32
from framelens.models.memory import float32_bytes
from framelens.models.placement import USABLE
from framelens.plugins.models.preflight.subject import Check, PreflightSubject, Rule, Values, another_model
from framelens.services.diagnostics.checks import old_cards

_BFLOAT16 = (8, 0)
_NOT_IN_HALF = ("gemma2", "gemma3", "gemma3_text", "glm4")
"""Model types that vLLM refuses in float16, since their numbers exceed its range."""
_IN_16_BITS = ("awq", "gptq")
_KINDS = ("awq", "gptq", "fp8")
_CPU_MULTIPLE = 32
_BESIDE = {"quantize_config.json", "quant_config.json"}  # quantisation settings of older checkpoints
_LEAST = {"awq": (7, 5), "fp8": (7, 5), "mxfp4": (8, 0)}
_HALF, _BY_CHECKPOINT = Fix({"dtype": "half"}), Fix(remove=("quantization",))


def _emulated(subject: PreflightSubject, *, fits: bool) -> Values | None:
    """Find bfloat16 on a processor that has to convert every number, where float32 is faster and fits, or doesn't."""
    shape, memory = subject.shape, subject.machine.memory_bytes
    is_narrow = subject.dtype in ("bfloat16", "auto") and prefers_float32(
        frozenset(subject.machine.cpu_features), subject.machine.cpu_cores
    )
    if shape is None or memory is None or not is_narrow or not is_faster_wide(shape):
        return None
    needed = float32_bytes(shape, subject.arguments, GIB)
    values = {"needed": gib_text(needed), "memory": gib_text(memory)}
    return values if (needed <= memory * USABLE) is fits else None


def _overflows(subject: PreflightSubject) -> Values | None:
    return {"type": subject.type} if subject.dtype == "half" and subject.type in _NOT_IN_HALF else None


def _wider(subject: PreflightSubject, _: Values) -> Fix:
    return Fix({"dtype": "float" if subject.has_older_card(_BFLOAT16) else "bfloat16"})


def _in_32_bits(subject: PreflightSubject) -> Values | None:
    method = subject.quantisation
    return {"dtype": "float32", "method": method} if subject.dtype == "float" and method in _IN_16_BITS else None


def _asked(subject: PreflightSubject) -> str:
    return str(subject.arguments.get("quantization") or "") if subject.config is not None else ""


def _stored(subject: PreflightSubject) -> str:
    """Return vLLM's name of the checkpoint's method, or "" without quantisation."""
    return subject.quantisation.replace("compressed_tensors", "compressed-tensors")


def _lacks(subject: PreflightSubject, method: str) -> Values | None:
    known = subject.program.quantisations
    return {"method": method} if method and known and method not in known else None


def _differs(subject: PreflightSubject) -> Values | None:
    asked, stored = _asked(subject), _stored(subject)
    return {"asked": asked, "stored": stored} if {asked, stored} <= {*_KINDS} and asked != stored else None


def _is_ordinary(subject: PreflightSubject) -> Values | None:
    """Find a requested method for weights that aren't quantised."""
    asked, model = _asked(subject), subject.model
    is_plain = not _stored(subject) and bool(model.folder) and not _BESIDE & model.files
    return {"asked": asked} if asked in _IN_16_BITS and is_plain else None


def _old_cards(subject: PreflightSubject) -> Iterator[CheckFinding]:
    """Find cards that are too old for vLLM as it is published; another build may run on them."""
    if (subject.machine.device, subject.program.kind) == ("gpu", "vllm"):
        yield from (replace(one, severity="hinders") for one in old_cards(subject.machine))


def _too_new(subject: PreflightSubject) -> Values | None:
    wanted, oldest = _LEAST.get(_stored(subject)), subject.machine.oldest_card
    if not wanted or oldest is None or oldest.capability is None or not subject.has_older_card(wanted):
        return None
    (major, minor), (least_major, least_minor) = oldest.capability, wanted
    return {"minimum": least_major * 10 + least_minor, "capability": major * 10 + minor}


def _packed_experts(subject: PreflightSubject) -> bool:
    """Find a mixture of experts in 4 bits without AMX: vLLM failed with `assert self.quant_method is not None`."""
    shape, flags = subject.shape, subject.machine.cpu_features
    if shape is None or shape.quantisation is None or subject.quantisation not in _IN_16_BITS:
        return False
    is_packed = shape.quantisation.bits == 4 and shape.text.experts > 0
    return is_packed and bool(flags) and "amx_tile" not in flags and not subject.program.has_zentorch


def _uneven(subject: PreflightSubject) -> Values | None:
    """Find a matrix in AWQ whose part on each process is no multiple of what the CPU's kernel takes."""
    shape, ways = subject.shape, subject.tensor_parallel
    if shape is None or subject.quantisation != "awq" or subject.program.has_zentorch:
        return None
    text, side = shape.text, shape.text.cache.head_dim
    if text.experts or text.cache.latent:
        return None
    heads = text.heads + 2 * max(text.cache.heads, ways)
    widths = (text.hidden, text.heads * side // ways, heads * side // ways, text.intermediate // ways)
    wrong = next((width for width in widths if width % _CPU_MULTIPLE), None)
    return None if wrong is None else {"size": wrong, "multiple": _CPU_MULTIPLE}


def _undivided(subject: PreflightSubject, values: Values) -> Fix | None:
    is_divided = subject.tensor_parallel > 1
    return Fix({"tensor_parallel_size": 1}) if is_divided else another_model(subject, values)


RULES: tuple[Check, ...] = (
    Rule(
        "bfloat16_unsupported",
        lambda it: it.dtype == "bfloat16" and it.has_older_card(_BFLOAT16),  # only "auto" falls back by itself
        _HALF,
        device="gpu",
    ),
    Rule(
        "preflight_emulated",
        partial(_emulated, fits=True),
        Fix({"dtype": "float32", "kv_cache_memory_bytes": GIB}),
        "hinders",
        device="cpu",
    ),
    Rule("preflight_emulated", partial(_emulated, fits=False), severity="tells", device="cpu"),
    Rule("float16_unsupported", _overflows, _wider),
    Rule("quantization_dtype", _in_32_bits, _HALF),
    Rule("quantization_absent", lambda it: _lacks(it, _asked(it)), _BY_CHECKPOINT),
    Rule("quantization_absent", lambda it: _lacks(it, _stored(it)), another_model),
    Rule("quantization_differs", _differs, _BY_CHECKPOINT),
    Rule("quantization_none", _is_ordinary, _BY_CHECKPOINT),
    _old_cards,
    Rule("quantization_too_new", _too_new, device="gpu"),
    Rule("quantization_needs_gpu", _packed_experts, another_model, device="cpu"),
    Rule("quantization_sizes", _uneven, _undivided, device="cpu"),
)
