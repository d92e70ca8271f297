"""`framelens analyse VIDEO`: from a video to its report, with the same code as the page.

With exit code 4 the report has still been written, with everything that could be had without the model. Only when
nobody has named a model and none can be had is a report without one a success.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from app import config
from app.analysis.prompts import TEMPLATES
from app.commands.common import cancel_on_signals, frame_count
from app.commands.progress import Progress
from app.config import Settings
from app.domain import Analysis, AnalysisRequest, Finished, Language
from app.errors import Cancelled, ConfigError, EngineError, StorageError
from app.i18n import LANGUAGES, error_text, notice_text, t
from app.reports import FORMATS
from app.wiring import build_engine, log_to, runner


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], language: Language) -> None:
    """The grammar of this command."""
    analyse = commands.add_parser("analyse", aliases=["analyze"], help=t("cli.analyse", language))
    analyse.set_defaults(command=run)
    analyse.add_argument("video", type=Path, help=t("cli.video", language))
    analyse.add_argument("--frames", type=frame_count, default=8, metavar="N", help=t("cli.frames", language))
    analyse.add_argument("--template", choices=sorted(TEMPLATES), help=t("cli.template", language))
    analyse.add_argument("--question", default="", help=t("cli.question", language))
    analyse.add_argument("--language", choices=LANGUAGES, help=t("cli.language", language))
    analyse.add_argument("--model", help=t("cli.model", language))
    analyse.add_argument("--base-url", help=t("cli.base_url", language))
    analyse.add_argument("--no-model", action="store_true", help=t("cli.no_model", language))
    analyse.add_argument("--output", type=Path, metavar="FILE", help=t("cli.output", language))
    analyse.add_argument("--format", choices=sorted(FORMATS), help=t("cli.format", language))
    analyse.add_argument("--json", action="store_true", help=t("cli.json", language))
    analyse.add_argument("--quiet", action="store_true", help=t("cli.quiet", language))


def run(given: argparse.Namespace, language: Language) -> int:
    """Analyse the video and deliver the report; the exit code. Raises AppErrors."""
    settings = _settings(given)
    language = given.language or settings.language or language
    request = _request(given, language)
    log_to(settings.data_dir)
    cancel = cancel_on_signals()
    engine, notices = build_engine(settings)
    progress = Progress(language, quiet=given.quiet or not sys.stderr.isatty())
    analysis, failure = None, None
    try:
        with progress:
            for notice in notices if request.use_model else ():
                progress.say(notice_text(notice, language))
            for event in runner(settings, engine)(request, "command-line", cancel):
                progress.show(event)
                analysis = event.analysis if isinstance(event, Finished) else analysis
    except EngineError as error:
        failure = error
    finally:
        engine.stop()
    if analysis is None:
        raise failure or Cancelled()
    _deliver(analysis, given, language)
    return _verdict(failure, settings, given, language)


def _settings(given: argparse.Namespace) -> Settings:
    settings = config.load()
    if given.model:
        settings = replace(settings, model_path=given.model, model_chosen=True)
    return replace(settings, base_url=given.base_url) if given.base_url else settings


def _request(given: argparse.Namespace, language: Language) -> AnalysisRequest:
    template = given.template or ("question" if given.question else "describe")
    if TEMPLATES[template].needs_question and not given.question.strip():
        raise ConfigError("question_missing")
    return AnalysisRequest(
        path=given.video.expanduser().absolute(),
        frames=given.frames,
        template=template,
        question=given.question,
        language=language,
        use_model=not given.no_model,
    )


def _deliver(analysis: Analysis, given: argparse.Namespace, language: Language) -> None:
    to_stdout = given.json and given.output is None
    suffixes = {one.suffix: name for name, one in FORMATS.items()}
    wanted = given.format or ("json" if given.json else None)
    form = FORMATS[wanted or suffixes.get(given.output.suffix.lower() if given.output else "", "markdown")]
    data = form.write(analysis, language)
    if to_stdout:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    path = given.output or _free_name(Path.cwd() / f"{given.video.stem}.report{form.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise StorageError("report_not_written", path=str(path), reason=error.strerror or str(error)) from error
    print(t("cli.written", language, path=path), file=sys.stderr if given.json else sys.stdout)


def _free_name(path: Path) -> Path:
    """`path`, or the first "…-2", "…-3" that does not exist: an earlier report is never overwritten."""
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(one for one in chain([path], numbered) if not one.exists())


def _verdict(failure: EngineError | None, settings: Settings, given: argparse.Namespace, language: Language) -> int:
    if failure is None:
        return 0
    print(error_text(failure, language), file=sys.stderr)
    nobody_chose = not (settings.model_chosen or settings.base_url)
    no_model_here = failure.key in ("model_not_local", "vllm_not_installed", "local_engine_unsupported")
    return 0 if nobody_chose and no_model_here else failure.exit_code
