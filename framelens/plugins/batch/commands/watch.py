"""Command `framelens batch FOLDER --watch`: analyses the videos of a folder and those that arrive, until it is stopped.

It writes the same results, reports and summary as without `--watch`, which can continue in the same folder of results.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from framelens.analysis.inputs.extraction_cache import open_extraction_cache
from framelens.analysis.prompts.templates import Templates
from framelens.cli.analysis_options import build_common_request, load_settings, settle_model
from framelens.cli.common import cancel_on_signals
from framelens.cli.grammar import Options, parse_path
from framelens.composition import open_services, usual_workers
from framelens.core.errors import ConfigError, InputError
from framelens.plugins.batch.batch import BatchVideo, Collected
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.plugins.batch.commands.batch import given_batch
from framelens.plugins.batch.watch import WatchedFolder
from framelens.video.files import printable_path
from framelens.video.worker_pool import worker_ready


def watch(options: Options) -> int:
    """Analyse what arrives until SIGINT or SIGTERM, and return the exit code: 0 if everything else went well.

    Raises:
        AppError: A setting or the disk failed, or the folder no longer exists.
    """
    settings = load_settings(options)
    request = build_common_request(options, settings, Templates(settings.template_dir))
    if options.ray or len(options.paths) > 1:
        raise ConfigError("watch_one_folder")
    watched = parse_path(options.paths[0])
    if not watched.is_dir():
        raise InputError("watch_no_folder", path=printable_path(watched))
    settings = settle_model(settings, options)
    request = replace(request, use_model=not options.no_model)
    cancel = cancel_on_signals()
    from framelens.plugins.batch.commands.output import BatchOutput
    from framelens.plugins.batch.commands.progress import BatchProgress
    from framelens.plugins.batch.runner import BatchRunner, recorded

    workers = options.jobs or usual_workers(settings)
    arrived: list[BatchVideo] = []
    with worker_ready(), closing(open_services(settings, adopts=False, workers=workers)) as services:
        batches = BatchRepository(services.store)
        batch = batches.add(given_batch(Collected(), request, services, options))
        folder = WatchedFolder(watched.absolute())

        def videos() -> Iterator[BatchVideo]:
            sha256 = open_extraction_cache(settings.data_dir).sha256
            for video in folder.arriving(sha256, cancel, output.show_waiting):
                arrived.append(video)
                yield video

        with BatchProgress(None, quiet=options.quiet) as progress:
            output = BatchOutput(options, batch, progress)
            output.begin_watching(watched)
            with progress.notices(services, is_asked=request.use_model):
                runner = BatchRunner(services.jobs, services.switcher, services.templates)
                events = runner.run(batch, videos(), workers=workers, cancel=cancel)
                for event in recorded(events, batch, batches):
                    output.show(event)
        output.show_waiting(folder.num_left(), has_ended=True)
        return output.finish(replace(batch, videos=tuple(arrived)), was_stopped=False)
