"""Images of the user: checked before they are decoded, turned upright, and made a JPEG without transparency."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from framelens.core.errors import InputError
from framelens.core.files import readable, reason_of
from framelens.core.images import Region

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 64 << 20
"""Size of an image file."""
_MOST_PIXELS = 1 << 26
"""8192 x 8192, as for pictures of videos: a larger picture takes hundreds of megabytes, however small its file is."""
LEAST_REGION = 16
"""Least side in pixels of a part of an image that is looked for: a patch of SigLIP 2. Not tuned."""
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def read_image(path: Path) -> tuple[str, bytes]:
    """Return the name and content of an image file.

    Raises:
        InputError: "image_not_found", or "image_too_large": it has more bytes than any image needs.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError("image_not_found", path=str(path), reason=reason_of(error)) from error
    return readable(path.name), data


def picture_of(name: str, data: bytes, *, side: int, quality: int, region: Region | None = None) -> bytes:
    """Return an image as an upright JPEG whose longer side is at most `side` pixels; of several, the first.

    Args:
        name: Its name, for errors.
        data: Content of the file.
        side: Limit of the longer side, in pixels.
        quality: JPEG quality, 0 to 100.
        region: Part of the upright image that is returned.

    Raises:
        InputError: "image_unknown": it is no image of a known format. "image_too_large": in bytes or pixels.
            "image_damaged": it can't be decoded. "region_tiny": the region has too few pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if len(data) > MOST_BYTES:
        raise InputError("image_too_large", name=name, given=f"{MOST_BYTES >> 20}+ MiB", most=f"{MOST_BYTES >> 20} MiB")
    Image.MAX_IMAGE_PIXELS = None  # the size is checked here
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > _MOST_PIXELS:
                size, most = f"{width} x {height}", f"{_MOST_PIXELS // 10**6} megapixels"
                raise InputError("image_too_large", name=name, given=size, most=most)
            if region is None:
                image.draft("RGB", (side, side))  # decodes a JPEG at a fraction of its size where that is enough
            upright = ImageOps.exif_transpose(image)
            if region is not None:
                upright = _cropped(upright, region)
            upright.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
            encoded = BytesIO()
            _opaque(upright).save(encoded, "JPEG", quality=quality)
    except UnidentifiedImageError as error:
        raise InputError("image_unknown", name=name, formats=", ".join(_FORMATS)) from error
    except (OSError, SyntaxError, ValueError, MemoryError) as error:
        raise InputError("image_damaged", name=name, reason=str(error) or type(error).__name__) from error
    return encoded.getvalue()


def _cropped(image: Image, region: Region) -> Image:
    """Return a part of an image. Raises InputError if hardly anything can be seen in it."""
    (left, top, right, bottom), (width, height) = region, image.size
    box = (round(left * width), round(top * height), round(right * width), round(bottom * height))
    size = (box[2] - box[0], box[3] - box[1])
    if min(size) < LEAST_REGION:
        raise InputError("region_tiny", size=f"{size[0]} x {size[1]}", least=LEAST_REGION, whole=f"{width} x {height}")
    return image.crop(box)


def _opaque(image: Image) -> Image:
    """Return an image in RGB, on white where it is transparent."""
    from PIL import Image as pillow

    if not image.has_transparency_data:
        return image.convert("RGB")
    with_alpha = image.convert("RGBA")
    white = pillow.new("RGBA", with_alpha.size, "white")
    return pillow.alpha_composite(white, with_alpha).convert("RGB")
