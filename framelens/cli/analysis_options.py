"""Options of the commands that analyse videos, and the settings and the request that they describe."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from framelens import config
from framelens.analysis.planning.frame_budget import FIT, parse_frames
from framelens.analysis.prompts.templates import Templates, built_in
from framelens.cli.common import add_selection_options, add_speakers_option, parse_selection, split_list, use_language
from framelens.core.domain import UNKNOWN_PATH, AnalysisRequest
from framelens.core.errors import AppError, ConfigError
from framelens.i18n import LANGUAGES, error_text, language, t
from framelens.services.analyses import build_request, with_named
from framelens.services.recognition import local_diariser, local_recogniser

_MOST_JOBS = 16


def add_analysis_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a request, of the model, and of the queue."""
    parser.add_argument("--frames", type=parse_frames, metavar="N", help=t("cli.frames"))
    add_selection_options(parser)
    parser.add_argument("--template", metavar="NAME", help=t("cli.template", names=", ".join(built_in())))
    parser.add_argument("--question", default="", help=t("cli.question"))
    add_speakers_option(parser)
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))
    add_engine_options(parser)
    parser.set_defaults(stopped="cancelled")  # finished parts are kept
    parser.add_argument("--no-model", action="store_true", help=t("cli.no_model"))
    parser.add_argument("--yes", action="store_true", help=t("cli.yes"))
    parser.add_argument("--jobs", type=job_count, metavar="N", help=t("cli.jobs", most=_MOST_JOBS))
    parser.add_argument("--anew", action="store_true", help=t("cli.anew"))


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the model and the engine, which `load_settings` reads."""
    parser.add_argument("--model", help=t("cli.model"))
    parser.add_argument("--base-url", type=split_list, metavar="URL", help=t("cli.base_url"))


def job_count(text: str) -> int:
    """Parse the number of concurrent analyses.

    Raises:
        ConfigError: It isn't a number from 1 to 16.
    """
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= _MOST_JOBS:
        raise ConfigError("jobs_wrong", given=text, most=_MOST_JOBS)
    return number


def load_settings(given: argparse.Namespace) -> config.Settings:
    """Return the settings with the model and the engine of the options, and use their language from now on.

    Raises:
        ConfigError: A setting is not valid.
    """
    settings = with_named(config.load(), model=given.model or "", base_url=" ".join(given.base_url or ()))
    use_language(given, settings)
    return settings


def settle_model(settings: config.Settings, given: argparse.Namespace) -> config.Settings:
    """Return the settings to analyse with, after asking about a model that must be downloaded.

    Raises:
        Cancelled: The user chose to stop.
    """
    if given.no_model:
        return settings
    if given.yes:
        _confirm_listening(settings, given)
    if settings.base_url:  # a remote engine has its model
        return settings
    from framelens.cli.commands.download import settle  # which knows all models

    return settle(settings, given)


def print_failures(errors: Iterable[AppError]) -> None:
    """Print why no model has answered, each reason once, unless `settle_model` has said it before the analysis."""
    for reason in dict.fromkeys(error_text(error) for error in errors if error.key != "model_unconfirmed"):
        print(reason, file=sys.stderr)


def _confirm_listening(settings: config.Settings, given: argparse.Namespace) -> None:
    """Confirm the download of the speech models, in case a video needs them."""
    speakers = getattr(given, "speakers", None)  # ask has no such option
    for model in (local_recogniser(settings), None if speakers is None else local_diariser(settings)):
        if model and model.download_bytes() != 0:
            model.confirm_download()


def build_given_request(
    given: argparse.Namespace, settings: config.Settings, templates: Templates, path: Path
) -> AnalysisRequest:
    """Build the request about a video.

    Raises:
        ConfigError: An option is wrong.
        AppError: The video can't be read, where the number of frames depends on it.
    """
    return build_request(
        path,
        settings,
        templates,
        template=given.template or "",
        question=given.question,
        language=language(),
        use_model=not given.no_model,
        selection=parse_selection(given),
        frames=given.frames,
        subtitles=getattr(given, "subtitles", None),  # batch has no such option
        speakers=given.speakers,
    )


def build_common_request(given: argparse.Namespace, settings: config.Settings, templates: Templates) -> AnalysisRequest:
    """Build the request without a video; with `--frames fit` its number of frames doesn't depend on a video.

    Raises:
        ConfigError: An option is wrong.
    """
    plain = argparse.Namespace(**{**vars(given), "frames": None if given.frames == FIT else given.frames})
    return build_given_request(plain, settings, templates, UNKNOWN_PATH)
