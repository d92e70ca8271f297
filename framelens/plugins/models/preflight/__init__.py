"""Preflight checks: from facts about a model, its settings and this machine to findings, before a start takes minutes.

A finding that stops a start is proved by starts that fail in tests/engine; a finding about a start that may fail, or
that rests on an estimate, hinders.
"""

from framelens.plugin.machine import CheckFinding
from framelens.plugins.models.preflight.rules import BASIC, RULES
from framelens.plugins.models.preflight.subject import PreflightSubject


def check(subject: PreflightSubject) -> tuple[CheckFinding, ...]:
    """Return what the rules find, the worst first. If the model itself can't be used, only that is reported."""
    findings = [finding for rule in BASIC for finding in rule(subject)]
    if not any(finding.severity == "stops" for finding in findings):
        findings += [finding for rule in RULES for finding in rule(subject)]
    return CheckFinding.worst_first(findings)
