"""Fleeting subjects: a ball, a bird or a pointer, which crosses a few cells and is elsewhere at the next sample.

The value of a cell is predicted from its velocity; what is left is the residual of second order, |x(t) - (x(t-1) +
x(t+1)) / 2|. Kim et al., "Swift Sampling" (arXiv 2605.22678), choose frames by such residuals of a model's features;
here it is centred on the sample, and taken for each cell. What moves slowly, and light that changes, leaves little. A
residual counts by its ratio to the cell's own large ones, so that leaves and traffic are no subject, and only where few
cells have one, so that neither a large subject nor a moving camera is.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from framelens.video.features.frame_signature import NUM_CELLS, Blocks
from framelens.video.keyframes.novelty import WEIGHTS, Cells

_OFTEN = 0.99
"""Quantile of the residuals of a cell that its residual is compared with. 0.98 finds less, 0.995 as much in footage and
less of what keeps moving."""
_NOISE = 0.4  # levels
_STEPS, _STEPS_AN_OCTAVE = 64, 10  # of the histogram of the residuals' logarithms
_LEARNING_SAMPLES = 16
_RELEARN_EVERY = 64  # samples, about eight seconds
_NUM_CELLS, _RANK = 3, 20
"""Cells whose ratios are added, and the rank of the cell that must have less than half of theirs: a subject of a
hundredth of the picture touches about sixteen."""
_LEAST_RATIO, _HALF_RATIO = 2.0, 3.0
"""Sum of the ratios from which a subject counts, and how much more makes half of the highest value."""


class FleetingTracker:
    """Tracker of fleeting subjects; `push` samples in time order."""

    def __init__(self) -> None:
        self._before: tuple[Blocks, ...] = ()
        self._counts = np.zeros((NUM_CELLS, _STEPS), np.float32)
        self._often: Cells = np.ones(NUM_CELLS, np.float32)
        self._num = 0
        self._due = _LEARNING_SAMPLES

    def push(self, blocks: Blocks, samples: int = 1) -> float:
        """Return how likely the sample before shows a fleeting subject, 0 … 1; this one stays for so many samples."""
        before, self._before = self._before, (*self._before[-1:], blocks)
        if len(before) < 2:
            return 0.0
        predicted = (before[0] + blocks) * np.float32(0.5)
        residual = np.asarray(WEIGHTS @ cv2.absdiff(before[1], predicted), np.float32)
        self._learn(residual, samples)
        return self._value(residual) if self._num > _LEARNING_SAMPLES else 0.0

    def _learn(self, residual: Cells, samples: int) -> None:
        steps = np.minimum(_STEPS_AN_OCTAVE * np.log2(1 + residual), _STEPS - 1).astype(np.intp)
        self._counts[np.arange(NUM_CELLS), steps] += 1
        self._counts[:, 0] += samples - 1
        self._num += samples
        if self._num >= self._due:
            self._due = self._num + min(_RELEARN_EVERY, self._num)
            step: NDArray[np.intp] = (np.cumsum(self._counts, axis=1) >= _OFTEN * self._num).argmax(axis=1)
            self._often = np.asarray(2 ** ((step + 0.5) / _STEPS_AN_OCTAVE) - 1 + _NOISE, np.float32)

    def _value(self, residual: Cells) -> float:
        ratios = np.partition(residual / self._often, (-_RANK, -_NUM_CELLS))
        excess = float(ratios[-_NUM_CELLS:].sum() - 2 * _NUM_CELLS * ratios[-_RANK]) - _LEAST_RATIO
        return excess / (excess + _HALF_RATIO) if excess > 0 else 0.0
