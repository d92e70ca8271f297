"""Text about models shared by the command line and the web page: size, memory, formats, why it doesn't run."""

from framelens.plugin import t
from framelens.plugin.machine import Device
from framelens.plugin.models import CatalogueEntry, GpuCard, MemoryEstimate, MemoryNeed, NumberFormat, Shape
from framelens.plugin.texts import gib_number, gib_text

_SEVEN_BILLION = 7_615_616_512  # parameters of Qwen2.5-7B


def why_nothing_fits(entry: CatalogueEntry, card: GpuCard | None, need: MemoryNeed) -> str:
    """Return why no settings make a model run on `card` (None: a CPU)."""
    if need.can_fit:
        return f"{why_not(entry, card)}."
    return need.description()


def why_not(entry: CatalogueEntry, card: GpuCard | None) -> str:
    """Return what a model needs that doesn't run on `card` (None: a CPU)."""
    least = NumberFormat.of(entry.shape).least_capability
    if card is not None and entry.shape.quantisation is not None and least is not None and card.runs < least:
        return t("models.needs_card", capability=least)
    device: Device = "gpu" if card else "cpu"
    return t("models.needs", gib=gib_number(MemoryNeed.least_of(entry.shape, device)))


def parameters_text(shape: Shape, *, named: bool = False) -> str:
    """Format the number of parameters, and with experts the number that a token uses.

    Args:
        shape: The model.
        named: Say what the number counts where no heading does; only Chinese needs it beside "3.75B".
    """
    values = {"billions": shape.parameters / 1e9, "active": shape.active_parameters / 1e9}
    return t(f"models.parameters{'_named' if named else ''}{'_active' if shape.text.experts else ''}", **values)


def requests_text(number: float) -> str:
    """Format the number of requests that fit in a cache, below ten with a decimal."""
    return f"{number:.1f}" if number < 10 else f"{number:,.0f}"


def term_rows(sum_: MemoryEstimate) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return names of columns and the rows of an estimate: each term with its sizes and its formula, then the sum."""
    several = sum_.plan.cards > 1

    def row(name: str, card: int, total: int, formula: str = "") -> list[str]:
        return [name, *(gib_text(size, digits=2) for size in ((card, total) if several else (total,))), formula]

    rows = []
    for term in sum_.terms:
        formula = t(f"models.formula.{term.formula}", **term.values)
        rows.append(row(t(f"models.term.{term.key}"), term.card_bytes, term.total_bytes, formula))
    names = ("term", "card", "total", "formula") if several else ("term", "total", "formula")
    return names, [*rows, row(t("models.together"), sum_.card_bytes, sum_.total_bytes)]


def format_cells(number_format: NumberFormat) -> tuple[str, ...]:
    """Return a row of the table of formats, as in the terminal and in the documents."""
    return (
        t(f"models.format.{number_format.key}.name"),
        f"{number_format.bits:.4g}",
        f"{_SEVEN_BILLION * number_format.bits / 8 / 1e9:.1f} GB",
        "–" if number_format.least_capability is None else f"{number_format.least_capability}",
        "–" if number_format.full_capability is None else f"{number_format.full_capability}",
        t(f"models.runs.{number_format.cpu}"),
        " ".join(f'"{name}": "{value}"' for name, value in (number_format.arguments or {}).items()) or "–",
        t(f"models.format.{number_format.key}.about"),
    )
