"""Files: paths that users type, names as they are shown, and secrets kept out of texts."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.files import absolute as absolute
    from framelens.core.files import file_address as file_address
    from framelens.core.files import is_inside as is_inside
    from framelens.core.files import is_same_file as is_same_file
    from framelens.core.files import new_id as new_id
    from framelens.core.files import readable as readable
    from framelens.core.files import reason_of as reason_of
    from framelens.core.files import restored as restored
    from framelens.core.files import shown_path as shown_path
    from framelens.core.files import storable as storable
    from framelens.core.files import typed_path as typed_path
    from framelens.core.images import Region as Region
    from framelens.core.images import is_region as is_region
    from framelens.core.links import media_type as media_type
    from framelens.core.redaction import is_secret as is_secret
    from framelens.core.redaction import redact as redact
    from framelens.core.redaction import remember_secret as remember_secret
    from framelens.core.spelling import closest as closest
    from framelens.questions.images import picture_of as picture_of
    from framelens.questions.images import read_image as read_image
    from framelens.video.files import check_file as check_file
    from framelens.video.files import confine as confine
    from framelens.video.files import held_folder as held_folder
    from framelens.video.files import is_video_name as is_video_name
    from framelens.video.files import printable_path as printable_path
    from framelens.video.inputs import Input as Input
    from framelens.video.inputs import resolve as resolve
    from framelens.video.sources import file_of as file_of

else:
    __getattr__ = partial(exported, globals())
