"""File formats that are opened, and those that count as a video.

The list of formats is closed on purpose: FFmpeg also opens playlists (HLS, DASH, concat) and text formats as videos,
and an uploaded file must not make it read other files or use the network.
"""

from __future__ import annotations

from pathlib import Path

from av.container import InputContainer

_VIDEO_FORMATS = (
    "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "mpegtsraw", "mpeg", "mpegvideo",
    "m4v", "flv", "live_flv", "kux", "asf", "asf_o", "ogg", "mxf", "wtv", "rm", "nut", "nsv", "dv", "dirac", "ivf",
    "h261", "h263", "h264", "hevc", "vvc", "av1", "obu", "vc1", "vc1test", "cavsvideo", "avs2", "avs3", "mjpeg",
    "mjpeg_2000", "yuv4mpegpipe", "gif", "apng", "swf", "amv", "bink", "smk", "flic", "gxf", "lxf", "mv", "pva", "r3d",
    "roq", "rpl", "thp", "vmd", "wc3movie", "4xm", "film_cpk",
)  # fmt: skip
_SOUND_FORMATS = (
    "mp3", "wav", "w64", "flac", "aac", "ac3", "eac3", "amr", "aiff", "ape", "caf", "dts", "opus", "tta", "wv", "au",
    "mpc", "mpc8", "tak", "dsf", "voc", "xwma",
)  # fmt: skip
_STILL_FORMATS = (
    "image2", "png_pipe", "jpeg_pipe", "jpegls_pipe", "jpegxl_pipe", "j2k_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe",
    "gif_pipe", "psd_pipe", "ppm_pipe", "pgm_pipe", "pbm_pipe", "pam_pipe", "qoi_pipe", "exr_pipe", "hdr_pipe",
    "dds_pipe", "pcx_pipe", "sgi_pipe", "svg_pipe", "xbm_pipe", "xpm_pipe", "sunrast_pipe", "ico",
)  # fmt: skip
_MOVING_IMAGES = frozenset({"gif", "apng", "jpegxl_anim", "webp"})
_STILL_BRANDS = frozenset({"avif", "heic", "heix", "mif1"})

OPEN_OPTIONS = {
    # Every stream takes time and a megabyte before the first picture; a whole transponder has fewer streams.
    "max_streams": "256",
    "protocol_whitelist": "file",
    "format_whitelist": ",".join((*_VIDEO_FORMATS, *_SOUND_FORMATS, *_STILL_FORMATS)),
}


def is_still_image(container: InputContainer) -> bool:
    """Return whether an opened file is a still image by its format or brand."""
    return container.format.name in _STILL_FORMATS or container.metadata.get("major_brand", "") in _STILL_BRANDS


def is_moving_image(format_name: str) -> bool:
    """Return whether the format is an image that may move (an animated GIF); with one frame it is a still."""
    return format_name in _MOVING_IMAGES


def begins_like_video(path: Path) -> bool:
    """Return whether the first bytes are those of a video container, even if it can't be opened."""
    with path.open("rb") as file:
        start = file.read(12)
    return (
        start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")
        or start.startswith(
            (b"\x1a\x45\xdf\xa3", b"FLV\x01", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"OggS", b"\x47\x40")
        )
        or (start[:4] == b"RIFF" and start[8:12] == b"AVI ")
    )
