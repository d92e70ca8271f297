"""Reader of the text on a picture, with the PP-OCR models in RapidOCR's wheel on ONNX Runtime.

Two models: one finds lines, one reads a line. Lines are looked for on a small copy of the picture, then at full size
where one is small or isn't read with certainty. A line that stood on one of the last pictures with the same pixels
isn't read again.

RapidOCR itself isn't imported: it takes a second to start, and reads each picture at its full size, each short line as
a long one. Text upside down, and scripts other than Latin, Chinese and Japanese, aren't read.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession, SessionOptions  # type: ignore[import-untyped]

from framelens.core.domain import ScreenText
from framelens.video.readers.base import Image, as_image

_THREADS = min(2, os.cpu_count() or 1)
_LEAST_CONFIDENCE = 0.85
"""On frames of real footage, letters on clothes that read differently each time had 0.54 to 0.75. All of 281 correct
lines drawn onto such frames (13 to 30 pixels, Chinese and English, prices and times among them) had 0.85 or more."""
_LEAST_CONFIDENCE_OF_ONE = 0.98
"""For a single character, which a fold or a wheel easily resembles: on real footage folds and wheels had 0.89 to 0.99.
Of 29 correct characters 25 had 0.99 or more."""
_GLANCE_SIDE, _FULL_SIDE = 640, 1280
"""Longer sides in pixels. Of 466 lines of 13 to 30 pixels drawn onto frames of 1280 pixels of real footage, one was not
found at 640, 22 at 448."""
_SMALL_LINE, _LARGE_LINE = 16, 64
"""Heights of a line with its margins at the side of a glance: letters of 17 pixels in 1280 have 14, two such lines that
the glance doesn't tell apart 30. A larger uncertain line is no text at full size either."""
_MOST_PARTS = 0.5
"""Share of a picture that is looked at again in parts."""
_STEP = 32
"""The model that finds lines takes sides that are multiples of this."""
_LINE_HEIGHT, _LEAST_LINE_WIDTH, _MOST_LINE_WIDTH = 48, 160, 6400
"""Size in pixels of a line that is read: a short one is padded, one longer than 1280 x 10 is squeezed."""
_NARROW, _SURE = 0.75, 0.97
"""A line is read at this share of its width first, which takes as much less time, and at its own width where the model
is less sure. Of 606 lines of 13 to 34 pixels drawn onto frames of real footage, one in six was read twice; on
slides, one in fifty."""
_MOST_LINES = 1000
_IS_TEXT, _IS_LINE, _GROWTH = 0.3, 0.5, 1.6
"""What RapidOCR uses: probability of a pixel of text, least mean of a line's, and growth of the core that the model
marks to the whole line, as its area over its circumference."""
_MAY_BE_LINE = 0.3
"""Of two small lines that the glance doesn't tell apart the mean is 0.45."""
_LEAST_CORE, _LEAST_SIDE = 3, 5
_ROW = 10
"""Lines whose tops differ by fewer pixels are in one row."""
_NUM_REMEMBERED = 4
"""Pictures whose lines may return, the one that is read included."""
_JITTER = 4
"""Pixels by which the box of the same line differs."""
_SAME = 0.1
"""Largest difference of the same line, as a share of the contrast around it. Lines compressed by H.264 (CRF 23) mostly
had 0 to 0.06; the most similar characters, 未 and 末 of 13 pixels, have 0.11, digits 0.3 and more."""
_LEAST_CONTRAST = 32
_AROUND = (15, 15)

Corners = NDArray[np.float32]
"""Of a line: top left, top right, bottom right, bottom left; pixels."""
Box = tuple[int, int, int, int]
"""Left, top, right, bottom; pixels."""


@dataclass(frozen=True)
class _Line:
    """A line that was read: its picture, its corners, its text, even if uncertain."""

    image: Image
    corners: Corners
    text: str
    confidence: float

    @cached_property
    def box(self) -> Box:
        return _box(self.corners)

    @property
    def is_certain(self) -> bool:
        return is_certain(self.text, self.confidence)


