"""Command `framelens models try MODEL`: measures a model's shape on this machine with dummy weights.

It downloads nothing. Progress goes to standard error, the result to standard output and into the data folder, where the
catalogue finds it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from app.cli.common import cancel_on_signals, wide_console
from app.config import Settings
from app.core.domain import MOST_FRAMES, EngineProgress, Language
from app.core.errors import ConfigError
from app.i18n import t
from app.i18n.formatting import exactly, span
from app.models import Proposal
from app.models.serving_plan import GIB
from app.services.model_benchmarks import try_model

if TYPE_CHECKING:
    from app.analysis.planning.benchmark_result import BenchmarkResult
    from app.analysis.planning.estimate import Estimate

_FRAMES = 16  # default of --frames; chosen by hand, not tuned


def add_arguments(parser: argparse.ArgumentParser, language: Language) -> None:
    """Add the arguments of this subcommand."""
    parser.add_argument("model", help=t("cli.models_name", language))
    parser.add_argument("--frames", type=int, default=_FRAMES, metavar="N", help=t("cli.models_try_frames", language))
    parser.add_argument("--vllm-config", metavar="JSON", help=t("cli.models_try_config", language))


def measure(
    given: argparse.Namespace, proposal: Proposal, arguments: Mapping[str, Any], settings: Settings, language: Language
) -> Any:
    """Benchmark the proposed model and print the result, or return the document for --json.

    Args:
        given: The parsed options.
        proposal: Model and settings.
        arguments: Settings of vLLM that override the proposed ones.
        settings: The application's settings.
        language: Language of the output.

    Raises:
        AppError: The model can't be benchmarked, or the user stopped it.
    """
    if not 1 <= given.frames <= MOST_FRAMES:
        raise ConfigError("setting_number", key="--frames", value=given.frames, low=1, high=MOST_FRAMES)
    document = try_model(proposal, arguments, settings, _progress_printer(language), cancel_on_signals())
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    from app.analysis.planning import benchmark_result  # the planner, which the other subcommands don't need

    trial = benchmark_result.parse_result(document)
    coming = benchmark_result.estimate_analysis(trial, given.frames) if trial else None
    if given.json:
        return {**document, "analysis": coming and {"frames": given.frames, "seconds": coming.seconds}}
    if trial:
        _print(trial, coming, given.frames, language)
    return None


def _print(tried: BenchmarkResult, coming: Estimate | None, frames: int, language: Language) -> None:
    console = wide_console()
    values = {"model": tried.model, "machine": tried.machine, "engine": tried.engine}
    console.print(t("models.benchmark_head", language, **values))
    console.print(t("models.benchmark_load", language, seconds=f"{tried.load_seconds:.0f}"))
    console.print(t(f"models.benchmark_memory_{tried.device}", language, gib=f"{tried.peak_bytes / GIB:.1f}"))
    console.print(t("models.benchmark_speed", language, pace=f"{tried.tokens_per_second:.1f}"))
    if tried.frames:
        console.print(_frames_table(tried, language))
    if coming and coming.seconds:
        console.print(t("models.benchmark_analysis", language, frames=frames, time=span(*coming.seconds, language)))
    console.print(t("models.benchmark_noise", language))


def _frames_table(tried: BenchmarkResult, language: Language) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("size", "tokens", "alone", "each"):
        table.add_column(t(f"models.column_{name}", language), justify="right")
    for one in tried.frames:
        size, tokens = f"{one.width} × {one.height}", f"{one.tokens:.0f}"
        together = t("models.each_of", language, seconds=f"{one.each_seconds:.2f}", n=one.together)
        table.add_row(size, tokens, exactly(one.alone_seconds, language, digits=2), together)
    return table


def _progress_printer(language: Language) -> Callable[[EngineProgress], None]:
    """Return a progress listener: one changing line in a terminal, a line for each step elsewhere."""

    def show(phase: EngineProgress) -> None:
        line = t(f"engine.phase.{phase.phase}", language, **phase.values)
        sys.stderr.write(f"\r\033[K{line}" if sys.stderr.isatty() else f"{line}\n")
        sys.stderr.flush()

    return show
