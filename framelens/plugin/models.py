"""Models: the catalogue, downloads, and models that have been downloaded."""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.engines.model_hub import chosen_hub as chosen_hub
    from framelens.core.engines.model_hub import is_offline as is_offline
    from framelens.engine.downloads.hub import download as download
    from framelens.engine.hub_cache import find_in_cache as find_in_cache
    from framelens.engine.model_resolution import resolve_model as resolve_model
    from framelens.models.catalogue import Catalogue as Catalogue
    from framelens.store.model_records import ModelRecords as ModelRecords
    from framelens.store.model_records import confirm_download as confirm_download
    from framelens.store.model_records import confirmed_downloads as confirmed_downloads

else:

    def __getattr__(name: str) -> Any:
        return exported(globals(), name)