class TextReader:
    """Reader of texts; remembers the lines of the last pictures. Not thread-safe."""

    def __init__(self) -> None:
        self._finder = _session("det", _THREADS)
        self._recogniser = _session("rec", 1)  # lines are read at the same time instead
        characters = self._recogniser.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._characters = ["", *characters, " "]  # the first means none
        self._pool = ThreadPoolExecutor(_THREADS)
        self._remembered: deque[list[_Line]] = deque(maxlen=_NUM_REMEMBERED)

    def __call__(self, image: Image) -> tuple[ScreenText, ...]:
        """Return the texts on a BGR picture, row by row."""
        self._remembered.append([])
        detections = self._find(image, _GLANCE_SIDE)
        lines = self._read(image, [corners for corners, probability in detections if probability >= _IS_LINE])
        if max(image.shape[:2]) > _GLANCE_SIDE:
            lines = self._look_closer(image, lines, [corners for corners, p in detections if p < _IS_LINE])
        return tuple(_screen_text(line) for line in _in_rows([line for line in lines if line.is_certain]))

    def _look_closer(self, image: Image, lines: Sequence[_Line], hints: Sequence[Corners]) -> list[_Line]:
        """Return the lines after a look at full size where they are small or uncertain, and at the hints."""
        certain = [line for line in lines if line.is_certain]
        uncertain = [line.corners for line in lines if not line.is_certain] + list(hints)
        scale = max(image.shape[:2]) / _GLANCE_SIDE
        doubtful = [line.corners for line in certain if min(_size(line.corners)) < _SMALL_LINE * scale]
        doubtful += [corners for corners in uncertain if min(_size(corners)) < _LARGE_LINE * scale]
        closer: list[Corners] = []
        for left, top, right, bottom in _regions(image, [_box(corners) for corners in doubtful]):
            for corners, probability in self._find(image[top:bottom, left:right], _FULL_SIDE):
                placed = corners + np.array([left, top], np.float32)
                accepted = closer + [line.corners for line in certain]
                if probability >= _IS_LINE and not any(_covers(_box(other), placed) for other in accepted):
                    closer.append(placed)
        added = [line for line in self._read(image, closer) if line.is_certain]
        return [line for line in lines if not any(_covers(other.box, line.corners) for other in added)] + added

    def _find(self, image: Image, side: int) -> list[tuple[Corners, float]]:
        """Return the corners of lines on a picture, shrunk to this longer side at most, and their probabilities."""
        height, width = image.shape[:2]
        scale = min(1.0, side / max(height, width))
        size = [max(_STEP, round(length * scale / _STEP) * _STEP) for length in (width, height)]
        small = as_image(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        core = self._finder.run(None, {"x": _as_input(small)})[0][0, 0]
        enlarged = np.array([width, height]) / size
        lines = []
        for corners, probability in _lines_on(core):
            placed = np.round(corners * enlarged).clip(0, (width - 1, height - 1)).astype(np.float32)
            if min(_size(placed)) >= _LEAST_SIDE:
                lines.append((placed, probability))
        return lines

    def _read(self, image: Image, lines: Sequence[Corners]) -> list[_Line]:
        read = list(self._pool.map(lambda corners: self._line(image, corners), lines))
        self._remembered[-1].extend(read)
        return read

    def _line(self, image: Image, corners: Corners) -> _Line:
        for line in (line for lines in reversed(self._remembered) for line in lines):
            if _is_same(image, _box(corners), line):
                return _Line(image, corners, line.text, line.confidence)
        return _Line(image, corners, *self._recognise(_upright(image, corners)))

    def _recognise(self, line: Image) -> tuple[str, float]:
        """Return the text of a line and the mean confidence of its characters."""
        width = min(_MOST_LINE_WIDTH, math.ceil(_LINE_HEIGHT * line.shape[1] / line.shape[0]))
        read = self._recognise_at(line, math.ceil(_NARROW * width)) if width > _LEAST_LINE_WIDTH else ("", 0.0)
        return read if read[1] >= _SURE else self._recognise_at(line, width)

    def _recognise_at(self, line: Image, width: int) -> tuple[str, float]:
        shrinks = width < line.shape[1] and line.shape[0] >= _LINE_HEIGHT
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        pixels = _as_input(as_image(cv2.resize(line, (width, _LINE_HEIGHT), interpolation=way)))
        missing = max(0, _LEAST_LINE_WIDTH - width)
        steps = self._recogniser.run(None, {"x": np.pad(pixels, ((0, 0), (0, 0), (0, 0), (0, missing)))})[0][0]
        indices = steps.argmax(axis=1)
        is_new = (indices != 0) & (indices != np.concatenate(([0], indices[:-1])))
        if not is_new.any():
            return "", 0.0
        text = "".join(self._characters[index] for index in indices[is_new])
        return text.strip(), float(steps.max(axis=1)[is_new].mean())


def is_certain(text: str, confidence: float) -> bool:
    """Return whether a reading counts as text on the screen; `confidence` is the recogniser's, 0 to 1."""
    return bool(text) and confidence >= (_LEAST_CONFIDENCE_OF_ONE if len(text) == 1 else _LEAST_CONFIDENCE)


def _session(part: str, threads: int) -> InferenceSession:
    options = SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait for each other cost a fifth of the processor time and make nothing faster.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return InferenceSession(str(_bundled_model(part)), sess_options=options, providers=["CPUExecutionProvider"])


def _bundled_model(part: str) -> Path:
    """Return the wheel's model for one part."""
    spec = find_spec("rapidocr")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else Path("rapidocr")
    models = sorted(folder.glob(f"*_{part}_*.onnx"))
    if not models:
        raise FileNotFoundError(f"no *_{part}_*.onnx in {folder}")
    return models[-1]


def _as_input(image: Image) -> NDArray[np.float32]:
    """Return a BGR picture as both models take it."""
    return (image.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[np.newaxis]


def _lines_on(core: NDArray[np.float32]) -> Iterator[tuple[Corners, float]]:
    """Yield the corners and probabilities of lines where the model marks their cores, each pixel with a probability."""
    mask = cv2.dilate((core > _IS_TEXT).astype(np.uint8), np.ones((2, 2), np.uint8))
    for contour in cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0][:_MOST_LINES]:
        centre, (width, height), angle = cv2.minAreaRect(contour)
        if min(width, height) < _LEAST_CORE:
            continue
        probability = _mean_within(core, (centre, (width, height), angle))
        growth = _GROWTH * width * height / (width + height)
        if probability >= _MAY_BE_LINE and min(width, height) + growth >= _LEAST_SIDE:
            yield _order(cv2.boxPoints((centre, (width + growth, height + growth), angle))), probability


def _mean_within(core: NDArray[np.float32], rectangle: cv2.typing.RotatedRect) -> float:
    """Return the mean of the probabilities in a rectangle."""
    corners = cv2.boxPoints(rectangle)
    left, top = np.floor(corners.min(axis=0)).astype(int).clip(0)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 1
    part = core[top:bottom, left:right]
    inside = cv2.fillPoly(np.zeros(part.shape, np.uint8), [(corners - (left, top)).astype(np.int32)], 1)
    return float(cv2.mean(part, inside)[0])


def _order(corners: NDArray[Any]) -> Corners:
    """Return the corners of a rectangle, the top left first, clockwise."""
    by_left = corners[np.argsort(corners[:, 0])]
    left, right = (side[np.argsort(side[:, 1])] for side in (by_left[:2], by_left[2:]))
    return np.array([left[0], right[0], right[1], left[1]], np.float32)


def _size(corners: Corners) -> tuple[int, int]:
    """Return the width and height of a line along its own edges."""
    return int(np.linalg.norm(corners[0] - corners[1])), int(np.linalg.norm(corners[0] - corners[3]))


def _upright(image: Image, corners: Corners) -> Image:
    """Cut a line out of a picture, level; one that is higher than wide is turned to the left."""
    width, height = _size(corners)
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    line = as_image(
        cv2.warpPerspective(
            image,
            cv2.getPerspectiveTransform(corners, flat),
            (width, height),
            borderMode=cv2.BORDER_REPLICATE,
            flags=cv2.INTER_CUBIC,
        )
    )
    return np.ascontiguousarray(np.rot90(line)) if height >= 1.5 * width else line


def _box(corners: Corners) -> Box:
    """Return the upright box around the corners."""
    left, top = (int(edge) for edge in corners.min(axis=0))
    right, bottom = (int(edge) for edge in corners.max(axis=0))
    return left, top, right, bottom


def _covers(box: Box, corners: Corners) -> bool:
    """Return whether a line at these corners is in the box but for half its height."""
    left, top, right, bottom = _box(corners)
    margin = min(_size(corners)) / 2
    return box[0] - margin <= left and right <= box[2] + margin and box[1] - margin <= top and bottom <= box[3] + margin


def _regions(image: Image, boxes: Sequence[Box]) -> list[Box]:
    """Return the parts of a picture to look at again: around these boxes, or everything where that is much of it."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    for left, top, right, bottom in boxes:
        margin = max(_STEP, bottom - top)
        mask[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin] = 1
    _, _, areas, _ = cv2.connectedComponentsWithStats(mask)
    parts = [(left, top, left + across, top + down) for left, top, across, down, _ in areas[1:].tolist()]
    share = sum((right - left) * (bottom - top) for left, top, right, bottom in parts) / (width * height)
    return [(0, 0, width, height)] if share > _MOST_PARTS else parts


def _is_same(image: Image, box: Box, line: _Line) -> bool:
    """Return whether the box holds what is on the line's own picture, there or further up or down."""
    left, top, right, bottom = box
    its_left, its_top, its_right, its_bottom = line.box
    height = max(bottom - top, its_bottom - its_top)
    differences = (left - its_left, right - its_right, bottom - top - (its_bottom - its_top))
    if image.shape != line.image.shape or max(map(abs, differences)) > _JITTER:
        return False
    columns = slice(min(left, its_left), max(right, its_right))
    part = image[top : top + height, columns]
    its_tops = range(max(0, its_top - _JITTER), its_top + _JITTER + 1)
    parts = [line.image[its : its + height, columns] for its in its_tops]
    nearest = min(
        (its for its in parts if its.shape == part.shape),
        key=lambda its: cv2.norm(part, its, cv2.NORM_L1),
        default=None,
    )
    if nearest is None:
        return False
    difference = cv2.blur(cv2.absdiff(part, nearest), (3, 3))
    contrast = cv2.morphologyEx(part, cv2.MORPH_GRADIENT, np.ones(_AROUND, np.uint8))
    return bool((difference <= _SAME * contrast.clip(_LEAST_CONTRAST).max(axis=2, keepdims=True)).all())


def _in_rows(lines: Sequence[_Line]) -> Iterator[_Line]:
    """Yield lines from top to bottom, those of a row from left to right."""
    by_top = sorted(lines, key=lambda line: line.box[1])
    tops = np.array([line.box[1] for line in by_top])
    rows = np.concatenate(([0], np.cumsum(np.diff(tops) >= _ROW))) if len(tops) else tops
    yield from (line for _, line in sorted(zip(rows, by_top, strict=True), key=lambda pair: (pair[0], pair[1].box[0])))


def _screen_text(line: _Line) -> ScreenText:
    """Return a line with its box as shares of the picture."""
    height, width = line.image.shape[:2]
    left, top, right, bottom = line.box
    box = round(left / width, 4), round(top / height, 4), round(right / width, 4), round(bottom / height, 4)
    return ScreenText(line.text, round(line.confidence, 3), box)
