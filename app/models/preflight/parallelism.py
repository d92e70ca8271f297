"""Checks of a model divided among cards or processes: whether it can be divided, and whether there are enough."""

from __future__ import annotations

from collections.abc import Iterator

from app.models.preflight.context import PreflightSubject
from app.models.preflight.finding import Fix, PreflightFinding, gib

_SIZES = ("tensor_parallel_size", "pipeline_parallel_size")
_MIN_SHM_BYTES = 1_000_000_000  # chosen by hand; not tuned
_TP = "tensor_parallel_size"


def heads(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that the number of attention heads can be divided equally, as vLLM does."""
    shape, ways = subject.shape, subject.tensor_parallel
    if shape is not None and subject.program.kind == "vllm" and shape.text.heads % ways:
        machine = subject.machine
        there = (len(machine.cards) if machine.kind == "gpu" else machine.memory_nodes) or ways
        most = min(ways, shape.text.heads, there)
        best = next(size for size in range(most, 0, -1) if shape.text.heads % size == 0)
        values = {"model": subject.name, "heads": shape.text.heads, "size": ways}
        yield PreflightFinding("heads_not_divisible", values, "stops", Fix({_TP: best}))


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
        fits = (size for size in range(min(ways, text.heads), 0, -1) if text.heads % size == 0)
        best = next((size for size in fits if not any(width // size % group for width in widths)), 1)
        yield PreflightFinding("quantization_misaligned", {"model": subject.name}, "stops", Fix({_TP: best}))


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
        yield PreflightFinding("doctor_shm_small", {"free": gib(free)}, "hinders", table="notice")


def _fix_for(subject: PreflightSubject, most: int) -> Fix:
    """Return a fix with all processes in one stage, on as many cards as exist and the heads allow."""
    shape = subject.shape
    best = next((size for size in range(most, 0, -1) if shape is None or shape.text.heads % size == 0), 1)
    given = [key for key in _SIZES if key in subject.arguments]
    return Fix({key: best if key == _TP else 1 for key in given})
