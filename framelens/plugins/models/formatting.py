"""Text about models shared by the command line and the web page: size, meaning of a name, why it doesn't run."""

from framelens.core.units import gib_number
from framelens.i18n import language, sentences, t
from framelens.models.architecture import Shape
from framelens.models.catalogue import Match
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.formats import format_of
from framelens.models.placement import GpuCard, MemoryNeed, least_bytes
from framelens.models.serving_plan import Device
from framelens.services.readiness import need_text


def match_text(match: Match) -> str:
    """Return how a name was understood, and what else it may mean."""
    lines = [t(f"models.why.{match.why}", asked=match.asked, id=match.entry.id)]
    if match.reason:
        lines.append(match.reason[language()])
    if match.others:
        lines.append(t("models.why.others", ids=", ".join(entry.id for entry in match.others)))
    return sentences(lines)


def why_nothing_fits(entry: CatalogueEntry, card: GpuCard | None, need: MemoryNeed) -> str:
    """Return why no settings make a model run on `card` (None: a CPU)."""
    if need.can_fit:
        return f"{why_not(entry, card)}."
    return need_text(need)


def why_not(entry: CatalogueEntry, card: GpuCard | None) -> str:
    """Return what a model needs that doesn't run on `card` (None: a CPU)."""
    least = format_of(entry.shape).least_capability
    if card is not None and entry.shape.quantisation is not None and least is not None and card.runs < least:
        return t("models.needs_card", capability=least)
    device: Device = "gpu" if card else "cpu"
    return t("models.needs", gib=gib_number(least_bytes(entry.shape, device)))


def parameters_text(shape: Shape, *, named: bool = False) -> str:
    """Format the number of parameters, and with experts the number that a token uses.

    Args:
        shape: The model.
        named: Say what the number counts where no heading does; only Chinese needs it beside "3.75B".
    """
    values = {"billions": shape.parameters / 1e9, "active": shape.active_parameters / 1e9}
    return t(f"models.parameters{'_named' if named else ''}{'_active' if shape.text.experts else ''}", **values)
