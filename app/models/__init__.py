"""Model shapes, memory estimates, the model catalogue, number formats and proposals of settings.

Pure functions over data that comes with FrameLens: they download nothing, ask no engine and look at no graphics card.
"""

from app.models.architecture import Shape, image_tokens
from app.models.catalogue import Catalogue, Match, built_in, load
from app.models.catalogue_parser import CatalogueEntry
from app.models.config.parser import read_shape
from app.models.formats import FORMATS, NumberFormat
from app.models.memory import MemoryEstimate, estimate_memory
from app.models.placement import (
    GpuCard,
    MemoryNeed,
    Proposal,
    estimate_need,
    find_card,
    propose_for_cards,
    propose_for_cpu,
)
from app.models.serving_plan import Plan, parse_plan

__all__ = [
    "FORMATS",
    "Catalogue",
    "CatalogueEntry",
    "GpuCard",
    "Match",
    "MemoryEstimate",
    "MemoryNeed",
    "NumberFormat",
    "Plan",
    "Proposal",
    "Shape",
    "built_in",
    "estimate_memory",
    "estimate_need",
    "find_card",
    "image_tokens",
    "load",
    "parse_plan",
    "propose_for_cards",
    "propose_for_cpu",
    "read_shape",
]
