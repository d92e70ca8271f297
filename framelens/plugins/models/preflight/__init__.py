"""Preflight checks: from facts about a model, its settings and this machine to findings, before a start takes minutes.

A table has rules that no engine reports in time, and rules about the installed engine's answers. A finding that stops a
start is proved by the engine's source, and by starts that fail in tests/engine; a finding about a start that may fail,
or that rests on an estimate, hinders.
"""

from framelens.core.failures.check_findings import CheckFinding, worst_first
from framelens.plugins.models.preflight import memory_rules, model_rules, number_rules
from framelens.plugins.models.preflight.subject import PreflightSubject

_TABLE = (*model_rules.RULES, *number_rules.RULES, *memory_rules.RULES)


def check(subject: PreflightSubject) -> tuple[CheckFinding, ...]:
    """Return what the rules find, the worst first. If the model itself can't be used, only that is reported."""
    found = [finding for rule in model_rules.BASIC for finding in rule(subject)]
    if not any(finding.severity == "stops" for finding in found):
        found += [finding for rule in _TABLE for finding in rule(subject)]
    return worst_first(found)
