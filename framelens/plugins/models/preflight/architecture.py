"""Checks of the model's architecture against the installed engine, and of code that the model brings.

vLLM reads config.json through transformers, which must know its `model_type` (or vLLM itself does, or the model brings
the code), and then looks for the architecture in its own registry. Others may run through transformers' class, if that
supports it, which only vLLM can decide. The second engine has transformers' classes only. DeepSeek-VL as its makers
published it runs in neither: its weights were converted for transformers, and uploaded again.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from framelens.core.model_hub import chosen_hub
from framelens.core.units import gib_text
from framelens.plugins.models.preflight.context import (
    Fix,
    PreflightFinding,
    PreflightSubject,
    of_error,
    preflight_notice,
)
from framelens.plugins.models.trust.remote_code import SHORT

# Any of these is equivalent to the others: vLLM finds a pooling model by its generating one.
_ENDINGS = (
    *("ForCausalLM", "ForConditionalGeneration", "ChatModel", "LMHeadModel", "ForTextEncoding", "EmbeddingModel"),
    *("ForSequenceClassification", "ForTokenClassification", "ForRewardModeling", "RewardModel", "Model"),
)
_ORIGINAL = "multi_modality"
# From transformers' own documentation of the two classes.
_CONVERTED = {"plain": "deepseek-community/deepseek-vl-1.3b-chat", "hybrid": "deepseek-community/deepseek-vl-7b-chat"}
_NUM_SHOWN = 5
"""Files that a finding names."""
_BY_ITSELF = ("vllm_argument_unknown", "vllm_argument_type", "vllm_argument_choice", "vllm_argument_range")


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
    """Report code that comes with the model: whether it is needed, may run, and is what was trusted.

    The setting is offered as a fix only for code that was trusted, so that no single click lets code run.
    """
    model, config = subject.model, _config(subject)
    is_needed = config is not None and not _knows_type(subject, config) and _brings(config, "AutoConfig")
    is_allowed = bool(subject.arguments.get("trust_remote_code"))
    if is_allowed and model.code_fault is not None:
        yield of_error(model.code_fault)
    elif is_needed and not model.folder:
        yield preflight_notice("code_later", {"model": subject.name})
    elif is_needed and not is_allowed:
        fix = Fix({"trust_remote_code": True}) if model.code and not model.code_fault else None
        yield PreflightFinding("remote_code_needed", {"model": subject.name}, "stops", fix)
    elif model.code is not None and model.code.files:
        names = [file.name for file in model.code.files]
        listed = ", ".join(names[:_NUM_SHOWN]) + (" …" if len(names) > _NUM_SHOWN else "")
        values = {"model": subject.name, "files": listed, "hash": model.code.digest[:SHORT]}
        key = "preflight_code_trusted" if is_allowed and model.code.runs else "preflight_code_present"
        yield PreflightFinding(key, values, "tells", table="notice")


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


def settings(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Report a setting that is wrong by itself.

    The fix for an invalid data type is "auto", for anything else vLLM's default.
    """
    fault = subject.settings_fault
    if fault is None:
        return
    fix = Fix({"dtype": "auto"}) if fault.key == "vllm_dtype_quantized" else None
    if fault.key in _BY_ITSELF:
        fix = Fix(remove=(str(fault.values["key"]),))
    yield of_error(fault, fix=fix)


def port(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Report a port that can't be used."""
    if subject.port_fault is not None:
        yield of_error(subject.port_fault)


def folder(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Report a name that leads nowhere, with the model meant by it, or a folder that no engine can load."""
    model, match = subject.model, subject.model.match
    if model.folder and model.fault is None:
        return
    meant = match.entry.id if match is not None and match.why != "exact" else ""
    fix = Fix(model=meant) if meant else None
    if match is not None and match.why in ("ollama", "ollama_folder"):
        yield PreflightFinding("model_named_by_ollama", {"model": match.asked, "id": meant}, "stops", fix)
    elif model.fault is not None:
        yield of_error(model.fault, fix=fix)
    elif not model.may_be_fetched:
        yield PreflightFinding("model_offline", {"model": model.name}, "stops")
    elif match is not None and match.asked in match.entry.names and "/" in match.asked:
        fix = Fix(model=meant, engine="transformers" if match.entry.engine == "transformers" else "")
        yield PreflightFinding("checkpoint_original", {"model": match.asked, "id": meant}, "stops", fix)
    elif meant:
        yield preflight_notice("means", {"asked": model.name, "id": meant}, fix=fix)


def absent(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Report a model that must be downloaded, and a disk that is too small for it; not if another model is meant."""
    model, machine = subject.model, subject.machine
    if model.folder or (model.match is not None and model.match.why != "exact"):
        return
    yield PreflightFinding("doctor_model_absent", {"model": model.name}, "tells", table="notice")
    free = machine.disk_free_bytes
    if free is not None and model.absent_bytes > free:
        values = {"needed": gib_text(model.absent_bytes), "free": gib_text(free), "folder": machine.disk_folder}
        values |= {"model": model.name, "setting": chosen_hub().cache_setting}
        yield PreflightFinding("model_disk_full", values, "hinders")


def templates(subject: PreflightSubject) -> Iterator[PreflightFinding]:
    """Report a missing chat template, without which every question fails, and a missing image preprocessor."""
    model = subject.model
    if not model.folder:
        return
    if not model.has_template and not subject.arguments.get("chat_template"):
        yield preflight_notice("no_chat_template", {"model": model.name})
    sees = subject.shape is not None and subject.shape.vision is not None
    if sees and not {"preprocessor_config.json", "processor_config.json"} & model.files:
        yield preflight_notice("no_processor", {"model": model.name})
