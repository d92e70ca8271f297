"""Model shapes, memory estimates, the model catalogue, number formats and proposals of settings.

Pure functions over data that comes with FrameLens: they download nothing, ask no engine and look at no graphics card.
"""

from app.models.architecture import Shape
from app.models.catalogue import Catalogue, Match, built_in, load
from app.models.catalogue_parser import Entry
from app.models.config.parser import read_shape
from app.models.formats import FORMATS, NumberFormat
from app.models.gpu_database import Card, card_called
from app.models.memory import Sum, memory_of
from app.models.placement import Need, Proposal, need_of, on_cards, on_cpu
from app.models.serving_plan import Plan, plan_of
from app.models.vision_tokens import image_tokens

__all__ = [
    "FORMATS", "Card", "Catalogue", "Entry", "Match", "Need", "NumberFormat", "Plan", "Proposal", "Shape", "Sum",
    "built_in", "card_called", "image_tokens", "load", "memory_of", "need_of", "on_cards", "on_cpu", "plan_of",
    "read_shape",
]  # fmt: skip
