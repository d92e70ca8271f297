"""What the command line and the page say of a model in the same words: its size, how its name was understood, and why
it does not run somewhere.
"""

from __future__ import annotations

from app.domain import Language
from app.i18n import t
from app.models.catalogue import Match
from app.models.entry_file import Entry
from app.models.formats import format_of
from app.models.known_cards import Card
from app.models.memory import memory_of
from app.models.plan import GIB, Plan
from app.models.shape import Shape


def match_text(match: Match, language: Language) -> str:
    """How a name was understood, and what else it may mean."""
    lines = [t(f"models.why.{match.why}", language, asked=match.asked, id=match.entry.id)]
    if match.reason:
        lines.append(match.reason[language])
    if match.others:
        lines.append(t("models.why.others", language, ids=", ".join(entry.id for entry in match.others)))
    return " ".join(lines) if language == "en" else "".join(lines)


def least_gib(shape: Shape) -> float:
    """The memory of one card below which the model cannot be served at all."""
    plan = Plan(max_model_len=4096, max_num_seqs=8, largest_picture_px=1003520, eager=True)
    return memory_of(shape, plan).card_bytes / GIB / 0.9


def why_not(entry: Entry, card: Card | None, language: Language) -> str:
    """What a model needs that does not run on `card` (None: a CPU)."""
    least = format_of(entry.shape).least_capability
    if card is not None and entry.shape.quantisation is not None and least is not None and card.runs < least:
        return t("models.needs_card", language, capability=least)
    return t("models.needs", language, gib=f"{least_gib(entry.shape):.0f}")


def weights_bytes(shape: Shape) -> int:
    """The weights as they are stored."""
    return memory_of(shape, Plan()).of("text_weights", "vision_weights")


def parameters_text(shape: Shape, language: Language) -> str:
    """How many numbers it has, and of experts how many a token meets."""
    total = f"{shape.parameters / 1e9:.3g} B"
    if not shape.text.experts:
        return total
    return t("models.active", language, total=total, active=f"{shape.active_parameters / 1e9:.2g} B")
