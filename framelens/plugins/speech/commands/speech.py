"""Command `framelens speech`: says what transcribes on this machine and how fast, and downloads its model."""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib.metadata import version

from framelens import config
from framelens.cli.common import cancel_on_signals, use_language
from framelens.core.errors import ConfigError
from framelens.core.units import human_size
from framelens.i18n import LANGUAGES, t
from framelens.i18n.formatting import span
from framelens.plugins.speech import models
from framelens.services.engine_selection import export_environment
from framelens.services.recognition import local_recogniser

_HOUR = 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    sizes = ", ".join(models.SIZES)
    parser.add_argument("model", nargs="?", metavar="MODEL", help=t("cli.speech_model", sizes=sizes))
    parser.add_argument("--download", action="store_true", help=t("cli.speech_fetch"))
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))
    parser.add_argument("--quiet", action="store_true", help=t("cli.quiet"))


def run(given: argparse.Namespace) -> int:
    """Print the state of the model, or download it, and return the exit code.

    Raises:
        AppError: There is no such model, faster-whisper is not installed, or the download failed.
    """
    from framelens.cli.listening import settle_speech

    settings = config.load()
    use_language(given, settings)
    export_environment(settings)
    if given.model:
        settings = replace(settings, speech_model_path=given.model, speech_base_url="")
    models.check_installed(given.model or settings.speech_model_path)
    local = None if settings.speech_base_url else local_recogniser(settings)
    if local is None:
        if given.model or given.download:
            raise ConfigError("speech_model_unknown", given=settings.speech_model_path, sizes=", ".join(models.SIZES))
        print(t("cli.speech_elsewhere", model=settings.speech_model_path or settings.speech_base_url))
        return 0
    if given.download:
        settle_speech(local, cancel_on_signals(), confirmed=True, quiet=given.quiet)
    size = local.download_bytes()
    place = t("cli.speech_here") if size == 0 else t("cli.speech_not_here", size=human_size(size) if size else "?")
    print(t("cli.speech_engine", version=version("faster-whisper"), model=local.name))
    print(place)
    if pace := local.pace():
        print(t("cli.speech_pace", time=span(pace * _HOUR, pace * _HOUR)))
    return 0
