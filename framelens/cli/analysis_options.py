"""Options of the commands that analyse videos, and the settings and the request that they describe."""

import sys
from collections.abc import Iterable
from pathlib import Path

from framelens import config
from framelens.analysis.planning.frame_budget import FIT, parse_frames
from framelens.analysis.prompts.templates import Templates, built_in
from framelens.cli.common import (
    parse_selection,
    selection_options,
    speakers_option,
    split_list,
    use_language,
    whole_number,
)
from framelens.cli.grammar import Options, flag, option, together
from framelens.core.domain import UNKNOWN_PATH, AnalysisRequest
from framelens.core.errors import AppError
from framelens.engine.recognisers import local_diariser, local_recogniser
from framelens.i18n import error_text, language, t
from framelens.jobs.analyses import build_request, with_named

_MOST_JOBS = 16


engine_options = together(
    option("--model", metavar="MODEL", help="cli.model"),
    option("--base-url", type=split_list, multiple=True, metavar="URL", help="cli.base_url"),
)
"""Options that name the model and the engine, which `load_settings` reads."""
analysis_options = together(
    option("--frames", type=parse_frames, metavar="N", help="cli.frames"),
    selection_options,
    option("--template", metavar="NAME", help=lambda: t("cli.template", names=", ".join(built_in()))),
    option("--question", default="", metavar="TEXT", help="cli.question"),
    speakers_option,
    engine_options,
    flag("--no-model", help="cli.no_model"),
    flag("--yes", help="cli.yes"),
    option("--jobs", type=whole_number(1, _MOST_JOBS), metavar="N", help=lambda: t("cli.jobs", most=_MOST_JOBS)),
    flag("--anew", help="cli.anew"),
)
"""Options of a request, of the model, and of the queue."""


def load_settings(options: Options) -> config.Settings:
    """Return the settings with the model and the engine of the options, and use their language from now on.

    Raises:
        ConfigError: A setting is not valid.
    """
    settings = with_named(config.load(), model=options.model or "", base_url=" ".join(options.base_url))
    use_language(options, settings)
    return settings


def settle_model(settings: config.Settings, options: Options) -> config.Settings:
    """Return the settings to analyse with, after asking about a model that must be downloaded.

    Raises:
        Cancelled: The user chose to stop.
    """
    if options.no_model:
        return settings
    if options.yes:
        _confirm_listening(settings, options)
    if settings.base_url:  # a remote engine has its model
        return settings
    from framelens.cli.commands.download import settle  # which knows all models

    return settle(settings, options)


def print_failures(errors: Iterable[AppError]) -> None:
    """Print why no model has answered, each reason once, unless `settle_model` has said it before the analysis."""
    for reason in dict.fromkeys(error_text(error) for error in errors if error.key != "model_unconfirmed"):
        print(reason, file=sys.stderr)


def _confirm_listening(settings: config.Settings, options: Options) -> None:
    """Confirm the download of the speech models, in case a video needs them."""
    speakers = getattr(options, "speakers", None)  # ask has no such option
    for model in (local_recogniser(settings), None if speakers is None else local_diariser(settings)):
        if model and model.download_bytes() != 0:
            model.confirm_download()


def build_given_request(
    options: Options, settings: config.Settings, templates: Templates, path: Path
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
        template=options.template or "",
        question=options.question,
        language=language(),
        use_model=not options.no_model,
        selection=parse_selection(options),
        frames=options.frames,
        subtitles=getattr(options, "subtitles", None),  # batch has no such option
        speakers=options.speakers,
    )


def build_common_request(options: Options, settings: config.Settings) -> tuple[AnalysisRequest, bool]:
    """Build the request for any video; return it, and whether `--frames fit` is still to be fitted to each video.

    Raises:
        ConfigError: An option is wrong.
    """
    fits = options.frames == FIT
    plain = Options(**{**vars(options), "frames": None if fits else options.frames})
    return build_given_request(plain, settings, Templates(settings.template_dir), UNKNOWN_PATH), fits
