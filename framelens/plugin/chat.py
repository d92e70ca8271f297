"""Requests to a model: the client, pictures in a message, and whether the model sees them."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.errors import PicturesRefused as PicturesRefused
    from framelens.core.errors import TooManyPictures as TooManyPictures
    from framelens.i18n.formatting import mark as mark
    from framelens.llm.chat import connect as connect
    from framelens.llm.dialects import Dialects as Dialects
    from framelens.llm.dialects import LocalServer as LocalServer
    from framelens.llm.dialects import Marks as Marks
    from framelens.llm.dialects import Rule as Rule
    from framelens.llm.dialects import StreamDialect as StreamDialect
    from framelens.llm.engine_requests import EngineRequests as EngineRequests
    from framelens.llm.engine_requests import Forwarder as Forwarder
    from framelens.llm.messages import data_url as data_url
    from framelens.llm.messages import picture_part as picture_part
    from framelens.llm.messages import text_part as text_part
    from framelens.llm.messages import with_pictures as with_pictures
    from framelens.llm.refusals import message_in as message_in
    from framelens.llm.refusals import read_json as read_json
    from framelens.llm.refusals import refused as refused
    from framelens.llm.stream import ask as ask
    from framelens.llm.text_fallback import prove_sight as prove_sight
    from framelens.llm.text_fallback import rejection as rejection
    from framelens.llm.text_fallback import text_prompt as text_prompt
    from framelens.llm.text_fallback import unseen as unseen
    from framelens.llm.vision_check import VisionCard as VisionCard

else:
    __getattr__ = partial(exported, globals())
