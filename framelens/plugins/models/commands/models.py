"""Command `framelens models`: lists the catalogue, estimates memory, proposes models that fit, and explains formats.

It downloads nothing; only `sight` starts an engine. Tables go to standard output; the meaning of a name, and
errors in the user's own files, to standard error.
"""

import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from framelens import ConfigError, EngineError, error_text
from framelens.plugin import Settings, load, t
from framelens.plugin.command_line import (
    Options,
    argument,
    export_environment,
    flag,
    group,
    json_option,
    option,
    print_json,
    use_language,
    whole_number,
)
from framelens.plugin.engines import effective_arguments, engine_arguments
from framelens.plugin.files import typed_path
from framelens.plugin.machine import HardwareProfile, memory_bytes
from framelens.plugin.models import Catalogue, CatalogueEntry, GpuCard, MemoryEstimate, MemoryNeed, Plan
from framelens.plugin.texts import GIB
from framelens.plugins.models.commands import checks, tables
from framelens.plugins.models.formatting import why_nothing_fits

_MOST_REQUESTS, _MOST_CARDS = 100_000, 1_000
"""Limits of --requests and --cards."""


@group("models", help="cli.models_command")
@flag("--formats", help="cli.models_formats")
@option("--fit", metavar="GB|CARD|cpu", help="cli.models_fit")
@option("--cards", type=whole_number(1, _MOST_CARDS), default=1, metavar="N", help="cli.models_cards")
@option("--model", metavar="MODEL", help="cli.models_model")
@json_option
def run(options: Options) -> int:
    """List the catalogue, the models that fit a machine, or the formats, and return the exit code.

    Raises:
        AppError: A name, a setting or a file is wrong, or nothing fits.
    """
    if options.fit is None and (options.model or options.cards != 1):
        raise ConfigError("models_without_fit")
    return _in_catalogue(_formats if options.formats else _fit if options.fit is not None else _catalogue, options)


def _in_catalogue(ask: Callable[[Options, Catalogue, Settings], Any], options: Options) -> int:
    """Answer a question about the catalogue, and print the document of `--json`."""
    settings = load()
    use_language(options, settings)
    export_environment(settings)
    catalogue = Catalogue.load(settings.data_dir / "models")
    for problem in catalogue.problems:
        print(error_text(problem), file=sys.stderr)
    document = ask(options, catalogue, settings)
    if document is not None:
        print_json(document)
    return 0


# ---- the catalogue ---------------------------------------------------------------------------------------------------


def _catalogue(options: Options, catalogue: Catalogue, settings: Settings) -> Any:
    entries = tuple(catalogue.by_id.values())
    hardware = HardwareProfile.here()
    fitting = {proposal.entry.id: proposal for proposal in hardware.proposals(entries)}
    ordered = [*(catalogue.by_id[id_] for id_ in fitting), *(entry for entry in entries if entry.id not in fitting)]
    if options.json:
        return [tables.entry_document(entry, fitting.get(entry.id)) for entry in ordered]
    tables.print_catalogue(ordered, fitting, hardware.description(), hardware.card)
    return None


# ---- what one model needs --------------------------------------------------------------------------------------------


@run.command("show", help="cli.models_show")
@argument("model", metavar="MODEL", help="cli.models_name")
@option("--config", metavar="JSON", help="cli.models_config")
@option("--requests", type=whole_number(1, _MOST_REQUESTS), default=1, metavar="N", help="cli.models_requests")
@flag("--cpu", help="cli.models_cpu")
@json_option
def _show_named(options: Options) -> int:
    return _in_catalogue(_show, options)


def _show(options: Options, catalogue: Catalogue, settings: Settings) -> Any:
    arguments = {**settings.vllm_config, **engine_arguments(options.config or "")}
    entry, match = catalogue.find_entry(options.model)
    shape = entry.shape
    plan = Plan.parse(arguments, device="cpu" if options.cpu else "gpu", sequences=options.requests)
    sum_ = MemoryEstimate.of(shape, plan)
    hardware, named = HardwareProfile.here(), match.entry.id if match else options.model
    effective = effective_arguments(replace(settings, model_path=named, vllm_config=arguments))
    need = hardware.need(shape, effective)
    if options.json:
        return {**tables.sum_document(match, shape, sum_), "here": _need_document(need)}
    if match is not None and match.text:
        print(match.text, file=sys.stderr)
    tables.print_sum(match.entry if match else None, options.model, shape, sum_)
    print(t("models.on_this_machine", machine=hardware.description(), need=need.description()))
    return None


def _need_document(need: MemoryNeed) -> dict[str, Any]:
    """Convert what this machine has for the model to JSON, in bytes."""
    return {**asdict(need), "usable_bytes": need.usable_bytes, "fits": need.fits}


def _find_entry(name: str, catalogue: Catalogue) -> CatalogueEntry:
    """Return the entry of a folder's own config.json, or the catalogue's, and print how a name was understood."""
    entry, match = catalogue.find_entry(name)
    if match is not None and match.entry is entry and match.text:
        print(match.text, file=sys.stderr)
    return entry


def _with_path(entry: CatalogueEntry, name: str) -> CatalogueEntry:
    """Return an entry whose id can be copied into settings: of a folder its path."""
    if entry.family:
        return entry
    folder = Path(typed_path(name)).absolute()
    return replace(entry, id=str(folder.parent if folder.name == "config.json" else folder))


# ---- what fits -------------------------------------------------------------------------------------------------------


def _fit(options: Options, catalogue: Catalogue, settings: Settings) -> Any:
    entries = tuple(catalogue.by_id.values())
    if options.model:
        entries = (_with_path(_find_entry(options.model, catalogue), options.model),)
    hardware = _parse_hardware(options.fit, options.cards)
    proposals = hardware.proposals(entries)
    if options.model and not proposals:
        raise _nothing_fits(entries[0], hardware)
    if options.json:
        return [tables.proposal_document(proposal) for proposal in proposals]
    tables.print_proposals(proposals, hardware.description())
    return None


def _nothing_fits(entry: CatalogueEntry, hardware: HardwareProfile) -> EngineError:
    why = why_nothing_fits(entry, hardware.card, hardware.need(entry.shape, {}))
    return EngineError("nothing_fits", model=entry.id, machine=hardware.description(), why=why)


def _formats(options: Options, *_: object) -> Any:
    if options.json:
        return tables.format_documents()
    tables.print_formats()
    return None


# ---- places ----------------------------------------------------------------------------------------------------------


def _parse_hardware(text: str, cards: int) -> HardwareProfile:
    """Parse "24", "24GB", "RTX 4090", "cpu" or "cpu:32"; a CPU is this machine's. Raises ConfigError."""
    plain = text.strip().lower()
    where, _, amount = plain.partition(":")
    if where != "cpu":
        return HardwareProfile(text, GpuCard.parse(text), cards)
    number = GpuCard.parse_gigabytes(amount) if amount else memory_bytes() / GIB
    if number is None:
        raise ConfigError("card_unknown", given=text)
    return replace(HardwareProfile.of((), "cpu", number), key=text)


for _command in (checks.check, checks.sight):
    run.add_command(_command)
