"""Text about models shared by the command line and the web page: size, meaning of a name, why it doesn't run."""

from __future__ import annotations

from app.core import Language, gib_number
from app.i18n import t
from app.models.architecture import Shape
from app.models.catalogue import Match
from app.models.catalogue_parser import CatalogueEntry
from app.models.formats import format_of
from app.models.memory import estimate_memory
from app.models.placement import GpuCard, MemoryNeed, least_bytes
from app.models.serving_plan import Device, Plan


def match_text(match: Match, language: Language) -> str:
    """Return how a name was understood, and what else it may mean."""
    lines = [t(f"models.why.{match.why}", language, asked=match.asked, id=match.entry.id)]
    if match.reason:
        lines.append(match.reason[language])
    if match.others:
        lines.append(t("models.why.others", language, ids=", ".join(entry.id for entry in match.others)))
    return " ".join(lines) if language == "en" else "".join(lines)


def need_text(need: MemoryNeed, language: Language) -> str:
    """Return one or two sentences about what a model needs of this memory, and whether it fits."""
    values = {
        "needed": gib_number(need.needed_bytes),
        "least": gib_number(need.least_bytes),
        "there": gib_number(need.there_bytes),
        "usable": gib_number(need.usable_bytes),
        "share": round(100 * need.usable),
    }
    if need.fits:
        return t("models.need_fits", language, **values)
    return t("models.need_settings" if need.can_fit else "models.need_not", language, **values)


def why_nothing_fits(entry: CatalogueEntry, card: GpuCard | None, need: MemoryNeed, language: Language) -> str:
    """Return why no settings make a model run on `card` (None: a CPU)."""
    if need.can_fit:
        return f"{why_not(entry, card, language)}."
    return need_text(need, language)


def why_not(entry: CatalogueEntry, card: GpuCard | None, language: Language) -> str:
    """Return what a model needs that doesn't run on `card` (None: a CPU)."""
    least = format_of(entry.shape).least_capability
    if card is not None and entry.shape.quantisation is not None and least is not None and card.runs < least:
        return t("models.needs_card", language, capability=least)
    device: Device = "gpu" if card else "cpu"
    return t("models.needs", language, gib=gib_number(least_bytes(entry.shape, device)))


def weights_bytes(shape: Shape) -> int:
    """Return the bytes of the weights in the checkpoint's own format."""
    return estimate_memory(shape, Plan()).bytes_of("text_weights", "vision_weights")


def parameters_text(shape: Shape, language: Language) -> str:
    """Format the number of parameters, and with experts the number that a token uses."""
    total = f"{shape.parameters / 1e9:.3g} B"
    if not shape.text.experts:
        return total
    return t("models.active", language, total=total, active=f"{shape.active_parameters / 1e9:.2g} B")
