"""Transparent pictures on a white ground, and the decoders that keep transparency.

Under transparent pixels a file has any colour, so it must not be seen. The ground is white, as of most web pages and
players; a picture of the colour of its ground can't be seen there either.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import cast

import numpy as np
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from framelens.video.readers.base import ANY_MATRIX, Image, as_image, reformatted, samples_8_bit

_GROUND = 255
_OPAQUE = 255
_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of these codecs leave out the alpha channel of WebM."""
_ALPHA_LAYER = re.compile(rb"\x00[\x01-\x20]\x4e\x01\xa5[\x01-\x08]")
"""In HEVC, the message that describes a layer of alpha pictures, after its start code or length: a prefix SEI of type
165 (ITU-T H.265, F.14.2.8). FFmpeg decodes that layer only for programs that choose its format, which PyAV can't."""
_SEARCHED = 4096
"""Bytes of a packet in which that message is searched; it comes before the picture."""


def alpha_of(frame: VideoFrame) -> Image | None:
    """Return the alpha channel with 8 bits, of the size of the frame; None if it is missing or all opaque."""
    if not has_alpha(frame):
        return None
    form = frame.format
    parts = [part for part in form.components if part.is_alpha]
    if form.is_planar and parts and not form.is_big_endian and parts[0].bits <= 16:
        alpha = samples_8_bit(frame.planes[parts[0].plane], frame)
    else:
        alpha = as_image(reformatted(frame, format="bgra", src_colorspace=ANY_MATRIX).to_ndarray()[..., 3])
    return None if alpha.min() == _OPAQUE else alpha


def has_alpha(frame: VideoFrame) -> bool:
    """Return whether the format of a frame has an alpha channel, even if all of it is opaque."""
    return _has_alpha(frame.format.name)


@cache
def _has_alpha(format_name: str) -> bool:
    form = VideoFormat(format_name)
    return form.has_palette or any(part.is_alpha for part in form.components)


def composited(image: Image, alpha: Image) -> Image:
    """Return a BGR picture of the same size on the ground."""
    share = alpha[..., None].astype(np.uint16)
    return as_image((image * share + _GROUND * (_OPAQUE - share) + _OPAQUE // 2) // _OPAQUE)


def announces_alpha(stream: VideoStream, first: Packet[Stream]) -> bool:
    """Return whether a file says that its pictures have an alpha channel, by the stream and its first packet."""
    if stream.codec_context.name != "hevc":
        return stream.metadata.get("alpha_mode") == "1"
    start = memoryview(first)[:_SEARCHED] if first.size else b""  # a file may hold nothing else
    parts = (stream.codec_context.extradata or b"", start)
    return any(_ALPHA_LAYER.search(part) for part in parts)


def lacks_alpha(container: InputContainer, stream: VideoStream) -> bool:
    """Return whether FFmpeg decodes an alpha channel that the pictures don't have.

    The fourth byte of uncompressed RGB in AVI is not used (BITMAPINFOHEADER, BI_RGB); most programs write 0 there.
    """
    return container.format.name == "avi" and stream.codec_context.name == "rawvideo"


def decoder_of(stream: VideoStream) -> VideoCodecContext:
    """Return the decoder of a stream: its own, or a decoder that keeps an announced alpha channel."""
    name = _DECODERS.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return stream.codec_context
    decoder = cast(VideoCodecContext, CodecContext.create(name, "r"))
    decoder.thread_count = os.cpu_count() or 1
    return decoder
