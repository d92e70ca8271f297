"""The data folder: tables, stored videos, users and reports, and values as JSON."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.analysis.inputs.extraction_cache import open_extraction_cache as open_extraction_cache
    from framelens.core.codec import Failure as Failure
    from framelens.core.codec import build as build
    from framelens.core.codec import from_json as from_json
    from framelens.core.codec import to_document as to_document
    from framelens.core.codec import to_json as to_json
    from framelens.jobs.stored.library_search import MOST_CHECKED as MOST_CHECKED
    from framelens.jobs.stored.library_search import LibrarySearch as LibrarySearch
    from framelens.jobs.stored.library_search import MomentQuery as MomentQuery
    from framelens.jobs.stored.library_search import MomentReason as MomentReason
    from framelens.jobs.stored.library_search import NearPassage as NearPassage
    from framelens.store.authentication import check_access as check_access
    from framelens.store.database import NOT_IN_TRASH as NOT_IN_TRASH
    from framelens.store.database import Store as Store
    from framelens.store.database import visible as visible
    from framelens.store.fs_utils import log_to as log_to
    from framelens.store.library_index import Hit as Hit
    from framelens.store.library_index import LibraryEntry as LibraryEntry
    from framelens.store.library_index import LibraryIndex as LibraryIndex
    from framelens.store.library_index import LibraryQuery as LibraryQuery
    from framelens.store.library_index import Order as Order
    from framelens.store.library_index import Passage as Passage
    from framelens.store.model_records import ModelRecords as ModelRecords
    from framelens.store.videos.video_repository import Upload as Upload
    from framelens.store.videos.video_repository import VideoRepository as VideoRepository

else:
    __getattr__ = partial(exported, globals())
