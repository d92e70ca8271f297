"""Command `framelens download [MODEL] [FOLDER]`: downloads a model into its own folder and prints the line for `.env`.

Run again after an interruption, it resumes. Progress goes to standard error; the line for `.env` is the last line of
standard output, where a script can read it. `settle` asks before an analysis whether to download a missing model.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from framelens import config, registry
from framelens.cli.common import cancel_on_signals, quiet_option, use_language
from framelens.cli.grammar import Choice, Options, argument, command, flag, option, parse_path
from framelens.cli.progress_lines import ProgressLine
from framelens.config import Settings, export_environment
from framelens.core.engines.model_hub import MIRROR, HubKind, ModelHub, chosen_hub, hub_of
from framelens.core.errors import Cancelled, ConfigError, InputError
from framelens.core.files import typed_path
from framelens.core.units import human_size
from framelens.engine.downloads.hub import download
from framelens.engine.engine_builder import build_engine
from framelens.engine.hardware import installed_vllm
from framelens.engine.installation import install_engine, install_log
from framelens.engine.model_names import resolve_named_model
from framelens.engine.model_resolution import check_model_folder
from framelens.engine.running_engines import running_engines
from framelens.i18n import aside, t
from framelens.jobs.readiness import (
    ModelCandidate,
    Readiness,
    download_text,
    readiness,
    with_candidate,
    with_recommended,
)
from framelens.store.model_records import confirmed_downloads


@command("download", help="cli.download_command", stopped="cancelled")  # what has arrived is kept
@argument("model", required=False, metavar="MODEL", help="cli.download_model")
@argument("folder", required=False, type=parse_path, metavar="FOLDER", help="cli.download_folder")
@flag("--engine", help="cli.download_engine")
@flag("--speech", help="cli.download_speech")
@flag("--speakers", help="cli.download_speakers")
@flag("--mirror", help=lambda: t("cli.mirror", mirror=MIRROR))
@option("--hub", type=Choice(get_args(HubKind)), help="cli.hub")
@flag("--allow-pickle", help="cli.allow_pickle")
@quiet_option
def run(options: Options) -> int:
    """Download the model, print its folder and return the exit code.

    Raises:
        AppError: The model can't be found, downloaded or used, or the user stopped it.
    """
    settings = config.load()
    use_language(options, settings)
    export_environment(settings)
    if options.model is not None and not options.model.strip():
        raise InputError("path_blank")
    if options.speech or options.speakers:
        return _download_speech(options, settings)
    if options.engine:
        _install_engine(settings, quiet=options.quiet)
        if not options.model:
            return 0
    hub = _hub(options)
    allow_pickle = options.allow_pickle or settings.allow_pickle
    reference = resolve_named_model(options.model or with_recommended(settings).model_path, settings.data_dir)
    if reference.hub_id is None:  # it names a local folder
        assert reference.folder is not None
        folder = reference.folder.absolute()
    else:
        target = options.folder or Path("~/models") / reference.hub_id.rsplit("/", 1)[-1]
        folder = Path(typed_path(str(target))).absolute()
        cancel = cancel_on_signals()
        with ProgressLine(quiet=options.quiet) as line:
            download(reference.hub_id, line.show_phase, cancel, hub=hub, folder=folder, allow_pickle=allow_pickle)
    check_model_folder(folder, allow_pickle=allow_pickle)
    print(t("cli.downloaded", folder=folder))
    print(f"VLLM_MODEL_PATH={folder}")
    return 0


def _install_engine(settings: Settings, *, quiet: bool = False) -> None:
    """Install the engine for this machine, and print its version to standard error."""
    cancel = cancel_on_signals()
    with ProgressLine(quiet=quiet) as line:
        install_engine(line.show_phase, cancel, log_path=install_log(settings.data_dir))
    _, version = installed_vllm() or ("", "")
    print(t("cli.engine_ready", version=version), file=sys.stderr)


def _download_speech(options: Options, settings: Settings) -> int:
    """Have a plugin download the model that transcribes, or the models that separate speakers."""
    fetch = next(registry.functions("download.speech"), None)
    if fetch is None:
        raise ConfigError("speech_without_plugin")
    return int(fetch(options, settings))


def _hub(options: Options) -> ModelHub:
    """Return the hub that the options name, else the settings' hub."""
    if options.mirror and options.hub:
        raise ConfigError("options_exclude", option="--mirror", other="--hub")
    if options.mirror:
        os.environ.setdefault("HF_ENDPOINT", MIRROR)
        return hub_of("huggingface")
    chosen = chosen_hub()
    return chosen if options.hub in (None, chosen.kind) else hub_of(options.hub)


