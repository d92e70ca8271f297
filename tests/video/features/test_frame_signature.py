"""Comparison of pictures by their signatures."""

import numpy as np

from framelens.video.features.frame_signature import Signatures, distances


def test_signatures_find_every_picture_within_the_limit() -> None:
    """The comparison in a coarser grid leaves out no picture that is near enough."""
    rng = np.random.default_rng(3)
    cells = rng.uniform(0, 1, (40, 3, 576)).astype(np.float32)
    cells[20:] = cells[:20] + rng.normal(0, 0.02, (20, 3, 576)).astype(np.float32) * np.arange(20)[:, None, None]
    signatures, others = Signatures(cells), np.arange(5, 40)
    for place in range(40):
        exact = distances(cells[5:], cells[place])
        near, beyond = signatures.near(place, others, 0.2)
        assert near.tolist() == others[exact <= 0.2].tolist()
        assert np.allclose(beyond, exact[exact <= 0.2] - 0.2)
