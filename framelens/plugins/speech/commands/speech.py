"""Command `framelens speech`: says what transcribes on this machine and how fast, and downloads its model."""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib.metadata import version

from framelens import config
from framelens.cli.common import cancel_on_signals, use_language
from framelens.cli.listening import settle_speech
from framelens.config import export_environment
from framelens.core.errors import ConfigError
from framelens.core.units import human_size
from framelens.i18n import LANGUAGES, t
from framelens.i18n.formatting import span
from framelens.plugins.speech import models
from framelens.plugins.speech.hub_model import check_installed
from framelens.plugins.speech.recogniser import default_size
from framelens.plugins.speech.sherpa_models import NAMES
from framelens.services.recognition import LocalModel, LocalRecogniser, local_diariser, local_recogniser

_HOUR = 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    sizes = ", ".join((*models.SIZES, *NAMES))
    parser.add_argument("model", nargs="?", metavar="MODEL", help=t("cli.speech_model", sizes=sizes))
    parser.add_argument("--speakers", action="store_true", help=t("cli.speech_speakers"))
    parser.add_argument("--download", action="store_true", help=t("cli.speech_fetch"))
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))
    parser.add_argument("--quiet", action="store_true", help=t("cli.quiet"))


def run(given: argparse.Namespace) -> int:
    """Print the state of the model, or download it, and return the exit code.

    Raises:
        AppError: There is no such model, what runs it is not installed, or the download failed.
    """
    settings = config.load()
    use_language(given, settings)
    export_environment(settings)
    cancel = cancel_on_signals()
    recogniser = None if given.speakers else _recogniser(given, settings)
    local: LocalModel | None = local_diariser(settings) if given.speakers else recogniser
    if local is None:
        print(t("cli.speech_elsewhere", model=settings.speech_model_path or settings.speech_base_url))
        return 0
    check_installed((local.engine.replace("-", "_"),), local.name)
    if given.download:
        settle_speech(local, cancel, confirmed=True, quiet=given.quiet)
    _print_state(local, given)
    if recogniser and (pace := recogniser.pace()):
        print(t("cli.speech_pace", time=span(pace * _HOUR, pace * _HOUR)))
    return 0


def _recogniser(given: argparse.Namespace, settings: config.Settings) -> LocalRecogniser | None:
    """Return the recogniser on this machine, or None if a speech engine is used instead. Raises AppErrors."""
    if given.model:
        settings = replace(settings, speech_model_path=given.model, speech_base_url="")
    check_installed(models.PACKAGES, given.model or settings.speech_model_path or default_size())
    local = local_recogniser(settings)
    if local is None and (given.model or given.download):
        raise ConfigError(
            "speech_model_unknown", given=settings.speech_model_path, sizes=", ".join((*models.SIZES, *NAMES))
        )
    return local


def _print_state(local: LocalModel, given: argparse.Namespace) -> None:
    """Print what runs the model, and where it is."""
    size = local.download_bytes()
    command = " ".join(["framelens speech", *(["--speakers"] if given.speakers else []), "--download"])
    words = "speakers_engine" if given.speakers else "engine"
    print(t(f"cli.speech_{words}", engine=local.engine, version=version(local.engine), model=local.label))
    absent = t("cli.speech_not_here", size=human_size(size) if size else "?", command=command)
    print(t("cli.speech_here") if size == 0 else absent)
