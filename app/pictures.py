"""From a JPEG to a smaller one, for whoever shows or sends it: the page, a report, a request to a model."""

from __future__ import annotations

from io import BytesIO


def smaller(jpeg: bytes, side: int, *, quality: int = 82) -> bytes:
    """The picture with its longer side at most `side` pixels; one that is no larger comes back as it is."""
    from PIL import Image  # what only imports this need not wait for it

    with Image.open(BytesIO(jpeg)) as picture:
        if max(picture.size) <= side:
            return jpeg
        picture.draft(None, (2 * side, 2 * side))  # decodes no more than is needed, where that is half or less
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
