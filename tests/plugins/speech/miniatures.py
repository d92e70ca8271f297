"""Small models in ONNX with the inputs, outputs and metadata of those that sherpa-onnx reads.

They have no training but a meaning: the one marks where a low or a bright voice is loud, the other says which of them
it hears. So sherpa-onnx itself can be tested, its windows, its clustering and its times. They say nothing of how well
real models separate people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.spoken import RATE

Array = NDArray[np.float32]
_KERNEL, _STEP, _WIDTH = 129, 270, 991
_LOUD = 0.002
_FLOAT, _FLOATS_KIND, _INT_KIND, _INTS_KIND = 1, 1, 2, 7


def write_segmentation(path: Path) -> None:
    """Write what pyannote's segmentation is to sherpa-onnx: [N, 1, T] to [N, frames, 7], the sets of 3 speakers."""
    bands = np.stack([_band(80, 1000), 2 * _band(1500, 7000)])[:, None, :].astype(np.float32)
    mix, bias = np.zeros((7, 2, 1), np.float32), np.full(7, -1000, np.float32)
    mix[1, 0] = mix[2, 1] = 1000
    bias[0], bias[1:3] = 0, -1000 * _LOUD
    nodes = [
        _node("Conv", ["x", "bands"], "filtered", pads=[64, 64], kernel_shape=[_KERNEL]),
        _node("Abs", ["filtered"], "rectified"),
        _node("AveragePool", ["rectified"], "loudness", kernel_shape=[_WIDTH], strides=[_STEP]),
        _node("AveragePool", ["loudness"], "smooth", kernel_shape=[31], strides=[1], pads=[15, 15]),
        _node("Conv", ["smooth", "mix", "bias"], "mixed", kernel_shape=[1]),
        _node("Transpose", ["mixed"], "y", perm=[0, 2, 1]),
    ]
    about = {
        "model_type": "pyannote-segmentation-3.0",
        "sample_rate": RATE,
        "window_size": 10 * RATE,
        "receptive_field_size": _WIDTH,
        "receptive_field_shift": _STEP,
        "num_speakers": 3,
        "powerset_max_classes": 2,
        "num_classes": 7,
    }
    constants = {"bands": bands, "mix": mix, "bias": bias}
    path.write_bytes(_model(nodes, ("x", ["N", 1, "T"]), [("y", ["N", "F", 7])], constants, about))


def write_embedding(path: Path) -> None:
    """Write what 3D-Speaker's embedding is to sherpa-onnx: [N, T, 80] to [N, 2], how low and how bright a voice is."""
    ramp = np.linspace(-1, 1, 80, dtype=np.float32) / 80
    slopes = np.stack([-ramp, ramp], axis=1)
    nodes = [
        _node("ReduceMean", ["x"], "spectrum", axes=[1], keepdims=0),
        _node("MatMul", ["spectrum", "slopes"], "tilted"),
        _node("Add", ["tilted", "middle"], "centred"),
        _node("Relu", ["centred"], "embedding"),
    ]
    about = {
        "framework": "3d-speaker",
        "language": "Chinese-English",
        "url": "",
        "comment": "",
        "sample_rate": RATE,
        "output_dim": 2,
        "normalize_samples": 1,
        "feature_normalize_type": "",
    }
    constants = {"slopes": slopes, "middle": np.array([1, -1], np.float32)}
    path.write_bytes(_model(nodes, ("x", ["N", "T", 80]), [("embedding", ["N", 2])], constants, about))


def _band(low: float, high: float) -> NDArray[np.float64]:
    """Return the taps of a band-pass filter between two frequencies in hertz."""
    place = np.arange(_KERNEL) - _KERNEL // 2
    up_to = [2 * hertz / RATE * np.sinc(2 * hertz / RATE * place) for hertz in (low, high)]
    taps: NDArray[np.float64] = (up_to[1] - up_to[0]) * np.hamming(_KERNEL)
    return taps


# ---- the format: protocol buffers with the numbers of onnx.proto3


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    data = value.encode() if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(data)) + data


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: int | list[int]) -> bytes:
    head = b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, kind)
    return head + b"".join(_field(5, _attribute(name, value)) for name, value in attributes.items())


def _attribute(name: str, value: int | list[int]) -> bytes:
    if isinstance(value, int):
        return _field(1, name) + _field(3, value) + _field(20, _INT_KIND)
    return _field(1, name) + b"".join(_field(8, one) for one in value) + _field(20, _INTS_KIND)


def _tensor(name: str, values: Array) -> bytes:
    sizes = b"".join(_field(1, size) for size in values.shape)
    return sizes + _field(2, _FLOAT) + _field(8, name) + _field(9, values.tobytes())


def _value(name: str, sizes: Sequence[int | str]) -> bytes:
    shape = b"".join(_field(1, _field(1 if isinstance(size, int) else 2, size)) for size in sizes)
    return _field(1, name) + _field(2, _field(1, _field(1, _FLOAT) + _field(2, shape)))


def _model(
    nodes: Sequence[bytes],
    given: tuple[str, list[int | str]],
    found: Sequence[tuple[str, list[int | str]]],
    constants: Mapping[str, Array],
    about: Mapping[str, int | str],
) -> bytes:
    graph = b"".join(_field(1, one) for one in nodes) + _field(2, "graph")
    graph += b"".join(_field(5, _tensor(name, values)) for name, values in constants.items())
    graph += _field(11, _value(*given)) + b"".join(_field(12, _value(*one)) for one in found)
    described = b"".join(_field(14, _field(1, name) + _field(2, str(value))) for name, value in about.items())
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 13)) + described
