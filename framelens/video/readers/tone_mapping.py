"""Conversion of pictures in HDR (PQ, HLG) and wide colour gamuts to sRGB, so that white is white.

Sources: ITU-R BT.2100-2 for the transfer functions of PQ and HLG, BT.2408 for the white of 203 cd/m² and the display of
1,000 cd/m², BT.2087 for the matrix from BT.2020 to BT.709, SMPTE EG 432-1 for Display P3. Up to 90 % of white nothing
is compressed; what is brighter rolls off with its hue kept. Decided once for a picture by its tags; the pictures of
usual videos are not touched.
"""

from functools import cache

import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from framelens.core.domain import UNMAPPED_RANGE
from framelens.video.readers.base import reformatted, side_data_of

Image = NDArray[np.uint8]
_Table = NDArray[np.float32]
_PQ, _HLG = 16, 18
HDR_TRANSFERS = {_PQ: "PQ", _HLG: "HLG"}
"""By their codes in ITU-T H.273."""
_UNKNOWN, _BT709 = 2, 1
_WIDEST_SD, _TALLEST_SD = 1024, 576
"""Pictures without a tag are BT.709 if they are larger, else BT.601, FFmpeg's default. PAL with square pixels is 1024 x
576."""
_GAMUTS = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_NARROW = frozenset({1, 5, 6, 7})
"""Primaries of BT.709 and BT.601, which some programs write together with the transfer of HDR."""
_FROM_BT2020 = ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730))
_FROM_P3 = ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274))
_WHITE_NITS, _DISPLAY_NITS, _HLG_GAMMA = 203.0, 1000.0, 1.2
_BT2020_LUMA = (0.2627, 0.6780, 0.0593)
_KNEE, _ROLL_OFF = 0.9, 0.07
"""Share of white, in linear light, where the compression of highlights begins, and how soon they reach full light. With
these, white is 250 of 255."""
_BAND_LINES = 128  # computed at a time.


_BT2020_MATRIX, _YCGCO, _ICTCP = 9, 8, 14
_TO_RGB = (1.0, -1.0, 1.0), (1.0, 1.0, 0.0), (1.0, -1.0, -1.0)
"""From YCgCo to RGB (ITU-T H.273, matrix 8)."""
_TO_LMS = {
    _PQ: ((1.0, 0.008609037, 0.111029625), (1.0, -0.008609037, -0.111029625), (1.0, 0.560031336, -0.320627175)),
    _HLG: ((1.0, 0.015718580, 0.209581068), (1.0, -0.015718580, -0.209581068), (1.0, 1.021271080, -0.605274491)),
}
"""From ICtCp to the coded cone responses, the inverse of BT.2100-2, table 7; below, from these to BT.2020."""
_LMS_TO_BT2020 = (
    (3.436606694, -2.506452119, 0.069845424),
    (-0.791329556, 1.983600452, -0.192270896),
    (-0.025949900, -0.098913715, 1.124863614),
)
OWN_MATRICES = frozenset({_YCGCO, _ICTCP})
"""Matrices that swscale doesn't know, and `_decode` does."""
_RGB, _BT2020_CONSTANT = 0, 10
_MATRICES = frozenset({_BT709, _UNKNOWN, 4, 5, 6, 7, _BT2020_MATRIX})
"""Matrices that swscale knows. It fails on others: reserved codes, which some recorders write, and rare codes."""
_FULL_RANGE = 2
_FULL, _LIMITED = ((0, 32768), (65535, 65535)), ((4096, 32768), (56064, 57344))
"""Codes of black and of a chroma of 0, and the spans of luma and chroma, with 16 bits."""


_WITHOUT_BASE = frozenset({5})
"""Profiles of Dolby Vision whose colours are coded in a way of their own (IPT), with curves for each picture."""


def dynamic_range_of(frame: VideoFrame, dolby_vision_profile: int | None = None) -> str:
    """Return the name of an HDR format with its colours, such as "HDR10 (PQ, BT.2020)"; "" for SDR.

    Dolby Vision is named where it is all there is: without a base that other players can show.
    """
    colours = colours_of(frame)
    if dolby_vision_profile in _WITHOUT_BASE and frame.color_trc not in HDR_TRANSFERS:
        return UNMAPPED_RANGE
    if frame.color_trc == _PQ:
        is_dynamic = Type.DYNAMIC_HDR_PLUS in side_data_of(frame)
        return f"{'HDR10+' if is_dynamic else 'HDR10'} ({colours})"
    gamut = _GAMUTS.get(frame.color_primaries)
    return (f"HLG ({gamut})" if gamut else "HLG") if frame.color_trc == _HLG else ""


def with_known_matrix(frame: VideoFrame) -> VideoFrame:
    """Return the frame, with the usual matrix in place of a tag that can't be read or can't be true."""
    matrix = frame.colorspace
    if matrix not in _MATRICES and matrix not in ({_RGB} if frame.format.is_rgb else OWN_MATRICES):
        frame.colorspace = _BT2020_MATRIX if matrix == _BT2020_CONSTANT else _UNKNOWN
    return frame


def matrix_of(frame: VideoFrame) -> int:
    """Return the code of the matrix from YCbCr to RGB in ITU-T H.273; without a tag, the usual matrix."""
    if frame.colorspace != _UNKNOWN:
        return frame.colorspace
    if frame.color_trc in HDR_TRANSFERS or frame.color_primaries == _BT2020_MATRIX:
        return _BT2020_MATRIX
    is_hd = frame.width > _WIDEST_SD or frame.height > _TALLEST_SD
    return _BT709 if is_hd else frame.colorspace


