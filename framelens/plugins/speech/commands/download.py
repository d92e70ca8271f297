"""Download of the speech models for `framelens download`: what transcribes, and what separates speakers."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

from framelens import ConfigError
from framelens.plugin import Settings, t
from framelens.plugin.command_line import Options, cancel_on_signals, settle_speech
from framelens.plugin.speech import LocalModel, LocalRecogniser, local_diariser, local_recogniser
from framelens.plugin.texts import span
from framelens.plugins.speech import models
from framelens.plugins.speech.hub_model import check_installed
from framelens.plugins.speech.recogniser import default_size
from framelens.plugins.speech.sherpa_models import NAMES

_HOUR = 3600.0


def run(options: Options, settings: Settings) -> int:
    """Download the model if it isn't on this machine, print what it is, and return the exit code.

    Raises:
        AppError: There is no such model, what runs it is not installed, or the download failed.
    """
    recogniser = None if options.speakers else _recogniser(options.model or "", settings)
    local: LocalModel | None = local_diariser(settings) if options.speakers else recogniser
    if local is None:
        print(t("cli.speech_elsewhere", model=settings.speech_model_path or settings.speech_base_url))
        return 0
    check_installed((local.engine.replace("-", "_"),), local.name)
    settle_speech(local, cancel_on_signals(), confirmed=True, quiet=options.quiet)
    key = "cli.speech_speakers_engine" if options.speakers else "cli.speech_engine"
    print(t(key, engine=local.engine, version=version(local.engine), model=local.label))
    print(t("cli.speech_here"))
    if recogniser and (pace := recogniser.pace()):
        print(t("cli.speech_pace", time=span(pace * _HOUR, pace * _HOUR)))
    return 0


def _recogniser(name: str, settings: Settings) -> LocalRecogniser | None:
    """Return the recogniser on this machine, or None if the settings name a speech engine. Raises AppErrors."""
    if name:
        settings = replace(settings, speech_model_path=name, speech_base_url="")
    named = settings.speech_model_path or default_size()
    check_installed(models.PACKAGES, named)
    local = local_recogniser(settings)
    if local is None and name:
        raise ConfigError("speech_model_unknown", given=name, sizes=", ".join((*models.SIZES, *NAMES)))
    return local
