"""Models: the catalogue, downloads, and models that have been downloaded."""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.engines.model_hub import chosen_hub as chosen_hub
    from framelens.core.engines.model_hub import is_offline as is_offline
    from framelens.engine.downloads.hub import download as download
    from framelens.engine.downloads.hub import hub_config as hub_config
    from framelens.engine.downloads.hub import hub_weights_bytes as hub_weights_bytes
    from framelens.engine.hub_cache import find_in_cache as find_in_cache
    from framelens.engine.model_names import match_text as match_text
    from framelens.engine.model_names import meant_text as meant_text
    from framelens.engine.model_resolution import resolve_model as resolve_model
    from framelens.jobs.readiness import ModelCandidate as ModelCandidate
    from framelens.jobs.readiness import Readiness as Readiness
    from framelens.jobs.readiness import download_text as download_text
    from framelens.jobs.readiness import engine_text as engine_text
    from framelens.jobs.readiness import free_bytes as free_bytes
    from framelens.jobs.readiness import readiness as readiness
    from framelens.models.architecture import FRAME as FRAME
    from framelens.models.architecture import Shape as Shape
    from framelens.models.architecture import image_tokens as image_tokens
    from framelens.models.catalogue import Catalogue as Catalogue
    from framelens.models.catalogue import Match as Match
    from framelens.models.catalogue import load_catalogue as load_catalogue
    from framelens.models.catalogue import raw_built_in as raw_built_in
    from framelens.models.catalogue_parser import CatalogueEntry as CatalogueEntry
    from framelens.models.catalogue_parser import entry_of_shape as entry_of_shape
    from framelens.models.checkpoint import loaded_bytes as loaded_bytes
    from framelens.models.checkpoint import read_config as read_config
    from framelens.models.checkpoint import shape_in as shape_in
    from framelens.models.config import read_shape as read_shape
    from framelens.models.formats import NUMBER_FORMATS as NUMBER_FORMATS
    from framelens.models.formats import FormatKey as FormatKey
    from framelens.models.formats import NumberFormat as NumberFormat
    from framelens.models.formats import format_of as format_of
    from framelens.models.memory import MemoryEstimate as MemoryEstimate
    from framelens.models.memory import estimate_memory as estimate_memory
    from framelens.models.memory import tokens_in as tokens_in
    from framelens.models.memory import weights_bytes as weights_bytes
    from framelens.models.placement import USABLE as USABLE
    from framelens.models.placement import GpuCard as GpuCard
    from framelens.models.placement import MemoryNeed as MemoryNeed
    from framelens.models.placement import Proposal as Proposal
    from framelens.models.placement import estimate_need as estimate_need
    from framelens.models.placement import least_bytes as least_bytes
    from framelens.models.placement import parse_gigabytes as parse_gigabytes
    from framelens.models.placement import propose_divided as propose_divided
    from framelens.models.placement import propose_for_cards as propose_for_cards
    from framelens.models.placement import tensor_sizes as tensor_sizes
    from framelens.models.placement import ways_to_divide as ways_to_divide
    from framelens.models.serving_plan import Plan as Plan
    from framelens.models.serving_plan import parse_plan as parse_plan
    from framelens.store.model_records import confirm_download as confirm_download
    from framelens.store.model_records import confirmed_downloads as confirmed_downloads

else:

    def __getattr__(name: str) -> Any:
        return exported(globals(), name)
