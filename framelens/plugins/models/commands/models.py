"""Command `framelens models`: lists the catalogue, estimates memory, proposes models that fit, and explains formats.

It downloads nothing; only `sight` starts an engine. Tables go to standard output; the meaning of a name, and
errors in the user's own files, to standard error.
"""

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from framelens import config
from framelens.cli.common import add_output_options, print_json, use_language, whole_number
from framelens.config import export_environment
from framelens.core.errors import ConfigError, EngineError
from framelens.core.files import typed_path
from framelens.core.units import GIB
from framelens.engine.hardware import memory_bytes
from framelens.i18n import error_text, t
from framelens.models.catalogue import Catalogue, find_entry, load_catalogue
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.memory import estimate_memory
from framelens.models.placement import MemoryNeed
from framelens.models.serving_plan import parse_plan
from framelens.plugins.models.commands import checks, tables
from framelens.plugins.models.formatting import why_nothing_fits
from framelens.services.engines.hardware_profile import (
    HardwareProfile,
    build_profile,
    here,
    parse_card,
    parse_gigabytes,
)
from framelens.services.engines.model_arguments import effective_arguments
from framelens.services.engines.model_names import match_text, meant_text
from framelens.services.readiness import need_text

_MOST_REQUESTS, _MOST_CARDS = 100_000, 1_000
"""Limits of --requests and --cards."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, which lists the catalogue by default, and its subcommands."""
    parser.set_defaults(ask=_catalogue)
    add_output_options(parser, None)
    asks = parser.add_subparsers(dest="question", metavar=t("cli.command"))

    show = asks.add_parser("show", help=t("cli.models_show"))
    show.set_defaults(ask=_show)
    show.add_argument("model", metavar="MODEL", help=t("cli.models_name"))
    show.add_argument("--config", metavar="JSON", help=t("cli.models_config"))
    show.add_argument(
        "--requests", type=whole_number(1, _MOST_REQUESTS), default=1, metavar="N", help=t("cli.models_requests")
    )
    show.add_argument("--cpu", action="store_true", help=t("cli.models_cpu"))

    fit = asks.add_parser("fit", help=t("cli.models_fit"))
    fit.set_defaults(ask=_fit)
    fit.add_argument("where", metavar="GB|CARD|cpu", help=t("cli.models_where"))
    fit.add_argument("--cards", type=whole_number(1, _MOST_CARDS), default=1, metavar="N", help=t("cli.models_cards"))
    fit.add_argument("--model", help=t("cli.models_model"))

    formats = asks.add_parser("formats", help=t("cli.models_formats"))
    formats.set_defaults(ask=_formats)
    others = (checks.add_preflight_parser(asks), checks.add_vision_parser(asks))
    for one in (show, fit, formats, *others):
        add_output_options(one, argparse.SUPPRESS)


def run(given: argparse.Namespace) -> int:
    """Run the chosen subcommand and return the exit code.

    Raises:
        AppError: A name, a setting or a file is wrong, or nothing fits.
    """
    settings = config.load()
    use_language(given, settings)
    export_environment(settings)
    catalogue = load_catalogue(settings.data_dir / "models")
    for problem in catalogue.problems:
        print(error_text(problem), file=sys.stderr)
    document = given.ask(given, catalogue, settings)
    if document is not None:
        print_json(document)
    return 0


# ---- the catalogue ---------------------------------------------------------------------------------------------------


def _catalogue(given: argparse.Namespace, catalogue: Catalogue, settings: config.Settings) -> Any:
    entries = tuple(catalogue.by_id.values())
    place = here()
    fitting = {proposal.entry.id: proposal for proposal in place.proposals(entries)}
    ordered = [*(catalogue.by_id[id_] for id_ in fitting), *(one for one in entries if one.id not in fitting)]
    if given.json:
        return [tables.entry_document(entry, fitting.get(entry.id)) for entry in ordered]
    tables.print_catalogue(ordered, fitting, place.words(), place.card)
    return None


# ---- what one model needs --------------------------------------------------------------------------------------------


def _show(given: argparse.Namespace, catalogue: Catalogue, settings: config.Settings) -> Any:
    arguments = {**settings.vllm_config, **config.engine_arguments(given.config or "")}
    entry, match = find_entry(given.model, catalogue)
    shape = entry.shape
    plan = parse_plan(arguments, device="cpu" if given.cpu else "gpu", sequences=given.requests)
    sum_ = estimate_memory(shape, plan)
    place, named = here(), match.entry.id if match else given.model
    effective = effective_arguments(replace(settings, model_path=named, vllm_config=arguments))
    need = place.need(shape, effective)
    if given.json:
        return {**tables.sum_document(match, shape, sum_), "here": _need_document(need)}
    if match is not None and match.why != "exact":
        print(match_text(match), file=sys.stderr)
    tables.print_sum(match.entry if match else None, given.model, shape, sum_)
    print(t("models.on_this_machine", machine=place.words(), need=need_text(need)))
    return None


def _need_document(need: MemoryNeed) -> dict[str, Any]:
    """Convert what this machine has for the model to JSON, in bytes."""
    return {**asdict(need), "usable_bytes": need.usable_bytes, "fits": need.fits}


def _find_entry(name: str, catalogue: Catalogue) -> CatalogueEntry:
    """Return the entry of a folder's own config.json, or the catalogue's, and print how a name was understood."""
    entry, match = find_entry(name, catalogue)
    if meant := meant_text(entry, match):
        print(meant, file=sys.stderr)
    return entry


def _placed(entry: CatalogueEntry, name: str) -> CatalogueEntry:
    """Return an entry whose id can be copied into settings: of a folder its path."""
    if entry.family:
        return entry
    folder = Path(typed_path(name)).absolute()
    return replace(entry, id=str(folder.parent if folder.name == "config.json" else folder))


# ---- what fits -------------------------------------------------------------------------------------------------------


def _fit(given: argparse.Namespace, catalogue: Catalogue, settings: config.Settings) -> Any:
    entries = tuple(catalogue.by_id.values())
    if given.model:
        entries = (_placed(_find_entry(given.model, catalogue), given.model),)
    place = _parse_hardware(given.where, given.cards)
    found = place.proposals(entries)
    if given.model and not found:
        raise _nothing_fits(entries[0], place)
    if given.json:
        return [tables.proposal_document(proposal) for proposal in found]
    tables.print_proposals(found, place.words())
    return None


def _nothing_fits(entry: CatalogueEntry, place: HardwareProfile) -> EngineError:
    why = why_nothing_fits(entry, place.card, place.need(entry.shape, {}))
    return EngineError("nothing_fits", model=entry.id, machine=place.words(), why=why)


def _formats(given: argparse.Namespace, *_: object) -> Any:
    if given.json:
        return tables.format_documents()
    tables.print_formats()
    return None


# ---- places ----------------------------------------------------------------------------------------------------------


def _parse_hardware(text: str, cards: int) -> HardwareProfile:
    """Parse "24", "24GB", "RTX 4090", "cpu" or "cpu:32"; a CPU is this machine's. Raises ConfigError."""
    plain = text.strip().lower()
    where, _, amount = plain.partition(":")
    if where != "cpu":
        return HardwareProfile(text, parse_card(text), cards)
    number = parse_gigabytes(amount) if amount else memory_bytes() / GIB
    if number is None:
        raise ConfigError("card_unknown", given=text)
    return replace(build_profile((), "cpu", number), key=text)
