"""Rough counts of weights from a config.json, against published figures and files."""

from __future__ import annotations

import json
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.models.catalogue import built_in
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.checkpoint import shape_in, stored_bytes
from framelens.models.memory import weights_bytes

each_entry = pytest.mark.parametrize("entry", built_in().by_id.values(), ids=lambda entry: entry.id)


@each_entry
def test_counts_are_near_the_published_figures(entry: CatalogueEntry) -> None:
    assert replace(entry.shape, published=0).parameters == pytest.approx(entry.parameters, rel=0.03)
    assert weights_bytes(replace(entry.shape, stored_bytes=0)) == pytest.approx(weights_bytes(entry.shape), rel=0.03)


@each_entry
def test_every_entry_has_the_size_of_its_weights(entry: CatalogueEntry) -> None:
    assert entry.shape.stored_bytes and entry.shape.published == entry.parameters


@pytest.mark.parametrize("name", ["tiny-vl", "tiny-text"])
def test_size_of_weights_is_that_of_the_file(name: str, tiny_vl: Path, tmp_path: Path) -> None:
    folder = tiny_vl.parent / name
    data = (folder / "model.safetensors").read_bytes()
    assert stored_bytes(folder) == len(data) - 8 - struct.unpack("<Q", data[:8])[0]
    config = json.loads((folder / "config.json").read_text())
    assert weights_bytes(shape_in(folder, config)) == stored_bytes(folder)
    shutil.copytree(folder, tmp_path / "m")
    index = tmp_path / "m" / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 12345}, "weight_map": {}}))
    assert stored_bytes(tmp_path / "m") == 12345
    index.write_text("[]")
    assert stored_bytes(tmp_path / "m") == stored_bytes(tmp_path) == 0
