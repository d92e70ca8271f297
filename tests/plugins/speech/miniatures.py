"""Small models in ONNX with the inputs, outputs and metadata of the models that sherpa-onnx reads.

They have no training but a meaning: the first marks where a low or a bright voice is loud, the second says which voice
it hears. So sherpa-onnx itself can be tested, its windows, its clustering and its times. They say nothing of how well
real models separate people.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.spoken import RATE

_KERNEL, _STEP, _WIDTH = 129, 270, 991
_LOUD = 0.002
_INT_KIND, _INTS_KIND = 2, 7
_KINDS = {"float32": 1, "int32": 6, "int64": 7}
_FEATURES = 560
_FRONT_END: Mapping[str, int | str] = {
    "lfr_window_size": 7,
    "lfr_window_shift": 6,
    "neg_mean": ",".join(["0"] * _FEATURES),
    "inv_stddev": ",".join(["1"] * _FEATURES),
}
_VOICE_TOKENS = ("<blk>", "<|zh|>", "<|NEUTRAL|>", "<|Speech|>", "<|withitn|>", "你", "好", "。", "▁he", "llo", "▁you")
_FORMER_TOKENS = ("<blank>", "<s>", "</s>", "你", "好", "he@@", "llo", "you")
STEP_SECONDS = 0.6
"""Distance of the tokens that the model of SenseVoice's form hears, whatever is said: frames of 60 ms, ten by ten."""


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
    path.write_bytes(_model(nodes, [_value("x", ["N", 1, "T"])], [_value("y", ["N", "F", 7])], constants, about))


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
    path.write_bytes(_model(nodes, [_value("x", ["N", "T", 80])], [_value("embedding", ["N", 2])], constants, about))


def write_sense_voice(folder: Path) -> None:
    """Write what SenseVoice is to sherpa-onnx; after the four tokens about a recording it hears "你好。hello you"."""
    nodes = [
        _node("Shape", ["x"], "shape"),
        _node("Gather", ["shape", "one"], "length", axis=0),
        _node("Add", ["length", "four"], "end"),
        _node("Slice", ["places", "zero", "end", "one"], "logits"),
    ]
    places = np.zeros((1, 600, len(_VOICE_TOKENS)), np.float32)
    places[:, :, 0] = 1
    for place in range(4):
        places[0, place, place + 1] = 2
    said = range(5, len(_VOICE_TOKENS))
    for count, place in enumerate(range(4, 600, 10)):
        places[0, place, said[count % len(said)]] = 2
    numbers = {name: np.array([value], np.int64) for name, value in (("zero", 0), ("one", 1), ("four", 4))}
    given = [_value("x", ["N", "T", _FEATURES])]
    given += [_value(name, ["N"], "int32") for name in ("x_length", "language", "text_norm")]
    languages = {"lang_auto": 0, "lang_zh": 3, "lang_en": 4, "lang_yue": 7, "lang_ja": 11, "lang_ko": 12}
    about = {
        **_FRONT_END,
        **languages,
        "model_type": "sense_voice_ctc",
        "comment": "",
        "vocab_size": len(_VOICE_TOKENS),
        "normalize_samples": 0,
        "with_itn": 14,
        "without_itn": 15,
    }
    found = [_value("logits", ["N", "T", "V"])]
    _write_with_tokens(folder, _model(nodes, given, found, {"places": places, **numbers}, about), _VOICE_TOKENS)


def write_paraformer(folder: Path) -> None:
    """Write what Paraformer without times is to sherpa-onnx; it hears "你好 hello you" in every passage."""
    nodes = [_node("Identity", ["said"], "logits"), _node("Identity", ["count"], "token_num")]
    said = np.zeros((1, 6, len(_FORMER_TOKENS)), np.float32)
    for place, token in enumerate((3, 4, 5, 6, 7, 2)):
        said[0, place, token] = 1
    given = [_value("speech", ["N", "T", _FEATURES]), _value("speech_lengths", ["N"], "int32")]
    found = [_value("logits", ["N", "L", "V"]), _value("token_num", ["N"], "int32")]
    about = {**_FRONT_END, "model_type": "paraformer", "vocab_size": len(_FORMER_TOKENS)}
    constants = {"said": said, "count": np.array([6], np.int32)}
    _write_with_tokens(folder, _model(nodes, given, found, constants, about), _FORMER_TOKENS)


def _write_with_tokens(folder: Path, model: bytes, tokens: Sequence[str]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "model.int8.onnx").write_bytes(model)
    (folder / "tokens.txt").write_text("".join(f"{token} {place}\n" for place, token in enumerate(tokens)), "utf-8")


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


def _tensor(name: str, values: NDArray[Any]) -> bytes:
    sizes = b"".join(_field(1, size) for size in values.shape)
    return sizes + _field(2, _KINDS[values.dtype.name]) + _field(8, name) + _field(9, values.tobytes())


def _value(name: str, sizes: Sequence[int | str], kind: str = "float32") -> bytes:
    shape = b"".join(_field(1, _field(1 if isinstance(size, int) else 2, size)) for size in sizes)
    return _field(1, name) + _field(2, _field(1, _field(1, _KINDS[kind]) + _field(2, shape)))


def _model(
    nodes: Sequence[bytes],
    given: Sequence[bytes],
    found: Sequence[bytes],
    constants: Mapping[str, NDArray[Any]],
    about: Mapping[str, int | str],
) -> bytes:
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "graph")
    graph += b"".join(_field(5, _tensor(name, values)) for name, values in constants.items())
    graph += b"".join(_field(11, one) for one in given) + b"".join(_field(12, one) for one in found)
    described = b"".join(_field(14, _field(1, name) + _field(2, str(value))) for name, value in about.items())
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 13)) + described
