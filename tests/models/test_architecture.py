"""Rough counts of weights from a config.json, against published figures and files."""

import json
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.core.errors import ModelNotFound
from framelens.core.units import gib_text
from framelens.models.catalogue import built_in
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.checkpoint import loaded_bytes, read_config, shape_in, weights_in
from framelens.models.memory import MemoryEstimate

each_entry = pytest.mark.parametrize("entry", built_in().by_id.values(), ids=lambda entry: entry.id)


NOT_COUNTED = {"gemma4": 0.20, "minicpmv4_6": 0.11}
"""Share of parts that only one family has: Gemma's tower for sound and wide layers, MiniCPM's mergers of windows."""


@each_entry
def test_counts_are_near_the_published_figures(entry: CatalogueEntry) -> None:
    near = NOT_COUNTED.get(entry.shape.model_type, 0.03)
    assert replace(entry.shape, published=0).parameters == pytest.approx(entry.parameters, rel=near)
    assert MemoryEstimate.weights_bytes(replace(entry.shape, stored_bytes=0)) == pytest.approx(
        MemoryEstimate.weights_bytes(entry.shape), rel=near
    )


@each_entry
def test_every_entry_has_the_size_of_its_weights(entry: CatalogueEntry) -> None:
    assert entry.shape.stored_bytes and entry.shape.published == entry.parameters


@pytest.mark.parametrize("name", ["tiny-vl", "tiny-text"])
def test_weights_of_a_folder_are_those_of_its_files(name: str, tiny_vl: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_vl.parent / name, folder := tmp_path / "m")
    data = (folder / "model.safetensors").read_bytes()
    held = len(data) - 8 - struct.unpack("<Q", data[:8])[0]
    config = read_config(folder)
    assert weights_in(folder) == (held, held // 2)
    assert (shape_in(folder, config).parameters, MemoryEstimate.weights_bytes(shape_in(folder, config))) == (
        held // 2,
        held,
    )
    assert MemoryEstimate.weights_bytes(shape_in(folder, {**config, "dtype": "float32"})) == 2 * held
    index = folder / "model.safetensors.index.json"
    (folder / "consolidated.safetensors").write_bytes(data)
    for weight_map, found in (({"a": "model.safetensors"}, held), ({"a": "missing.safetensors"}, 0)):
        index.write_text(json.dumps({"weight_map": weight_map}))
        assert weights_in(folder)[0] == found
    assert MemoryEstimate.weights_bytes(shape_in(folder, config)) == pytest.approx(held, rel=0.1), "as counted"


def test_weights_of_an_unknown_family_are_named(tmp_path: Path, tiny_vl: Path) -> None:
    shutil.copytree(tiny_vl.parent / "tiny-text", folder := tmp_path / "m")
    with pytest.raises(ModelNotFound) as caught:
        shape_in(folder, {"model_type": "mamba", "d_model": 64})
    held = weights_in(folder)[0]
    assert loaded_bytes(folder) == held
    assert (caught.value.key, caught.value.values["weights"]) == ("model_type_weights", gib_text(held))


@pytest.mark.parametrize(("dtype", "width", "least"), [("F32", 4, 2), ("F64", 8, 2), ("BF16", 2, 2), ("I32", 4, 4)])
def test_weights_in_32_bits_may_be_loaded_in_16(dtype: str, width: int, least: int, tmp_path: Path) -> None:
    """Packed numbers of 4 bits are stored as I32 and stay so."""
    header = json.dumps({"a": {"dtype": dtype, "shape": [10, 3], "data_offsets": [0, 30 * width]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert weights_in(tmp_path) == (30 * width, 30)
    assert loaded_bytes(tmp_path) == 30 * least
