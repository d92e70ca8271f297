"""What was named and what is in its folder: the path, the files, the chat template, what has to be fetched."""

from __future__ import annotations

from collections.abc import Iterator

from app.models.preflight.context import Subject
from app.models.preflight.finding import Finding, Mend, gib, of_error, told

_BY_ITSELF = ("vllm_argument_unknown", "vllm_argument_type", "vllm_argument_choice", "vllm_argument_range")


def settings(subject: Subject) -> Iterator[Finding]:
    """What is wrong with a setting by itself. A data type that is none becomes "auto", anything else vLLM's default."""
    fault = subject.settings_fault
    if fault is None:
        return
    mend = Mend({"dtype": "auto"}) if fault.key == "vllm_dtype_quantized" else None
    if fault.key in _BY_ITSELF:
        mend = Mend(remove=(str(fault.values["key"]),))
    yield of_error(fault, mend=mend)


def port(subject: Subject) -> Iterator[Finding]:
    if subject.port_fault is not None:
        yield of_error(subject.port_fault)


def folder(subject: Subject) -> Iterator[Finding]:
    """A name that leads nowhere, with the model that was meant by it; a folder that no engine could load."""
    model, match = subject.model, subject.model.match
    if model.folder and model.fault is None:
        return
    meant = match.entry.id if match is not None and match.why != "exact" else ""
    mend = Mend(model=meant) if meant else None
    if match is not None and match.why in ("ollama", "ollama_folder"):
        yield Finding("model_named_by_ollama", {"model": match.asked, "id": meant}, "stops", mend)
    elif model.fault is not None:
        yield of_error(model.fault, mend=mend)
    elif not model.may_be_fetched:
        yield Finding("model_offline", {"model": model.name}, "stops")
    elif match is not None and match.asked in match.entry.names and "/" in match.asked:
        mend = Mend(model=meant, engine="transformers" if match.entry.engine == "transformers" else "")
        yield Finding("checkpoint_original", {"model": match.asked, "id": meant}, "stops", mend)
    elif meant:
        yield told("means", {"asked": model.name, "id": meant}, mend=mend)


def absent(subject: Subject) -> Iterator[Finding]:
    """A model that has to be downloaded, and whether the disk has room for it; not where another one is meant."""
    model, machine = subject.model, subject.machine
    if model.folder or (model.match is not None and model.match.why != "exact"):
        return
    yield Finding("doctor_model_absent", {"model": model.name}, "tells", table="notice")
    free = machine.disk_free_bytes
    if free is not None and model.absent_bytes > free:
        values = {"needed": gib(model.absent_bytes), "free": gib(free), "folder": machine.disk_folder}
        yield Finding("model_disk_full", {"model": model.name, **values}, "hinders")


def templates(subject: Subject) -> Iterator[Finding]:
    """Without a chat template every question is refused; without a preprocessor no picture is read."""
    model = subject.model
    if not model.folder:
        return
    if not model.has_template and not subject.arguments.get("chat_template"):
        yield told("no_chat_template", {"model": model.name})
    sees = subject.shape is not None and subject.shape.vision is not None
    if sees and not {"preprocessor_config.json", "processor_config.json"} & model.files:
        yield told("no_processor", {"model": model.name})
