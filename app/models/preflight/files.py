"""Checks of the named model and its folder: path, files, chat template, and the pending download."""

from __future__ import annotations

from collections.abc import Iterator

from app.models.preflight.context import PreflightSubject
from app.models.preflight.finding import Fix, PreflightFinding, gib, of_error, preflight_notice

_BY_ITSELF = ("vllm_argument_unknown", "vllm_argument_type", "vllm_argument_choice", "vllm_argument_range")


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
        values = {"needed": gib(model.absent_bytes), "free": gib(free), "folder": machine.disk_folder}
        yield PreflightFinding("model_disk_full", {"model": model.name, **values}, "hinders")


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
