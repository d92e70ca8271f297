"""Command `framelens batch PATH…`: analyses all videos of folders, patterns and lists, and summarises them.

The same command again does only what is missing in the folder of results. With `--watch` it continues with the videos
that arrive.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

from framelens.analysis.inputs.extraction_cache import open_extraction_cache
from framelens.analysis.planning.frame_budget import FIT
from framelens.analysis.prompts.templates import Templates
from framelens.cli.analysis_options import analysis_options, build_common_request, load_settings, settle_model
from framelens.cli.common import cancel_on_signals, quiet_option
from framelens.cli.grammar import Options, argument, command, flag, option
from framelens.cli.report_output import check_output_folder, check_typed_output
from framelens.composition import Services, open_services, usual_workers
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import AppError, ConfigError, VideoError
from framelens.core.files import shown_path, typed_path
from framelens.i18n import error_text, t
from framelens.plugins.batch.batch import Batch, Collected, collect, make_batch
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.reports.formats import FORMATS, parse_formats
from framelens.video.files import check_file
from framelens.video.inputs import Input, resolve
from framelens.video.worker_pool import worker_ready


@command("batch", help="cli.batch_command", stopped="cancelled")  # finished parts are kept
@argument("paths", nargs=-1, required=True, metavar="FOLDER|LIST|GLOB", help="cli.batch_paths")
@analysis_options
@flag("--watch", help="cli.batch_watch")
@option("--output", metavar="DIR", help="cli.batch_output")
@option(
    "--format",
    type=parse_formats,
    is_list=True,
    metavar="F,F…",
    help=lambda: t("cli.batch_format", names=", ".join(FORMATS)),
)
@option("--ray", metavar="ADDRESS", help="cli.batch_ray")
@flag("--stop", help="cli.batch_ray_stop")
@flag("--json", help="cli.batch_json")
@quiet_option
def run(options: Options) -> int:
    """Analyse the videos, write reports and summary, and return the exit code.

    Raises:
        AppError: A setting or the disk failed, or there is no video at all.
    """
    if options.stop and not options.ray:
        raise ConfigError("stop_without_ray")
    if options.watch:
        from framelens.plugins.batch.commands.watch import watch

        return watch(options)
    settings = load_settings(options)
    request = build_common_request(options, settings, Templates(settings.template_dir))
    items = resolve(_without_results(options.paths, results_folder(options)), reads_lists=True).items
    _check_any(map(_error_of, items))  # before a question about the model
    settings = settings if options.ray else settle_model(settings, options)  # nodes check their model themselves
    request = replace(request, use_model=not options.no_model)
    cancel = cancel_on_signals()
    from framelens.plugins.batch.commands.output import BatchOutput
    from framelens.plugins.batch.commands.progress import BatchProgress
    from framelens.plugins.batch.runner import BatchRunner, recorded

    workers = options.jobs or usual_workers(settings)
    with (
        worker_ready() if not options.ray else nullcontext(),
        closing(open_services(settings, adopts=False, workers=workers)) as services,
    ):
        if options.ray:
            from framelens.plugins.batch.commands.on_ray import BatchOnRay

            on_ray = BatchOnRay(options, settings)
            if options.stop:
                return on_ray.stop(given_batch(Collected(), request, services, options))
        collected = collect(items, open_extraction_cache(settings.data_dir).sha256, cancel=cancel)
        _check_any([*(None for _ in collected.videos), *(one.error for one in collected.left_out)])
        batches = BatchRepository(services.store)
        batch = batches.add(given_batch(collected, request, services, options))
        with (
            BatchProgress(len(batch.videos), quiet=options.quiet) as progress,
            progress.notices(services, is_asked=request.use_model and not options.ray),
        ):
            output = BatchOutput(options, batch, progress)
            output.begin()
            if options.ray:
                events = on_ray.events(batch, cancel, progress)
            else:
                runner = BatchRunner(services.jobs, services.switcher, services.templates)
                events = runner.run(batch, workers=workers, cancel=cancel)
            for event in recorded(events, batch, batches):
                output.show(event)
        left = output.tally.num_left and not output.tally.error
        return output.finish(batch, was_stopped=cancel.is_set() or bool(left))


def _without_results(paths: Sequence[str], folder: Path) -> list[str]:
    """Return the paths without the folder of results, which "*" names, too, unless there are videos in it."""
    has_videos = folder.is_dir() and not all(item.error for item in resolve([str(folder)]).items)
    return [path for path in paths if has_videos or Path(typed_path(path)).absolute() != folder]


def _check_any(errors: Iterable[AppError | None]) -> None:
    """Print the errors of paths and raise VideoError if no path gives a video."""
    known: list[AppError] = []
    for error in errors:
        if error is None:
            return
        known.append(error)
    for error in known:
        print(error_text(error), file=sys.stderr)
    raise VideoError("batch_empty")


def _error_of(item: Input) -> AppError | None:
    """Return the error of a path that is found without reading the file, or None."""
    try:
        if item.error:
            raise item.error
        check_file(item.path)
    except AppError as error:
        return error
    return None


def given_batch(collected: Collected, request: AnalysisRequest, services: Services, options: Options) -> Batch:
    """Build the batch of these videos with the command's options."""
    return make_batch(
        collected,
        request,
        services.switcher.session.conditions(request),
        fits_request=options.frames == FIT,
        formats=tuple(dict.fromkeys(options.format or ("html",))),
        repeats=options.anew,
        folder=results_folder(options),
    )


def results_folder(options: Options) -> Path:
    """Return the folder of results that --output names, or the default folder in the working directory.

    Raises:
        ConfigError: It is a file, or "-", or has a file of the user's that the summary would replace.
    """
    from framelens.plugins.batch.summary import foreign_file

    check_typed_output("--output", options.output or "")
    folder = (Path(typed_path(options.output)) if options.output else Path("framelens-batch")).absolute()
    check_output_folder(folder)
    if taken := foreign_file(folder):
        raise ConfigError("batch_folder_taken", file=shown_path(taken))
    return folder
