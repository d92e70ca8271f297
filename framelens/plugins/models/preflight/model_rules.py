"""Rules about the model: its name and folder, its architecture in the installed engine, and code that it brings.

vLLM reads config.json through transformers, which must know its `model_type` (or vLLM itself does, or the model brings
the code), and then looks for the architecture in its own registry. Others may run through transformers' class, if that
supports it, which only vLLM can decide. The second engine has transformers' classes only. DeepSeek-VL as its makers
published it runs in neither: its weights were converted for transformers, and uploaded again.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from framelens.core.engines.model_hub import chosen_hub
from framelens.core.failures.check_findings import CheckFinding, Fix
from framelens.core.units import gib_text
from framelens.plugins.models.preflight.subject import Check, PreflightSubject, Rule, Values, another_model

# Any of these is equivalent to the others: vLLM finds a pooling model by its generating architecture.
_ENDINGS = (
    *("ForCausalLM", "ForConditionalGeneration", "ChatModel", "LMHeadModel", "ForTextEncoding", "EmbeddingModel"),
    *("ForSequenceClassification", "ForTokenClassification", "ForRewardModeling", "RewardModel", "Model"),
)
# From transformers' own documentation of the two classes.
_CONVERTED = {"plain": "deepseek-community/deepseek-vl-1.3b-chat", "hybrid": "deepseek-community/deepseek-vl-7b-chat"}
_BY_ITSELF = tuple(f"vllm_argument_{one}" for one in ("misspelt", "unknown", "type", "choice", "range"))


# ---- settings, name and folder ---------------------------------------------------------------------------------------


def _wrong_setting(subject: PreflightSubject) -> Iterator[CheckFinding]:
    """Find a setting that is wrong by itself; the fix is "auto" for a data type, for anything else vLLM's default."""
    if fault := subject.settings_fault:
        fix = Fix({"dtype": "auto"}) if fault.key == "vllm_dtype_quantized" else None
        yield CheckFinding.of(fault, fix=Fix(remove=(str(fault.values["key"]),)) if fault.key in _BY_ITSELF else fix)


def _taken_port(subject: PreflightSubject) -> Iterator[CheckFinding]:
    if subject.machine.port_error:
        yield CheckFinding.of(subject.machine.port_error)


def _nowhere(subject: PreflightSubject) -> Iterator[CheckFinding]:
    """Find a name that leads nowhere, with the model meant by it, or a folder that no engine can load."""
    model, match = subject.model, subject.model.match
    if model.folder and model.error is None:
        return
    meant = match.entry.id if match is not None and match.why != "exact" else ""
    fix = Fix(model=meant) if meant else None
    if model.error is not None:
        yield CheckFinding.of(model.error, fix=fix)
    elif not model.may_be_fetched:
        yield CheckFinding("model_offline", {"model": model.name})
    elif match is not None and match.asked in match.entry.names and "/" in match.asked:
        fix = Fix(model=meant, engine="transformers" if match.entry.engine == "transformers" else "")
        yield CheckFinding("checkpoint_original", {"model": match.asked, "id": meant}, fix=fix)
    elif meant:
        yield CheckFinding("preflight_means", {"asked": model.name, "id": meant}, "hinders", fix, "notice")


def _converted(subject: PreflightSubject) -> Values | None:
    """Name the conversion of a DeepSeek-VL in its own format; Janus has the same type, but also makes pictures."""
    config = subject.config or {}
    if subject.type != "multi_modality" or "gen_vision_config" in config:
        return None
    seeing = config.get("vision_config")
    is_hybrid = isinstance(seeing, Mapping) and seeing.get("cls") == "HybridVisionTower"
    return {"id": _CONVERTED["hybrid" if is_hybrid else "plain"]}


def _is_absent(subject: PreflightSubject) -> bool:
    """Return whether the model must be downloaded; not if its name means another model."""
    match = subject.model.match
    return not subject.model.folder and (match is None or match.why == "exact")


def _full_disk(subject: PreflightSubject) -> Values | None:
    disk, needed = subject.machine.cache, subject.model.absent_bytes
    if not _is_absent(subject) or disk.free_bytes is None or needed <= disk.free_bytes:
        return None
    values = {"needed": gib_text(needed), "free": gib_text(disk.free_bytes), "folder": disk.folder}
    return {**values, "setting": chosen_hub().cache_setting}


def _lacks_template(subject: PreflightSubject) -> bool:
    model = subject.model
    return bool(model.folder) and not model.has_template and not subject.arguments.get("chat_template")


def _lacks_processor(subject: PreflightSubject) -> bool:
    sees = subject.shape is not None and subject.shape.vision is not None
    settings = {"preprocessor_config.json", "processor_config.json"}
    return bool(subject.model.folder) and sees and not settings & subject.model.files


