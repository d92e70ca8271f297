"""Small, whole model folders to be broken by tests: real safetensors files and a config.json, a few kilobytes."""

import json
import struct


def safetensors(size: int = 1000) -> bytes:
    """A valid safetensors file with a tensor of `size` bytes."""
    header = json.dumps({"weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + (bytes(range(251)) * (size // 251 + 1))[:size]


def model_files(shards: int = 2, size: int = 1000) -> dict[str, bytes]:
    """The files of a sharded model by name."""
    names = [f"model-{number:05}-of-{shards:05}.safetensors" for number in range(1, shards + 1)]
    index = {"weight_map": {f"layer.{number}": name for number, name in enumerate(names)}}
    return {
        "config.json": b'{"model_type": "qwen2_5_vl"}',
        "tokenizer.json": b"{}",
        "model.safetensors.index.json": json.dumps(index).encode(),
        **{name: safetensors(size + number) for number, name in enumerate(names)},
    }
