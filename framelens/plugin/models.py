"""Models: the catalogue, downloads, and models that have been downloaded."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.engines.model_hub import chosen_hub as chosen_hub
    from framelens.core.engines.model_hub import is_offline as is_offline
    from framelens.engine.downloads.hub_model import Files as Files
    from framelens.engine.downloads.hub_model import HubModel as HubModel
    from framelens.engine.hub_cache import find_in_cache as find_in_cache
    from framelens.engine.model_resolution import resolve_model as resolve_model
    from framelens.jobs.readiness import ModelCandidate as ModelCandidate
    from framelens.jobs.readiness import Readiness as Readiness
    from framelens.jobs.readiness import download_text as download_text
    from framelens.jobs.readiness import free_bytes as free_bytes
    from framelens.jobs.readiness import readiness as readiness
    from framelens.models.architecture import Shape as Shape
    from framelens.models.catalogue import Catalogue as Catalogue
    from framelens.models.catalogue import Match as Match
    from framelens.models.catalogue_parser import CatalogueEntry as CatalogueEntry
    from framelens.models.formats import NUMBER_FORMATS as NUMBER_FORMATS
    from framelens.models.formats import FormatKey as FormatKey
    from framelens.models.formats import NumberFormat as NumberFormat
    from framelens.models.memory import MemoryEstimate as MemoryEstimate
    from framelens.models.placement import GpuCard as GpuCard
    from framelens.models.placement import MemoryNeed as MemoryNeed
    from framelens.models.placement import Proposal as Proposal
    from framelens.models.serving_plan import Plan as Plan
    from framelens.store.model_records import confirmed_downloads as confirmed_downloads

else:
    __getattr__ = partial(exported, globals())