def settle(settings: Settings, options: Options) -> Settings:
    """Return the settings to analyse with, after asking the user about a model that must be downloaded.

    `--yes` confirms it for scripts. Without it and without a terminal nothing is downloaded: three lines say so, and
    the analysis runs without the model. Sets `given.no_model` if the user wants no model.

    Raises:
        Cancelled: The user chose to stop.
    """
    readiness = _readiness(settings)
    if readiness.kind != "download" or readiness.model is None:
        return settings
    if options.yes:
        return _with_model(readiness, readiness.model, settings)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        print("\n".join(_advice_lines(readiness, readiness.model, settings)), file=sys.stderr)
        return settings
    print("\n".join(_lines(readiness, readiness.model, is_asked=True)), file=sys.stderr)
    return _ask(readiness, readiness.model, settings, options)


def _advice_lines(readiness: Readiness, model: ModelCandidate, settings: Settings) -> Iterator[str]:
    """Yield that the report is made without a model, how to get one, and the other ways: a line each."""
    is_here = model.download_bytes == 0  # so the engine is missing
    kind = "engine" if is_here else "named" if settings.model_chosen else "any"
    yield t(f"cli.without_{kind}", model=model.model)
    if running := next((engine for engine in running_engines() if engine.models[0].sees is not False), None):
        values = {"product": running.product, "base_url": running.base_url, "model": running.models[0].name}
        yield t("cli.without_running", **values)
    if offer := readiness.offered:
        option = "--yes" if offer is model else f"--model {offer.model} --yes"
        size = human_size(offer.download_bytes) if offer.download_bytes else ""
        about = t("facts.list").join(filter(None, (size, offer.licence)))
        if about_engine := readiness.engine_text(offer):
            yield about_engine
        yield t(f"cli.without_{'install' if is_here else 'get'}", model=f"{offer.model}{aside(about)}", option=option)
    yield t("cli.without_ways")


def print_missing(settings: Settings) -> None:
    """Print the cost of the download, if it is needed."""
    readiness = _readiness(settings)
    if readiness.model:
        print("\n".join(_lines(readiness, readiness.model, is_asked=False)))


def _readiness(settings: Settings) -> Readiness:
    return readiness(settings, build_engine(settings)[0])


def _lines(readiness: Readiness, model: ModelCandidate, *, is_asked: bool) -> Iterator[str]:
    if model.download_bytes != 0:
        yield t("models.missing.absent", model=model.model)
        yield download_text(model.download_bytes, readiness.free_bytes)
    if about_engine := readiness.engine_text(model):
        yield about_engine
    if model.need:
        yield model.need.description()
    if readiness.offers:
        yield t("models.missing.offers_asked" if is_asked else "models.missing.offers_cli")
    for number, offer in enumerate(readiness.offers, start=1):
        yield f"  {number if is_asked else '-'}  {_about(offer)}"


def _about(model: ModelCandidate) -> str:
    size = human_size(model.download_bytes or 0)
    size_text = t("models.missing.here" if model.download_bytes == 0 else "models.missing.size", size=size)
    return " · ".join(filter(None, (model.model, model.licence, size_text)))


def _ask(readiness: Readiness, model: ModelCandidate, settings: Settings, options: Options) -> Settings:
    """Ask until the answer is one of the offers, and return the settings."""
    size = human_size(model.download_bytes) if model.download_bytes else "?"
    if readiness.has_room:
        print(f"  y  {t('cli.answer_download', model=model.model, size=size)}", file=sys.stderr)
    print(f"  n  {t('cli.answer_without')}", file=sys.stderr)
    print(f"  q  {t('cli.answer_quit')}", file=sys.stderr)
    choices = {str(number): offer for number, offer in enumerate(readiness.offers, start=1)}
    while True:
        print(t("cli.answer"), end=" ", file=sys.stderr, flush=True)
        word = sys.stdin.readline()
        answer = word.strip().lower()
        if not word or answer == "q":
            raise Cancelled
        if answer == "n":
            options.no_model = True
            return settings
        if answer == "y" and readiness.has_room:
            return _with_model(readiness, model, settings)
        if other := choices.get(answer):
            return _with_model(readiness, other, settings)


def _with_model(readiness: Readiness, model: ModelCandidate, settings: Settings) -> Settings:
    """Return the settings with this model, whose download the user has confirmed; install a missing engine."""
    if readiness.engine:
        _install_engine(settings)
    if model.download_bytes != 0:
        confirmed_downloads(settings.data_dir).save(model.model, True)
    return with_candidate(settings, model)
