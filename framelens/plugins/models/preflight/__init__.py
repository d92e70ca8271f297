"""Preflight checks: from facts about a model, its settings and this machine to findings, before a start takes minutes.

Pure functions. A finding that "stops" a start is proved by the engine's source, and by starts that fail in
tests/engine; one that may fail, or rests on an estimate, "hinders". A check is a function that yields findings, and a
line in `_CHECKS`.
"""

from collections.abc import Callable, Iterator

from framelens.plugins.models.preflight import architecture, context, dtype_quantisation, memory

_FIRST: tuple[Callable[[context.PreflightSubject], Iterator[context.PreflightFinding]], ...] = (
    architecture.settings, architecture.port, architecture.folder, architecture.original,
)  # fmt: skip
_CHECKS: tuple[Callable[[context.PreflightSubject], Iterator[context.PreflightFinding]], ...] = (
    architecture.templates, architecture.absent,
    architecture.code, architecture.known, architecture.foreign,
    dtype_quantisation.in_bfloat16, dtype_quantisation.without_instructions, dtype_quantisation.in_half,
    dtype_quantisation.quantised_in_float, dtype_quantisation.method,
    dtype_quantisation.generation, dtype_quantisation.mixture, dtype_quantisation.sizes,
    memory.heads, memory.groups, memory.devices, memory.through_ray, memory.shared_memory,
    memory.length, memory.cache, memory.cards, memory.busy_cards, memory.ordinary, memory.pictures, memory.blind,
)  # fmt: skip


def check(subject: context.PreflightSubject) -> tuple[context.PreflightFinding, ...]:
    """Run all checks and return their findings: those that stop a start, those that hinder, information.

    If the model itself can't be used, only that is reported.
    """
    found = [finding for look in _FIRST for finding in look(subject)]
    if not any(finding.severity == "stops" for finding in found):
        found += [finding for look in _CHECKS for finding in look(subject)]
    return tuple(sorted(found, key=lambda finding: context.SEVERITIES.index(finding.severity)))
