"""Output of `framelens models`: tables for people, documents for programs."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from framelens.plugin import language, t
from framelens.plugin.command_line import wide_console
from framelens.plugin.models import (
    NUMBER_FORMATS,
    CatalogueEntry,
    GpuCard,
    Match,
    MemoryEstimate,
    NumberFormat,
    Proposal,
    Shape,
)
from framelens.plugin.texts import gib_text, labelled
from framelens.plugins.models.formatting import format_cells, parameters_text, requests_text, term_rows, why_not

_MOST_ROWS = 12
_LARGE_FRAME = (1280, 720)


# ---- the catalogue ---------------------------------------------------------------------------------------------------


def print_catalogue(
    entries: Iterable[CatalogueEntry],
    fitting: Mapping[str, Proposal],
    machine: str,
    card: GpuCard | None,
) -> None:
    """Print all models, those that fit first."""
    right = ("parameters", "context", "weights")
    names = ("model", "parameters", "sees", "context", "weights", "format", "here", "licence")
    table = _table(names, right)
    for entry in entries:
        shape = entry.shape
        weights = MemoryEstimate.weights_bytes(shape)
        table.add_row(
            entry.id,
            parameters_text(shape),
            t("models.sees" if entry.sees else "models.blind"),
            f"{shape.text.max_positions:,}",
            gib_text(weights),
            t(f"models.format.{NumberFormat.of(shape).key}.name"),
            t("models.fits") if entry.id in fitting else why_not(entry, card),
            entry.licence_text(),
        )
    console = wide_console()
    console.print(t("models.best_first", machine=machine))
    console.print(table)


def entry_document(entry: CatalogueEntry, proposal: Proposal | None) -> dict[str, Any]:
    """Convert a model to JSON; `here` is null if it doesn't fit."""
    shape = entry.shape
    return {
        "id": entry.id,
        "family": entry.family,
        "parameters": shape.parameters,
        "active_parameters": shape.active_parameters,
        "sees": entry.sees,
        "context": shape.text.max_positions,
        "weights_bytes": MemoryEstimate.weights_bytes(shape),
        "format": NumberFormat.of(shape).key,
        "licence": entry.licence,
        "released": entry.released,
        "engine": entry.engine,
        "about": dict(entry.about),
        "ollama": list(entry.ollama),
        "here": proposal_document(proposal) if proposal else None,
    }


# ---- one model -------------------------------------------------------------------------------------------------------


def print_sum(entry: CatalogueEntry | None, name: str, shape: Shape, sum_: MemoryEstimate) -> None:
    """Print the memory estimate of a model, term by term."""
    console, plan = wide_console(), sum_.plan
    console.print(entry.id if entry else name)
    is_seeing = t("models.sees" if shape.vision else "models.blind")
    sees = labelled(t("models.column_sees"), is_seeing)
    facts = [
        parameters_text(shape, named=True),
        sees,
        t(f"models.format.{NumberFormat.of(shape).key}.name"),
    ]
    facts += [labelled(t("models.column_context"), f"{shape.text.max_positions:,}")]
    facts += [entry.licence_text(), entry.released] if entry else []
    console.print(" · ".join(facts))
    if entry:
        console.print(entry.about[language()])
    if entry and entry.engine == "transformers":
        console.print(t("models.with_transformers"))
    if entry and entry.needs_code:
        console.print(t("models.with_code"))
    console.print()
    key = "models.served_cpu" if plan.device == "cpu" else "models.served"
    sizes = {"cards": plan.cards, "tensor": plan.tensor_parallel, "pipeline": plan.pipeline_parallel}
    console.print(t(key, length=f"{plan.max_model_len:,}", seqs=plan.max_num_seqs, **sizes))
    console.print(_sum_table(sum_))
    console.print(t("models.per_token", kib=f"{sum_.cache_bytes_per_token / 1024:.4g}"))
    if shape.vision:
        least, most = shape.vision.image_tokens(), shape.vision.image_tokens(*_LARGE_FRAME)
        console.print(t("models.picture", least=f"{least:,}", most=f"{most:,}"))
    console.print(t("models.estimate"))


def _sum_table(sum_: MemoryEstimate) -> Table:
    names, rows = term_rows(sum_)
    table = _table(names, ("card", "total"))
    for row in rows[:-1]:
        table.add_row(*row)
    table.add_row(*rows[-1], style="bold")
    return table