# ---- architecture and code -------------------------------------------------------------------------------------------


def _needs_code(subject: PreflightSubject) -> bool:
    """Return whether the model runs only with code that comes with it, which the settings don't allow."""
    is_needed = not _knows_type(subject) and _brings(subject, "AutoConfig")
    return is_needed and not subject.arguments.get("trust_remote_code")


def _is_unknown(subject: PreflightSubject) -> Values | None:
    """Name a type that vLLM can't read, or an architecture that neither it nor transformers has."""
    if not _knows_type(subject):
        return None if _brings(subject, "AutoConfig") else {"architecture": subject.type}
    return (
        {"architecture": ", ".join(subject.architectures)} if _lacks_class(subject) and not _may_run(subject) else None
    )


def _through_transformers(subject: PreflightSubject) -> Values | None:
    runs = _knows_type(subject) and _lacks_class(subject) and _may_run(subject)
    return {"architecture": ", ".join(subject.architectures)} if runs else None


def _transformers_instead(subject: PreflightSubject, values: Values) -> Fix | None:
    has_class = _knows_type(subject) and subject.program.in_transformers
    return Fix(engine="transformers") if has_class else another_model(subject, values)


def _lacks_class(subject: PreflightSubject) -> bool:
    names, known = subject.architectures, subject.program.architectures
    return bool(names and _asked_vllm(subject)) and not any(_has(known, name) for name in names)


def _may_run(subject: PreflightSubject) -> bool:
    """Return whether vLLM may run transformers' class, or the model's own."""
    program, sees = subject.program, "vision_config" in (subject.config or {})
    if program.in_transformers:
        return program.through_transformers or not sees
    return _brings(subject, "Auto")


def _unread(subject: PreflightSubject) -> Values | None:
    """Name a type that the second engine can't read; it is started without permission to run a model's own code."""
    known = subject.program.model_types
    return {"architecture": subject.type} if known and subject.type and subject.type not in known else None


def _vllm_instead(subject: PreflightSubject, values: Values) -> Fix | None:
    has_class = any(_has(subject.program.architectures, name) for name in subject.architectures)
    return Fix(engine="vllm") if has_class else another_model(subject, values)


def _is_silent(subject: PreflightSubject) -> Values | None:
    program = subject.program
    return {"engine": program.kind, "reason": program.silence} if program.silence else None


def _asked_vllm(subject: PreflightSubject) -> bool:
    program = subject.program
    return program.kind == "vllm" and bool(program.architectures and program.model_types)


def _knows_type(subject: PreflightSubject) -> bool:
    """Return whether vLLM knows the type; a config.json without a type is left to vLLM."""
    return not _asked_vllm(subject) or not subject.type or subject.type in subject.program.model_types


def _brings(subject: PreflightSubject, what: str) -> bool:
    """Return whether the model brings code for a class, by its config.json or, before it is here, the catalogue."""
    match = subject.model.match
    if match is not None and match.why == "exact" and match.entry.needs_code:
        return True
    brought: Any = (subject.config or {}).get("auto_map")
    return isinstance(brought, Mapping) and any(str(name).startswith(what) for name in brought)


def _has(architectures: frozenset[str], name: str) -> bool:
    stems = {name.removesuffix(ending) for ending in _ENDINGS if name.endswith(ending)}
    return name in architectures or any(stem + ending in architectures for stem in stems for ending in _ENDINGS)


# ---- the table -------------------------------------------------------------------------------------------------------

BASIC: tuple[Check, ...] = (
    _wrong_setting,
    _taken_port,
    _nowhere,
    Rule(
        "checkpoint_original", _converted, lambda _, values: Fix(model=values["id"], engine="transformers"), engine=""
    ),
)
"""Where one of these checks stops a start, the other rules aren't checked."""
RULES: tuple[Check, ...] = (
    Rule("preflight_engine_silent", _is_silent, severity="hinders", engine=""),
    Rule("preflight_no_chat_template", _lacks_template, severity="hinders", engine=""),
    Rule("preflight_no_processor", _lacks_processor, severity="hinders", engine=""),
    Rule("doctor_model_absent", _is_absent, severity="tells", engine=""),
    Rule("model_disk_full", _full_disk, severity="hinders", engine=""),
    Rule("remote_code_needed", _needs_code),
    Rule("architecture_unsupported", _is_unknown, _transformers_instead),
    Rule("preflight_through_transformers", _through_transformers, Fix(engine="transformers"), "hinders"),
    Rule("transformers_lacks_type", _unread, _vllm_instead, engine="transformers"),
)
