"""Command `framelens batch PATH…`: analyses all videos of folders, patterns and lists, and summarises them.

The same command again does only what is missing. With `--watch` it continues with the videos that arrive in a folder,
until it is stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from framelens import AppError, ConfigError, InputError, VideoError, error_text
from framelens.plugin import Services, open_services, t
from framelens.plugin.command_line import (
    Options,
    analysis_options,
    argument,
    as_given,
    build_common_request,
    cancel_on_signals,
    command,
    export_environment,
    flag,
    load_settings,
    option,
    parse_output,
    parse_path,
    quiet_option,
    settle_model,
)
from framelens.plugin.files import Input, check_file, printable_path, readable, resolve, shown_path, typed_path
from framelens.plugin.outputs import check_output_folder, typed_output
from framelens.plugin.processes import worker_ready
from framelens.plugin.reports import FORMATS, parse_formats
from framelens.plugin.storage import open_extraction_cache
from framelens.plugins.batch.batch import Batch, Collected, batch_id, collect
from framelens.plugins.batch.batch_repository import BatchRepository

if TYPE_CHECKING:
    from framelens.plugin import Settings
    from framelens.plugin.analyses import AnalysisRequest
    from framelens.plugins.batch.ray_jobs.feeder import RayFeeder

_MOST_ON_RAY = 256
"""Videos at a time on a cluster, for each of which a thread waits here."""


@command("batch", help="cli.batch_command", stopped="cancelled")  # finished parts are kept
@argument("paths", nargs=-1, required=True, metavar="FOLDER|LIST|GLOB", help="cli.batch_paths")
@analysis_options
@flag("--watch", help="cli.batch_watch")
@option("--output", type=parse_output, metavar="DIR", help="cli.batch_output")
@option(
    "--format",
    type=parse_formats,
    multiple=True,
    metavar="F,F…",
    help=lambda: t("cli.batch_format", names=", ".join(FORMATS)),
)
@option("--ray", metavar="ADDRESS", help="cli.batch_ray")
@flag("--json", help="cli.batch_json")
@quiet_option
def run(options: Options) -> int:
    """Analyse the videos, write reports and summary, and return the exit code.

    A watched folder ends well when it is stopped.

    Raises:
        AppError: A setting or the disk failed, there is no video at all, or the watched folder no longer exists.
    """
    settings = load_settings(options)
    request, fits = build_common_request(options, settings)
    items: Sequence[Input] = ()
    if options.watch:
        watched = _watched_folder(options)
    else:
        items = resolve(_without_results(options.paths, results_folder(options)), reads_lists=True).items
        _check_any(map(_error_of, items))  # before a question about the model
    settings = settings if options.ray else settle_model(settings, options)  # nodes check their model themselves
    cancel, sha256 = cancel_on_signals(), open_extraction_cache(settings.data_dir).sha256
    from framelens.plugins.batch.commands.output import BatchOutput
    from framelens.plugins.batch.commands.progress import BatchProgress
    from framelens.plugins.batch.loop import BatchLoop
    from framelens.plugins.batch.watch import WatchedFolder

    with ExitStack() as opened:
        services, feeder = _open(opened, settings, options)
        collected = collect(items, sha256, cancel=cancel)
        if not options.watch:
            _check_any([*(None for _ in collected.videos), *(path.error for path in collected.left_out)])
        if feeder:
            _check_nodes(feeder, request, collected)
        batches = BatchRepository(services.store)
        batch = batches.add(_batch_of(collected, request, services, options, fits_request=fits))
        with BatchProgress(None if options.watch else len(batch.videos), quiet=options.quiet) as progress:
            workers = services.jobs.num_workers
            loop = BatchLoop(batch, batches, services, workers=workers, cancel=cancel, force=options.anew)
            output = BatchOutput(options, loop, progress)
            with progress.notices(services, is_asked=request.use_model and not options.ray):
                if not options.watch:
                    output.begin()
                    for event in loop.run(batch.videos):
                        output.show(event)
                    return output.finish(was_stopped=cancel.is_set())
                folder = WatchedFolder(watched.absolute())
                output.begin_watching(watched)
                for event in loop.run(folder.arriving(sha256, cancel, output.show_waiting)):
                    output.show(event)
                output.show_waiting(folder.num_left(), has_ended=True)
                return output.finish(was_stopped=False)


def _open(opened: ExitStack, settings: Settings, options: Options) -> tuple[Services, RayFeeder | None]:
    """Open the services of this machine, or of the cluster that --ray names."""
    if not options.ray:
        opened.enter_context(worker_ready())
        services = opened.enter_context(closing(open_services(settings, adopts=False, workers=options.jobs)))
        return services, None
    from framelens.plugins.batch.ray_jobs.client import RayCluster
    from framelens.plugins.batch.ray_jobs.feeder import RayFeeder
    from framelens.plugins.batch.ray_jobs.node_analyser import passed_variables

    export_environment(settings)  # Ray's token may be in .env
    variables = passed_variables(as_given(), settings)
    uses_model = not options.no_model
    feeder = RayFeeder(RayCluster(options.ray), settings, variables, use_model=uses_model, force=options.anew)
    opened.enter_context(feeder)
    workers = min(options.jobs or _MOST_ON_RAY, feeder.capacity())
    services = open_services(settings, adopts=False, workers=workers, session=feeder.session())
    opened.enter_context(closing(services))
    print(t("batch.ray_begins", address=feeder.cluster.address, n=workers), file=sys.stderr)
    return services, feeder


def _check_nodes(feeder: RayFeeder, request: AnalysisRequest, collected: Collected) -> None:
    """Check the nodes of a cluster; print what is wrong with them, and raise the last error."""
    faults = feeder.check(request, [video.path for video in collected.videos])
    for fault in faults[:-1]:
        print(error_text(fault), file=sys.stderr)
    for fault in faults[-1:]:
        raise fault


def _watched_folder(options: Options) -> Path:
    """Return the folder of --watch. Raises ConfigError if it isn't a single one, InputError if it is no folder."""
    if options.ray or len(options.paths) > 1:
        raise ConfigError("watch_one_folder")
    watched = parse_path(options.paths[0])
    if not watched.is_dir():
        raise InputError("watch_no_folder", path=printable_path(watched))
    return watched


