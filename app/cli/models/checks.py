"""Commands `framelens models check`, `sight` and `try`: checks of a model, of its sight, and of its speed.

`check` starts nothing and downloads nothing but the config of a model that is nowhere else; its exit code is 4 if a
finding stops the start. `sight` shows test cards to the model in use; its exit code is 4 if what the model says of a
video is unreliable. `try` measures a model's shape on this machine with dummy weights, prints the result, and stores it
in the data folder, where the catalogue finds it. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from app import config
from app.cli.common import cancel_on_signals, wide_console
from app.config import Settings
from app.core import MOST_FRAMES, ConfigError, EngineProgress, Language, gib_number
from app.i18n import notice_text, t
from app.i18n.formatting import exactly, span
from app.models import PreflightFinding, Proposal, Severity
from app.services import build_engine, check_sight, pass_on, result_text, try_model
from app.services.preflight import preflight
from app.store import Measured

if TYPE_CHECKING:
    from app.analysis import BenchmarkResult, Estimate

_MARKS: Mapping[Severity, str] = {"stops": "❌", "hinders": "⚠️ ", "tells": "💡"}
_UNRELIABLE = ("poor", "blind")
_FRAMES = 16  # default of --frames; chosen by hand, not tuned


def add_preflight_parser(
    asks: argparse._SubParsersAction[argparse.ArgumentParser], language: Language
) -> argparse.ArgumentParser:
    """Add this subcommand and its arguments."""
    parser = asks.add_parser("check", help=t("cli.models_check", language))
    parser.set_defaults(command=run_preflight)
    parser.add_argument("model", nargs="?", help=t("cli.models_check_name", language))
    parser.add_argument("--vllm-config", metavar="JSON", help=t("cli.models_config", language))
    return parser


def run_preflight(given: argparse.Namespace, language: Language) -> int:
    """Run the preflight checks, print the findings and return the exit code.

    Raises:
        ConfigError: A setting is wrong.
    """
    settings = config.load()
    language = given.language or settings.language or language
    pass_on(settings)
    if given.model:
        settings = replace(settings, model_path=given.model, model_chosen=True, base_url="")
    arguments = {**settings.vllm_config, **_read(given.vllm_config)} if given.vllm_config else None
    found = preflight(settings, arguments, asks_hub=True)
    if given.json:
        print(json.dumps([document(finding, language) for finding in found], ensure_ascii=False, indent=2))
    else:
        print("\n".join(_finding_lines(found, language)) or t("models.check_well", language, model=settings.model_path))
    return 4 if any(finding.severity == "stops" for finding in found) else 0


def document(finding: PreflightFinding, language: Language) -> dict[str, Any]:
    """Convert a finding to JSON; its fix is null if no setting of the engine helps."""
    fix = finding.fix
    return {
        "severity": finding.severity,
        "key": finding.key,
        "text": notice_text(finding.notice, language),
        "mend": None
        if fix is None
        else {"set": dict(fix.change), "remove": list(fix.remove), "model": fix.model, "engine": fix.engine},
    }


def _finding_lines(found: tuple[PreflightFinding, ...], language: Language) -> list[str]:
    lines = []
    for finding in found:
        lines.append(f"{_MARKS[finding.severity]} {notice_text(finding.notice, language).removeprefix('❌ ')}")
        if finding.fix is not None:
            lines.append(f"   → {notice_text(finding.fix.notice, language)}")
    return lines


def _read(text: str) -> dict[str, Any]:
    """Parse any JSON object, since wrong settings in it become findings; raise ConfigError for anything else."""
    try:
        return config.load({"VLLM_CONFIG": text}, Path("/nowhere")).vllm_config
    except ConfigError as error:
        if error.key in ("vllm_config_not_json", "vllm_config_not_object"):
            raise
        return dict(json.loads(text))


def add_vision_parser(
    asks: argparse._SubParsersAction[argparse.ArgumentParser], language: Language
) -> argparse.ArgumentParser:
    """Add this subcommand and its arguments."""
    parser = asks.add_parser("sight", help=t("cli.models_sight", language))
    parser.set_defaults(command=run_vision_check)
    parser.add_argument("model", nargs="?", help=t("cli.model", language))
    parser.add_argument("--base-url", help=t("cli.models_sight_url", language))
    parser.add_argument("--size", type=_size, metavar="WxH", help=t("cli.models_sight_size", language))
    return parser


def run_vision_check(given: argparse.Namespace, language: Language) -> int:
    """Start the engine if needed, show the test cards, print the score and return the exit code.

    Raises:
        AppError: The engine can't answer, or the user stopped it.
    """
    settings = config.load()
    language = given.language or settings.language or language
    if given.model:
        settings = replace(settings, model_path=given.model, model_chosen=True)
    if given.base_url:
        settings = replace(settings, base_url=given.base_url)
    cancel, (engine, _) = cancel_on_signals(), build_engine(settings)

    def print_progress(phase: EngineProgress) -> None:
        print(t(f"engine.phase.{phase.phase}", language, **phase.values), file=sys.stderr)

    try:
        seen = check_sight(settings, engine, given.size, language, print_progress, cancel)
    finally:
        engine.stop()
    if given.json:
        reason = seen["reason"] and seen["reason"][language]
        print(json.dumps({**seen, "reason": reason}, ensure_ascii=False, indent=2))
    else:
        print("\n".join(_vision_lines(seen, language)))
    return 4 if seen["verdict"] in _UNRELIABLE else 0


def _vision_lines(seen: Measured, language: Language) -> list[str]:
    if seen["reason"]:
        return [t("vision_check.blind", language, reason=seen["reason"][language])]
    lines = [t(f"vision_check.{seen['verdict']}", language), result_text(seen, language)]
    return lines if seen["verdict"] == "well" else [*lines, t("vision_check.answer", language, answer=seen["answer"])]


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdecimal() and height.isdecimal() and 28 <= min(int(width), int(height)) <= 4096):
        raise ConfigError("size_unreadable", given=text)
    return int(width), int(height)


def add_benchmark_arguments(parser: argparse.ArgumentParser, language: Language) -> None:
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
    console.print(t(f"models.benchmark_memory_{tried.device}", language, gib=gib_number(tried.peak_bytes)))
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
