"""Command `framelens download [MODEL] [FOLDER]`: downloads a model into its own folder and prints the line for `.env`.

Run again after an interruption, it resumes. Progress goes to standard error; the line for `.env` is the last one of
standard output, where a script can read it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from app import config
from app.cli.common import cancel_on_signals
from app.config import DEFAULT_MODEL_PATH
from app.core import EngineProgress, Language
from app.engine import MIRROR, check_model_folder, download, resolve_model
from app.i18n import LANGUAGES, t
from app.services import pass_on

_STEP = 0.05
"""Share of the whole after which progress is written again, if not to a terminal. Chosen by hand; not tuned."""


def add_arguments(parser: argparse.ArgumentParser, language: Language) -> None:
    """Add the arguments of this command."""
    words = t("cli.download_model", language, default=DEFAULT_MODEL_PATH)
    parser.add_argument("model", nargs="?", default=DEFAULT_MODEL_PATH, metavar="MODEL", help=words)
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help=t("cli.download_folder", language))
    parser.add_argument("--mirror", action="store_true", help=t("cli.mirror", language, mirror=MIRROR))
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language", language))
    parser.add_argument("--quiet", action="store_true", help=t("cli.quiet", language))


def run(given: argparse.Namespace, language: Language) -> int:
    """Download the model, print its folder and return the exit code.

    Raises:
        AppError: The model can't be found, downloaded or used, or the user stopped it.
    """
    settings = config.load()
    language = given.language or settings.language or language
    pass_on(settings)
    if given.mirror:
        os.environ.setdefault("HF_ENDPOINT", MIRROR)
    found = resolve_model(given.model)
    if found.hub_id is None:  # it names a local folder
        assert found.folder is not None
        folder = found.folder.absolute()
    else:
        folder = (given.folder or Path("~/models") / found.hub_id.rsplit("/", 1)[-1]).expanduser().absolute()
        show = (lambda _: None) if given.quiet else _progress_printer(language)
        try:
            download(found.hub_id, show, cancel_on_signals(), folder=folder)
        finally:
            if sys.stderr.isatty() and not given.quiet:
                print(file=sys.stderr)  # ends the progress line
    check_model_folder(folder)
    print(t("cli.downloaded", language, folder=folder))
    print(f"VLLM_MODEL_PATH={folder}")
    return 0


def _progress_printer(language: Language) -> Callable[[EngineProgress], None]:
    """Return a progress listener: one changing line in a terminal, occasional lines elsewhere."""
    shown_share = -1.0

    def show(phase: EngineProgress) -> None:
        nonlocal shown_share
        done, total = int(str(phase.values["bytes_done"])), int(str(phase.values["bytes_total"]))
        line, share = t(f"engine.phase.{phase.phase}", language, **phase.values), done / total if total else 1.0
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{line}")
        elif share - shown_share >= _STEP or (share == 1 and shown_share < 1):
            sys.stderr.write(line + "\n")
        else:
            return
        shown_share = share
        sys.stderr.flush()

    return show
