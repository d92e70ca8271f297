"""Command `framelens models sight`: shows test cards to the model in use and reports whether it reads them in order.

The exit code is 4 if the model's statements about a video are unreliable.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace

from app import config
from app.cli.common import cancel_on_signals
from app.core.domain import EngineProgress, Language
from app.core.errors import ConfigError
from app.i18n import t
from app.services.engine_session import build_engine
from app.services.model_benchmarks import check_sight, result_text
from app.store.benchmark_store import Measured

_UNRELIABLE = ("poor", "blind")


def add_parser(
    asks: argparse._SubParsersAction[argparse.ArgumentParser], language: Language
) -> argparse.ArgumentParser:
    """Add this subcommand and its arguments."""
    parser = asks.add_parser("sight", help=t("cli.models_sight", language))
    parser.set_defaults(command=run)
    parser.add_argument("model", nargs="?", help=t("cli.model", language))
    parser.add_argument("--base-url", help=t("cli.models_sight_url", language))
    parser.add_argument("--size", type=_size, metavar="WxH", help=t("cli.models_sight_size", language))
    return parser


def run(given: argparse.Namespace, language: Language) -> int:
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
        print("\n".join(_lines(seen, language)))
    return 4 if seen["verdict"] in _UNRELIABLE else 0


def _lines(seen: Measured, language: Language) -> list[str]:
    if seen["reason"]:
        return [t("vision_check.blind", language, reason=seen["reason"][language])]
    lines = [t(f"vision_check.{seen['verdict']}", language), result_text(seen, language)]
    return lines if seen["verdict"] == "well" else [*lines, t("vision_check.answer", language, answer=seen["answer"])]


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdecimal() and height.isdecimal() and 28 <= min(int(width), int(height)) <= 4096):
        raise ConfigError("size_unreadable", given=text)
    return int(width), int(height)
