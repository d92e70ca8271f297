"""Make the tiny DeepSeek-VL models that tests start the second engine on: `--out FOLDER`, under a megabyte in all."""

from __future__ import annotations

import argparse
from pathlib import Path

from test_models.deepseek import KINDS, save_deepseek


def main() -> None:
    """Make the models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write the checkpoints into")
    out = parser.parse_args().out
    for kind in KINDS:
        save_deepseek(out / kind, kind)


if __name__ == "__main__":
    main()