def colours_of(frame: VideoFrame) -> str:
    """Return the names of the transfer and gamut that `converted` maps, such as "HLG, BT.2020"; else ""."""
    names = (HDR_TRANSFERS.get(frame.color_trc), _GAMUTS.get(frame.color_primaries))
    return ", ".join(name for name in names if name)


def needs_mapping(frame: VideoFrame) -> bool:
    """Return whether `converted` shows the frame as sRGB, and swscale doesn't."""
    return _is_wide(frame) or frame.colorspace in OWN_MATRICES


def _is_wide(frame: VideoFrame) -> bool:
    return frame.color_trc in HDR_TRANSFERS or frame.color_primaries in _GAMUTS


def converted(frame: VideoFrame, size: tuple[int, int], way: str) -> Image:
    """Return the frame at `size` (width, height) as sRGB, BGR, 8 bit."""
    if frame.colorspace in OWN_MATRICES:
        codes = _decode(frame, size, way)
    else:
        wide = reformatted(frame, size, format="rgb48le", src_colorspace=matrix_of(frame), interpolation=way)
        codes = np.asarray(wide.to_ndarray(), np.uint16)
    if not _is_wide(frame):
        return np.asarray(codes >> 8, np.uint8)[..., ::-1]
    image = np.empty(codes.shape, np.uint8)
    for top in range(0, len(codes), _BAND_LINES):  # a whole picture of 8K would take gigabytes
        image[top : top + _BAND_LINES] = _map_tones(codes[top : top + _BAND_LINES], frame)
    return image


def _decode(frame: VideoFrame, size: tuple[int, int], way: str) -> NDArray[np.uint16]:
    """Return the codes of red, green and blue, or of the cone responses of ICtCp, at `size`."""
    matrix, primaries, transfer = frame.colorspace, frame.color_primaries, frame.color_trc
    frame.colorspace, frame.color_primaries, frame.color_trc = _BT709, _UNKNOWN, _UNKNOWN  # so that swscale only scales
    try:
        planes = reformatted(frame, size, format="yuv444p16le", interpolation=way).to_ndarray()
    finally:
        frame.colorspace, frame.color_primaries, frame.color_trc = matrix, primaries, transfer
    (dark, neutral), (luma, chroma) = _FULL if frame.color_range == _FULL_RANGE else _LIMITED
    least, span = (np.array(levels, np.float32) for levels in ((dark, neutral, neutral), (luma, chroma, chroma)))
    image = (planes.astype(np.float32) - least) / span
    to_codes = _TO_RGB if matrix == _YCGCO else _TO_LMS.get(frame.color_trc, _TO_LMS[_PQ])
    codes = cv2.transform(image, np.array(to_codes, np.float32))
    return np.asarray(np.clip(codes, 0, 1) * 65535 + 0.5).astype(np.uint16)


def _map_tones(wide: NDArray[np.uint16], frame: VideoFrame) -> Image:
    light = _linear(frame.color_trc)[wide]
    if frame.colorspace == _ICTCP:
        light = np.maximum(cv2.transform(light, np.array(_LMS_TO_BT2020, np.float32)), 0)
    if frame.color_trc == _HLG:
        luma = cv2.transform(light, np.array([_BT2020_LUMA], np.float32))
        light *= (_DISPLAY_NITS / _WHITE_NITS) * np.maximum(luma, 0)[..., None] ** (_HLG_GAMMA - 1)
    if frame.color_primaries not in _NARROW:
        # HDR without primaries is BT.2020, the only gamut of BT.2100.
        matrix = _FROM_P3 if frame.color_primaries in (11, 12) else _FROM_BT2020
        light = np.maximum(cv2.transform(light, np.array(matrix, np.float32)), 0)
    if frame.color_trc in HDR_TRANSFERS:
        light *= _compression(light.max(axis=2, keepdims=True))
    codes = np.minimum(light * 65535 + 0.5, 65535).astype(np.uint16)
    return np.asarray(_srgb()[codes][..., ::-1])


def _compression(peak: _Table) -> _Table:
    """Return the factor for pixels whose brightest channel is `peak`, 1 being white."""
    over = np.maximum(peak - _KNEE, 0)
    shown = _KNEE + (1 - _KNEE) * over / (over + _ROLL_OFF)
    return np.asarray(np.where(over > 0, shown / np.maximum(peak, _KNEE), 1), np.float32)


@cache
def _linear(transfer: int) -> _Table:
    """Return the table from 16-bit codes to light: 1 is white, of HLG the brightest light of the scene."""
    code = np.linspace(0, 1, 65536)
    if transfer == _PQ:
        power = code ** (32 / 2523)
        light = np.maximum(power - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * power)
        return np.asarray(10_000 / _WHITE_NITS * light ** (16384 / 2610), np.float32)
    if transfer == _HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        return np.asarray(np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12), np.float32)
    return np.asarray(np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4), np.float32)


@cache
def _srgb() -> Image:
    """Return the table from 16-bit light to sRGB (IEC 61966-2-1)."""
    light = np.linspace(0, 1, 65536)
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * code), np.uint8)
