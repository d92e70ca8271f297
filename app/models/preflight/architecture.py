"""Checks of the model's architecture against the installed engine, and of code that the model brings.

vLLM reads config.json through transformers, which must know its `model_type` (or vLLM itself does, or the model brings
the code), and then looks for the architecture in its own registry. Others may run through transformers' class, if that
supports it, which only vLLM can decide. The second engine has transformers' classes only. DeepSeek-VL as its makers
published it runs in neither: its weights were converted for transformers, and uploaded again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.models.preflight.context import PreflightSubject
from app.models.preflight.finding import Fix, PreflightFinding, preflight_notice

# Any of these is equivalent to the others: vLLM finds a pooling model by its generating one.
_ENDINGS = (
    *("ForCausalLM", "ForConditionalGeneration", "ChatModel", "LMHeadModel", "ForTextEncoding", "EmbeddingModel"),
    *("ForSequenceClassification", "ForTokenClassification", "ForRewardModeling", "RewardModel", "Model"),
)


_ORIGINAL = "multi_modality"
# From transformers' own documentation of the two classes.
_CONVERTED = {"plain": "deepseek-community/deepseek-vl-1.3b-chat", "hybrid": "deepseek-community/deepseek-vl-7b-chat"}


def original(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check for DeepSeek-VL in the format of its own program.

    Janus, which also generates pictures, has the same type, but other conversions.
    """
    config = subject.config
    if config is None or config.get("model_type") != _ORIGINAL or "gen_vision_config" in config:
        return
    seeing = config.get("vision_config")
    is_hybrid = isinstance(seeing, Mapping) and seeing.get("cls") == "HybridVisionTower"
    converted = _CONVERTED["hybrid" if is_hybrid else "plain"]
    values = {"model": subject.name, "id": converted}
    yield PreflightFinding("checkpoint_original", values, "stops", Fix(model=converted, engine="transformers"))


def code(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check for a config.json that only the model's own code can read, and that code isn't allowed to run."""
    config = _config(subject)
    if config is None or _knows_type(subject, config) or not _brings(config, "AutoConfig"):
        return
    if not subject.arguments.get("trust_remote_code"):
        fix = Fix({"trust_remote_code": True})
        yield PreflightFinding("remote_code_needed", {"model": subject.name}, "stops", fix)


def known(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that the engine has the architecture."""
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
    cannot_see = "vision_config" in config and not subject.program.through_transformers
    if subject.program.in_transformers and cannot_see:
        yield _unsupported(subject, ", ".join(names), Fix(engine="transformers"))
    elif subject.program.in_transformers or _brings(config, "Auto"):
        values = {"model": subject.name, "architecture": ", ".join(names)}
        yield preflight_notice("through_transformers", values, fix=Fix(engine="transformers"))
    else:
        yield _unsupported(subject, ", ".join(names))


def foreign(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Check that the second engine can read the type; it is started without permission to run a model's own code."""
    config, program = subject.config, subject.program
    if program.kind != "transformers" or config is None or not program.model_types:
        return
    if not _knows_type(subject, config):
        names = config.get("architectures")
        has = any(_has(program.architectures, str(name)) for name in names) if isinstance(names, list) else False
        fix = Fix(engine="vllm") if has else Fix(model=subject.alternative) if subject.alternative else None
        values = {"model": subject.name, "architecture": str(config["model_type"])}
        yield PreflightFinding("transformers_lacks_type", values, "stops", fix)


def _config(subject: PreflightSubject) -> Mapping[str, Any] | None:
    """Return the config to check, or None for the other engine or if its source can't be read."""
    program = subject.program
    is_known = program.kind == "vllm" and program.architectures and program.model_types
    return subject.config if is_known else None


def _knows_type(subject: PreflightSubject, config: Mapping[str, Any]) -> bool:
    """Return whether the engine knows the type; a config.json without one is left to the engine."""
    return not config.get("model_type") or str(config["model_type"]) in subject.program.model_types


def _brings(config: Mapping[str, Any], what: str) -> bool:
    brought = config.get("auto_map")
    return isinstance(brought, Mapping) and any(str(name).startswith(what) for name in brought)


def _has(architectures: frozenset[str], name: str) -> bool:
    if name in architectures:
        return True
    stems = {name.removesuffix(ending) for ending in _ENDINGS if name.endswith(ending)}
    return any(stem + ending in architectures for stem in stems for ending in _ENDINGS)


def _unsupported(subject: PreflightSubject, architecture: str, fix: Fix | None = None) -> PreflightFinding:
    values = {"model": subject.name, "architecture": architecture}
    another = Fix(model=subject.alternative) if subject.alternative else None
    return PreflightFinding("architecture_unsupported", values, "stops", fix or another)