def sum_document(match: Match | None, shape: Shape, sum_: MemoryEstimate) -> dict[str, Any]:
    """Convert a model's memory estimate to JSON; `model` is null for a folder that isn't in the catalogue."""
    model = match and {
        "asked": match.asked,
        "id": match.entry.id,
        "why": match.why,
        "reason": dict(match.reason) if match.reason else None,
        "others": [entry.id for entry in match.others],
    }
    return {
        "model": model,
        "parameters": shape.parameters,
        "terms": [
            {"key": term.key, "card_bytes": term.card_bytes, "total_bytes": term.total_bytes, "from": dict(term.values)}
            for term in sum_.terms
        ],
        "card_bytes": sum_.card_bytes,
        "total_bytes": sum_.total_bytes,
        "cache_bytes_per_token": sum_.cache_bytes_per_token,
        "max_model_len": sum_.plan.max_model_len,
    }


# ---- what fits -------------------------------------------------------------------------------------------------------


def print_proposals(proposals: tuple[Proposal, ...], machine: str) -> None:
    """Print the models that fit, best first, and the best model's settings to copy."""
    console = wide_console()
    if not proposals:
        console.print(t("models.nothing"))
        return
    names = ("model", "format", "needs", "length", "requests", "frames", "licence", "about")
    table = _table(names, ("needs", "length", "requests", "frames"))
    for proposal in proposals[:_MOST_ROWS]:
        table.add_row(
            proposal.entry.id,
            t(f"models.format.{proposal.format.key}.name"),
            gib_text(proposal.sum.card_bytes, digits=2),
            f"{proposal.plan.max_model_len:,}",
            requests_text(proposal.concurrency),
            str(proposal.frames or "–"),
            proposal.entry.licence_text(),
            proposal.entry.about[language()],
        )
    console.print(t("models.best_for", machine=machine))
    console.print(table)
    console.print()
    console.print(t("models.copy", model=proposals[0].entry.id))
    print("\n".join(_settings(proposals[0])))


def proposal_document(proposal: Proposal) -> dict[str, Any]:
    """Convert a model with fitting settings to JSON."""
    return {
        "id": proposal.entry.id,
        "format": proposal.format.key,
        "card_bytes": proposal.sum.card_bytes,
        "budget_bytes": proposal.budget_bytes,
        "max_model_len": proposal.plan.max_model_len,
        "concurrency": round(proposal.concurrency, 2),
        "frames": proposal.frames,
        "vllm_config": dict(proposal.config),
        "environment": dict(proposal.environment),
    }


def _settings(proposal: Proposal) -> list[str]:
    lines = [f"VLLM_MODEL_PATH={proposal.entry.id}"]
    lines += [f"VLLM_CONFIG='{json.dumps(dict(proposal.config))}'"] if proposal.config else []
    return lines + [f"{name}={value}" for name, value in proposal.environment.items()]


# ---- formats ---------------------------------------------------------------------------------------------------------


def print_formats() -> None:
    """Print the number formats."""
    names = ("format", "bits", "seven", "capability", "full", "cpu", "how", "about")
    table = _table(names, ("bits", "seven", "capability", "full"))
    for number_format in NUMBER_FORMATS:
        table.add_row(*format_cells(number_format))
    console = wide_console()
    console.print(table)
    console.print(t("models.quality"))


def format_documents() -> list[dict[str, Any]]:
    """Convert the number formats to JSON."""
    return [
        {
            "key": number_format.key,
            "name": t(f"models.format.{number_format.key}.name"),
            "bits": number_format.bits,
            "least_capability": number_format.least_capability,
            "full_capability": number_format.full_capability,
            "cpu": number_format.cpu,
            "vllm_config": dict(number_format.arguments) if number_format.arguments else None,
            "about": t(f"models.format.{number_format.key}.about"),
        }
        for number_format in NUMBER_FORMATS
    ]


# ---- common ----------------------------------------------------------------------------------------------------------


def _table(names: tuple[str, ...], right: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        justify, fixed = ("right", True) if name in right else ("left", name == "model")
        table.add_column(t(f"models.column_{name}"), justify=justify, no_wrap=fixed)  # type: ignore[arg-type]
    return table