def _without_results(paths: Sequence[str], folder: Path) -> list[str]:
    """Return the paths without the folder of results, which "*" names, too, unless there are videos in it."""
    has_videos = folder.is_dir() and not all(item.error for item in resolve([str(folder)]).items)
    return [path for path in paths if has_videos or Path(typed_path(path)).absolute() != folder]


def _check_any(errors: Iterable[AppError | None]) -> None:
    """Print the errors of paths and raise VideoError if no path gives a video."""
    failures: list[AppError] = []
    for error in errors:
        if error is None:
            return
        failures.append(error)
    for error in failures:
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


def _batch_of(
    collected: Collected, request: AnalysisRequest, services: Services, options: Options, *, fits_request: bool
) -> Batch:
    """Return the batch of these videos; the same folder of results and request make the same batch."""
    folder = results_folder(options)
    conditions = services.switcher.session.conditions(request)
    return Batch(
        batch_id(str(folder), request, conditions, fits_request=fits_request),
        collected.videos,
        request,
        fits_request=fits_request,
        formats=tuple(dict.fromkeys(options.format or ("html",))),
        left_out=collected.left_out,
        folder=folder,
        name=readable(folder.name),
    )


def results_folder(options: Options) -> Path:
    """Return the folder of results that --output names, or the default folder in the working directory.

    Raises:
        ConfigError: It is a file, or "-", or has a file of the user's that the summary would replace.
    """
    from framelens.plugins.batch.summary import foreign_file

    folder = typed_output("--output", options.output or "framelens-batch")
    check_output_folder(folder)
    if taken := foreign_file(folder):
        raise ConfigError("batch_folder_taken", file=shown_path(taken))
    return folder
