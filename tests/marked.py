"""Pictures that carry their number, to show which pictures a file has, and when."""

import random
from collections.abc import Iterator

from tests.media import Image, solid

BITS = 8
_ROWS = (slice(14, 34), slice(62, 82))


def marked(count: int) -> Iterator[Image]:
    """Pictures with their number in blocks of black and white: above its bits, below the opposite bits."""
    for number in range(count):
        image = solid((90, 90, 90))
        for bit in range(BITS):
            left, light = 4 + 19 * bit, 255 * (number >> bit & 1)
            image[8:40, left : left + 16], image[56:88, left : left + 16] = light, 255 - light
        yield image


def number_of(image: Image) -> int | None:
    """The number that a picture carries, None if it is unreadable."""
    grey = image.mean(axis=2)
    above, below = ([grey[rows, 8 + 19 * bit : 16 + 19 * bit].mean() for bit in range(BITS)] for rows in _ROWS)
    if any(abs(one - other) < 60 for one, other in zip(above, below, strict=True)):
        return None
    return sum(int(one > other) << bit for bit, (one, other) in enumerate(zip(above, below, strict=True)))


def uneven_times(count: int) -> list[float]:
    """Times of pictures as a screen recorder writes them."""
    choose = random.Random(3)
    times = [0.0]
    while len(times) < count:
        times.append(round(times[-1] + choose.choice((0.02, 0.04, 0.04, 0.1, 0.3)), 3))
    return times
