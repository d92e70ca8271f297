"""Commands `framelens models check`, `sight` and `try`: checks of a model, of its sight, and of its speed.

`check` starts nothing and downloads nothing but the config of a model that is nowhere else; its exit code is 4 if a
finding stops the start. `sight` shows test cards to the model in use; its exit code is 4 if what the model says of a
video is unreliable. `try` measures a model's shape on this machine with dummy weights, prints the result, and stores it
in the data folder, where the catalogue finds it. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from framelens import config
from framelens.analysis.planning import benchmark_result
from framelens.analysis.planning.benchmark_result import BenchmarkResult
from framelens.cli.common import (
    cancel_on_signals,
    finding_lines,
    finding_text,
    print_json,
    use_language,
    whole_number,
    wide_console,
)
from framelens.cli.progress_lines import ProgressLine
from framelens.config import Settings, export_environment
from framelens.core.domain import MOST_FRAMES
from framelens.core.errors import ConfigError
from framelens.core.failures.check_findings import CheckFinding
from framelens.core.units import gib_number
from framelens.engine.engine_probe import is_pending
from framelens.i18n import language, t
from framelens.i18n.formatting import exactly, span
from framelens.models.placement import Proposal
from framelens.plugins.models.benchmark import planning
from framelens.plugins.models.benchmark.measurements import try_model
from framelens.plugins.models.preflight.run import preflight
from framelens.plugins.models.vision_checks import check_sight, result_text
from framelens.services.engines.engine_builder import build_engine
from framelens.store.model_records import Measured

if TYPE_CHECKING:
    from framelens.analysis.planning.estimate import Estimate

_UNRELIABLE = ("poor", "blind")
_FRAMES = 16  # default of --frames


def add_preflight_parser(asks: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add this subcommand and its arguments."""
    parser = asks.add_parser("check", help=t("cli.models_check"))
    parser.set_defaults(command=run_preflight)
    parser.add_argument("model", nargs="?", metavar="MODEL", help=t("cli.models_check_name"))
    parser.add_argument("--vllm-config", metavar="JSON", help=t("cli.models_config"))
    return parser


def run_preflight(given: argparse.Namespace) -> int:
    """Run the preflight checks, print the findings and return the exit code.

    Raises:
        ConfigError: A setting is wrong.
    """
    settings = config.load()
    use_language(given, settings)
    export_environment(settings)
    if given.model:
        settings = replace(settings, model_path=given.model, model_chosen=True, base_url="")
    arguments = {**settings.vllm_config, **_read(given.vllm_config)} if given.vllm_config else None
    with ProgressLine() as line:
        if not settings.base_url and is_pending():
            line.show(t("cli.asking_engine"))
        found = preflight(settings, arguments, asks_hub=True)
    if given.json:
        print_json([document(finding) for finding in found])
    else:
        print("\n".join(finding_lines(found)) or t("models.check_well", model=settings.model_path))
    return 4 if any(finding.severity == "stops" for finding in found) else 0


def document(finding: CheckFinding) -> dict[str, Any]:
    """Convert a finding to JSON; its fix is null if no setting of the engine helps."""
    fix = finding.fix
    return {
        "severity": finding.severity,
        "key": finding.key,
        "text": finding_text(finding),
        "mend": None
        if fix is None
        else {"set": dict(fix.change), "remove": list(fix.remove), "model": fix.model, "engine": fix.engine},
    }


def _read(text: str) -> dict[str, Any]:
    """Parse any JSON object, since wrong settings in it become findings; raise ConfigError for anything else."""
    try:
        return config.load({"VLLM_CONFIG": text}, Path("/nowhere")).vllm_config
    except ConfigError as error:
        if error.key in ("vllm_config_not_json", "vllm_config_not_object"):
            raise
        return dict(json.loads(text))


