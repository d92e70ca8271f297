"""Links in place of files: what users type, and how videos are fetched."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.links import SourceSettings as SourceSettings
    from framelens.core.links import is_link as is_link
    from framelens.core.links import typed_link as typed_link
    from framelens.core.links import unsigned as unsigned
    from framelens.store.videos.link_transfer import FetchProgress as FetchProgress
    from framelens.store.videos.link_transfer import RemoteVideo as RemoteVideo
    from framelens.store.videos.link_transfer import Write as Write
    from framelens.store.videos.links import LinkFetcher as LinkFetcher
    from framelens.store.videos.links import may_name_any as may_name_any
    from framelens.store.videos.outbound import Outbound as Outbound
    from framelens.video.sources import link_in as link_in

else:
    __getattr__ = partial(exported, globals())
