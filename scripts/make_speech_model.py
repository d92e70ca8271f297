"""Make the tiny Whisper that tests of the speech path start a real engine on: `--out FOLDER`, under a megabyte."""

from __future__ import annotations

import argparse
from pathlib import Path

from test_models.speech import save_speech_model


def main() -> None:
    """Make the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write the checkpoint into")
    save_speech_model(parser.parse_args().out)


if __name__ == "__main__":
    main()
