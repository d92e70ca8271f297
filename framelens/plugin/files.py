"""Files and links: names and paths that users type, and links to videos."""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.files import absolute as absolute
    from framelens.core.files import address_in as address_in
    from framelens.core.files import cut_to_bytes as cut_to_bytes
    from framelens.core.files import file_address as file_address
    from framelens.core.files import fitting_name as fitting_name
    from framelens.core.files import free_path as free_path
    from framelens.core.files import is_inside as is_inside
    from framelens.core.files import is_same_file as is_same_file
    from framelens.core.files import name_key as name_key
    from framelens.core.files import new_id as new_id
    from framelens.core.files import numbered as numbered
    from framelens.core.files import readable as readable
    from framelens.core.files import restored as restored
    from framelens.core.files import safe_file_name as safe_file_name
    from framelens.core.files import safe_stem as safe_stem
    from framelens.core.files import shown_path as shown_path
    from framelens.core.files import storable as storable
    from framelens.core.files import typed_path as typed_path
    from framelens.core.files import unused_name as unused_name
    from framelens.core.links import SourceSettings as SourceSettings
    from framelens.core.links import is_link as is_link
    from framelens.core.links import media_type as media_type
    from framelens.core.links import typed_link as typed_link
    from framelens.core.links import unsigned as unsigned
    from framelens.core.links import with_scheme as with_scheme
    from framelens.core.redaction import is_secret as is_secret
    from framelens.core.redaction import redact as redact
    from framelens.core.redaction import remember_secret as remember_secret
    from framelens.core.spelling import closest as closest
    from framelens.registry import address_error as address_error
    from framelens.registry import file_of as file_of
    from framelens.store.fs_utils import reason_of as reason_of
    from framelens.store.videos.link_transfer import FetchProgress as FetchProgress
    from framelens.store.videos.link_transfer import RemoteVideo as RemoteVideo
    from framelens.store.videos.link_transfer import Write as Write
    from framelens.store.videos.links import LinkFetcher as LinkFetcher
    from framelens.store.videos.links import may_name_any as may_name_any
    from framelens.store.videos.outbound import Outbound as Outbound
    from framelens.video.files import check_file as check_file
    from framelens.video.files import confine as confine
    from framelens.video.files import held_folder as held_folder
    from framelens.video.files import is_video_name as is_video_name
    from framelens.video.files import printable_path as printable_path
    from framelens.video.inputs import Input as Input
    from framelens.video.inputs import resolve as resolve

else:

    def __getattr__(name: str) -> Any:
        return exported(globals(), name)
