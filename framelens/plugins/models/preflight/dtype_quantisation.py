"""Checks of data type and quantisation against the device.

Limits are those of vLLM 0.32: bfloat16 from compute capability 8.0 on, AWQ and GPTQ in 16 bits only, 4-bit experts on a
CPU only with AMX (or AMD's own kernels), 4-bit matrices on a CPU in multiples of 32.
"""

from collections.abc import Iterator

from framelens.core.units import GIB, gib_text
from framelens.models.formats import is_faster_wide
from framelens.models.memory import float32_bytes
from framelens.models.placement import USABLE
from framelens.plugins.models.preflight.context import Fix, PreflightFinding, PreflightSubject, preflight_notice

_BFLOAT16 = (8, 0)
_MIN_CAPABILITY = (7, 5)
_NOT_IN_HALF = ("gemma2", "gemma3", "gemma3_text", "glm4")
"""Model types that vLLM refuses in float16, since their numbers exceed its range."""
_IN_16_BITS = ("awq", "gptq")
_KINDS = ("awq", "gptq", "fp8")
_CPU_MULTIPLE = 32
_BESIDE = {"quantize_config.json", "quant_config.json"}  # quantisation settings of older checkpoints
_LEAST = {"awq": (7, 5), "fp8": (7, 5), "mxfp4": (8, 0)}


def in_bfloat16(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check for bfloat16 on cards below 8.0, where only "auto" falls back by itself."""
    least = subject.machine.least_capability
    if subject.machine.kind == "gpu" and subject.dtype == "bfloat16" and least is not None and least < _BFLOAT16:
        yield PreflightFinding("bfloat16_unsupported", {"model": subject.name}, "stops", Fix({"dtype": "half"}))


def without_instructions(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check for bfloat16 on a processor that has to convert every number, where float32 is faster."""
    shape, memory = subject.shape, subject.machine.memory_bytes
    if shape is None or memory is None or subject.machine.kind != "cpu" or subject.program.kind != "vllm":
        return
    is_faster = subject.machine.prefers_float32 and is_faster_wide(shape)
    if subject.dtype not in ("bfloat16", "auto") or not is_faster:
        return
    needed = float32_bytes(shape, subject.arguments, GIB)
    values = {"model": subject.name, "needed": gib_text(needed), "memory": gib_text(memory)}
    if needed <= memory * USABLE:
        yield preflight_notice("emulated", values, fix=Fix({"dtype": "float32", "kv_cache_memory_bytes": GIB}))
    else:
        yield preflight_notice("emulated", values, "tells")


def in_half(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check for float16 with a model type that vLLM refuses in it."""
    config = subject.config
    if config is None or subject.program.kind != "vllm" or config.get("model_type") not in _NOT_IN_HALF:
        return
    if subject.dtype == "half":
        least = subject.machine.least_capability
        better = "float" if least is not None and least < _BFLOAT16 else "bfloat16"
        values = {"model": subject.name, "type": config["model_type"]}
        yield PreflightFinding("float16_unsupported", values, "stops", Fix({"dtype": better}))


def quantised_in_float(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check for float32 with a quantised model that computes in 16 bits only."""
    quantisation = subject.quantisation
    if quantisation is not None and quantisation.method in _IN_16_BITS and subject.dtype == "float":
        values = {"model": subject.name, "dtype": "float32", "method": quantisation.method}
        yield PreflightFinding("quantization_dtype", values, "stops", Fix({"dtype": "half"}))


def method(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check for a quantisation method that the engine lacks, or that isn't the checkpoint's."""
    if subject.config is None or subject.program.kind != "vllm":
        return
    stored, asked = _stored(subject), str(subject.arguments.get("quantization") or "")
    known = subject.program.quantisations
    if asked and known and asked not in known:
        yield _unknown_method(subject, asked, Fix(remove=("quantization",)))
    elif stored and known and stored not in known:
        yield _unknown_method(subject, stored, Fix(model=subject.alternative) if subject.alternative else None)
    elif asked in _KINDS and stored in _KINDS and asked != stored:
        values = {"model": subject.name, "asked": asked, "stored": stored}
        yield PreflightFinding("quantization_differs", values, "stops", Fix(remove=("quantization",)))
    elif asked in _IN_16_BITS and not stored and subject.model.folder and not _BESIDE & subject.model.files:
        yield PreflightFinding(
            "quantization_none", {"model": subject.name, "asked": asked}, "stops", Fix(remove=("quantization",))
        )


def generation(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check for cards that are too old, for the method or for the installed vLLM."""
    least = subject.machine.least_capability
    if subject.machine.kind != "gpu" or least is None or subject.program.kind != "vllm":
        return
    wanted = _LEAST.get(_stored(subject))
    if least < _MIN_CAPABILITY:
        number = next(number for number, card in enumerate(subject.machine.cards) if card.capability == least)
        capability = ".".join(map(str, least))
        named = {"number": number, "name": subject.machine.cards[number].name, "capability": capability}
        yield PreflightFinding("doctor_card_old", named, "hinders", table="notice")
    elif wanted is not None and least < wanted:
        values = {"minimum": _capability_number(wanted), "capability": _capability_number(least)}
        yield PreflightFinding("quantization_too_new", {"model": subject.name, **values}, "stops")


def mixture(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check for a mixture of experts in 4 bits on a CPU without AMX.

    vLLM failed there with `assert self.quant_method is not None`.
    """
    quantisation, shape, flags = subject.quantisation, subject.shape, subject.machine.cpu_flags
    if quantisation is None or shape is None or subject.machine.kind != "cpu" or subject.program.kind != "vllm":
        return
    is_packed = quantisation.method in _IN_16_BITS and quantisation.bits == 4 and shape.text.experts > 0
    if is_packed and flags and "amx_tile" not in flags and not subject.program.has_zentorch:
        fix = Fix(model=subject.alternative) if subject.alternative else None
        yield PreflightFinding("quantization_needs_gpu", {"model": subject.name}, "stops", fix)


def sizes(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that the CPU's kernel accepts a model's AWQ matrices: sides in multiples of 32 on each process."""
    quantisation, shape, ways = subject.quantisation, subject.shape, subject.tensor_parallel
    if quantisation is None or shape is None or quantisation.method != "awq" or subject.machine.kind != "cpu":
        return
    text = shape.text
    if text.experts or text.cache.latent or subject.program.kind != "vllm" or subject.program.has_zentorch:
        return
    heads = text.heads + 2 * max(text.cache.heads, ways)
    widths = (text.hidden, text.heads * text.cache.head_dim // ways, heads * text.cache.head_dim // ways,
              text.intermediate // ways)  # fmt: skip
    if (wrong := next((width for width in widths if width % _CPU_MULTIPLE), None)) is not None:
        values = {"model": subject.name, "size": wrong, "multiple": _CPU_MULTIPLE}
        fix = Fix({"tensor_parallel_size": 1}) if ways > 1 else None
        fix = fix or (Fix(model=subject.alternative) if subject.alternative else None)
        yield PreflightFinding("quantization_sizes", values, "stops", fix)


def _stored(subject: PreflightSubject) -> str:
    """Return vLLM's name of the checkpoint's method, or "" for none."""
    return (
        subject.quantisation.method.replace("compressed_tensors", "compressed-tensors") if subject.quantisation else ""
    )


def _unknown_method(subject: PreflightSubject, name: str, fix: Fix | None) -> PreflightFinding:
    return PreflightFinding("quantization_absent", {"model": subject.name, "method": name}, "stops", fix)


def _capability_number(capability: tuple[int, int]) -> int:
    return capability[0] * 10 + capability[1]
