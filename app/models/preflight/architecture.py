"""The model's architecture against what the installed engine has, and code that the model brings.

vLLM reads config.json through transformers, which must know its `model_type` (or vLLM itself does, or the model brings
the code), and then looks for the architecture in its own registry. What is not there may run through transformers'
class, if that is made for it, which only vLLM can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.models.preflight.finding import Finding, Mend, told
from app.models.preflight.subject import Subject

# Any of these stands for the others: vLLM finds a pooling model by its generating one.
_ENDINGS = (
    *("ForCausalLM", "ForConditionalGeneration", "ChatModel", "LMHeadModel", "ForTextEncoding", "EmbeddingModel"),
    *("ForSequenceClassification", "ForTokenClassification", "ForRewardModeling", "RewardModel", "Model"),
)


def code(subject: Subject) -> Iterator[Finding]:
    """A config.json that only the model's own code can read, and may not be run."""
    config = _config(subject)
    if config is None or _knows_type(subject, config) or not _brings(config, "AutoConfig"):
        return
    if not subject.arguments.get("trust_remote_code"):
        mend = Mend({"trust_remote_code": True})
        yield Finding("remote_code_needed", {"model": subject.name}, "stops", mend)


def known(subject: Subject) -> Iterator[Finding]:
    """An architecture that the engine does not have."""
    config = _config(subject)
    if config is None:
        return
    if not _knows_type(subject, config):
        if not _brings(config, "AutoConfig"):
            yield _unsupported(subject, str(config["model_type"]))
        return
    listed = config.get("architectures")
    names = [str(name) for name in listed] if isinstance(listed, list) else []
    if not names or any(_has(subject.program.architectures, name) for name in names):
        return
    if subject.program.in_transformers or _brings(config, "Auto"):
        values = {"model": subject.name, "architecture": ", ".join(names)}
        yield told("through_transformers", values, mend=Mend(engine="transformers"))
    else:
        yield _unsupported(subject, ", ".join(names))


def _config(subject: Subject) -> Mapping[str, Any] | None:
    """What there is to judge by: nothing where the engine is another one, or its source cannot be read."""
    program = subject.program
    is_known = program.kind == "vllm" and program.architectures and program.model_types
    return subject.config if is_known else None


def _knows_type(subject: Subject, config: Mapping[str, Any]) -> bool:
    """A config.json without a type is left to the engine."""
    return not config.get("model_type") or str(config["model_type"]) in subject.program.model_types


def _brings(config: Mapping[str, Any], what: str) -> bool:
    brought = config.get("auto_map")
    return isinstance(brought, Mapping) and any(str(name).startswith(what) for name in brought)


def _has(architectures: frozenset[str], name: str) -> bool:
    if name in architectures:
        return True
    stems = {name.removesuffix(ending) for ending in _ENDINGS if name.endswith(ending)}
    return any(stem + ending in architectures for stem in stems for ending in _ENDINGS)


def _unsupported(subject: Subject, architecture: str) -> Finding:
    values = {"model": subject.name, "architecture": architecture}
    mend = Mend(model=subject.alternative) if subject.alternative else None
    return Finding("architecture_unsupported", values, "stops", mend)