def add_vision_parser(asks: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add this subcommand and its arguments."""
    parser = asks.add_parser("sight", help=t("cli.models_sight"))
    parser.set_defaults(command=run_vision_check)
    parser.add_argument("model", nargs="?", metavar="MODEL", help=t("cli.model"))
    parser.add_argument("--base-url", metavar="URL", help=t("cli.models_sight_url"))
    parser.add_argument("--size", type=_size, metavar="WxH", help=t("cli.models_sight_size"))
    return parser


def run_vision_check(given: argparse.Namespace) -> int:
    """Start the engine if needed, show the test cards, print the score and return the exit code.

    Raises:
        AppError: The engine can't answer, or the user stopped it.
    """
    settings = config.load()
    use_language(given, settings)
    if given.model:
        settings = replace(settings, model_path=given.model, model_chosen=True)
    if given.base_url:
        settings = replace(settings, base_url=given.base_url)
    cancel, (engine, _) = cancel_on_signals(), build_engine(settings)
    try:
        with ProgressLine() as line:
            seen = check_sight(settings, engine, given.size, line.show_phase, cancel)
    finally:
        engine.stop()
    if given.json:
        reason = seen["reason"] and seen["reason"][language()]
        print_json({**seen, "reason": reason})
    else:
        print("\n".join(_vision_lines(seen)))
    return 4 if seen["verdict"] in _UNRELIABLE else 0


def _vision_lines(seen: Measured) -> list[str]:
    if seen["reason"]:
        return [t("vision_check.blind", reason=seen["reason"][language()])]
    lines = [t(f"vision_check.{seen['verdict']}"), result_text(seen)]
    return lines if seen["verdict"] == "well" else [*lines, t("vision_check.answer", answer=seen["answer"])]


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdecimal() and height.isdecimal() and 28 <= min(int(width), int(height)) <= 4096):
        raise ConfigError("size_unreadable", given=text)
    return int(width), int(height)


def add_benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand."""
    parser.add_argument("model", metavar="MODEL", help=t("cli.models_name"))
    parser.add_argument(
        "--frames", type=whole_number(1, MOST_FRAMES), default=_FRAMES, metavar="N", help=t("cli.models_try_frames")
    )
    parser.add_argument("--vllm-config", metavar="JSON", help=t("cli.models_try_config"))


def measure(given: argparse.Namespace, proposal: Proposal, arguments: Mapping[str, Any], settings: Settings) -> Any:
    """Benchmark the proposed model and print the result, or return the document for --json.

    Args:
        given: The parsed options.
        proposal: Model and settings.
        arguments: Settings of vLLM that override the proposed settings.
        settings: The application's settings.

    Raises:
        AppError: The model can't be benchmarked, or the user stopped it.
    """
    with ProgressLine() as line:
        document = try_model(proposal, arguments, settings, line.show_phase, cancel_on_signals())
    trial = benchmark_result.parse_result(document)
    coming = planning.estimate_analysis(trial, given.frames) if trial else None
    if given.json:
        return {**document, "analysis": coming and {"frames": given.frames, "seconds": coming.seconds}}
    if trial:
        _print(trial, coming, given.frames)
    return None


def _print(tried: BenchmarkResult, coming: Estimate | None, frames: int) -> None:
    console = wide_console()
    values = {"model": tried.model, "machine": tried.machine, "engine": tried.engine}
    console.print(t("models.benchmark_head", **values))
    console.print(t("models.benchmark_load", seconds=f"{tried.load_seconds:.0f}"))
    console.print(t(f"models.benchmark_memory_{tried.device}", gib=gib_number(tried.peak_bytes)))
    console.print(t("models.benchmark_speed", pace=f"{tried.tokens_per_second:.1f}"))
    if tried.frames:
        console.print(_frames_table(tried))
    if coming and coming.seconds:
        console.print(t("models.benchmark_analysis", frames=frames, time=span(*coming.seconds)))
    console.print(t("models.benchmark_noise"))


def _frames_table(tried: BenchmarkResult) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("size", "tokens", "alone", "each"):
        table.add_column(t(f"models.column_{name}"), justify="right")
    for one in tried.frames:
        size, tokens = f"{one.width} × {one.height}", f"{one.tokens:.0f}"
        together = t("models.each_of", seconds=f"{one.each_seconds:.2f}", n=one.together)
        table.add_row(size, tokens, exactly(one.alone_seconds, digits=2), together)
    return table
