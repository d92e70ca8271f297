"""Make the tiny Whisper that tests of the speech path start a real engine on: `--out FOLDER`, under a megabyte."""

from __future__ import annotations

import argparse
from pathlib import Path

from test_models.speech import save_for_ctranslate2, save_speech_model


def main() -> None:
    """Make the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write the checkpoint into")
    parser.add_argument("--ctranslate2", action="store_true", help="write it in the format that faster-whisper reads")
    given = parser.parse_args()
    (save_for_ctranslate2 if given.ctranslate2 else save_speech_model)(given.out)


if __name__ == "__main__":
    main()
