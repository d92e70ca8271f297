"""A tiny checkpoint that needs code of its own; importing the code writes a line into a file: it ran."""

import json
import shutil
from pathlib import Path

_TINY = Path(__file__).parent / "fixtures" / "tiny-text"
_CONFIGURATION = """
from pathlib import Path

from transformers import Qwen2Config

from .marker import MARKER

with Path(MARKER).open("a") as file:
    file.write("{word}\\n")


class TinyConfig(Qwen2Config):
    model_type = "tiny_remote"
"""


def make_checkpoint(folder: Path, *, repository: str = "", word: str = "ran") -> Path:
    """Copy the tiny text model to `folder` with code of its own, and return the file that the code writes.

    Args:
        folder: A folder that doesn't exist.
        repository: "owner/name--" names the code of another repository in `auto_map`; its files are made here anyway.
        word: What the code writes.
    """
    shutil.copytree(_TINY, folder)
    marker = folder.with_name(f"{folder.name}-marker")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "tiny_remote", "auto_map": {"AutoConfig": f"{repository}configuration_tiny.TinyConfig"}}
    (folder / "config.json").write_text(json.dumps(config))
    write_code(folder, marker, word)
    return marker


def write_code(folder: Path, marker: Path, word: str = "ran") -> None:
    """Write the two modules: the module that `auto_map` names and the module that it imports."""
    (folder / "configuration_tiny.py").write_text(_CONFIGURATION.replace("{word}", word))
    (folder / "marker.py").write_text(f"import subprocess  # unused\n\nMARKER = {str(marker)!r}\n")
