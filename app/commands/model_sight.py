"""`framelens models sight`: shows test cards to the model in use and says whether it sees frames and their order.

The exit code is 4 where what the model says of a video is not to be relied on.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from app import config
from app.commands.common import cancel_on_signals
from app.domain import EngineProgress, Language
from app.i18n import notice_text, t
from app.workbench import build_engine

if TYPE_CHECKING:
    from app.llm.vision_check import Seen

_UNRELIABLE = ("poor", "blind")


def add_parser(
    asks: argparse._SubParsersAction[argparse.ArgumentParser], language: Language
) -> argparse.ArgumentParser:
    """The grammar of this question."""
    parser = asks.add_parser("sight", help=t("cli.models_sight", language))
    parser.set_defaults(command=run)
    parser.add_argument("model", nargs="?", help=t("cli.model", language))
    parser.add_argument("--base-url", help=t("cli.models_sight_url", language))
    parser.add_argument("--size", type=_size, metavar="WxH", help=t("cli.models_sight_size", language))
    return parser


def run(given: argparse.Namespace, language: Language) -> int:
    """Start the engine where needed, ask and score; the exit code. Raises AppErrors."""
    settings = config.load()
    language = given.language or settings.language or language
    if given.model:
        settings = replace(settings, model_path=given.model, model_chosen=True)
    if given.base_url:
        settings = replace(settings, base_url=given.base_url)
    from app.llm.chat import connect  # LangChain, which the grammar does without
    from app.llm.vision_check import SIZE, check_vision

    cancel, (engine, _) = cancel_on_signals(), build_engine(settings)

    def tell(phase: EngineProgress) -> None:
        print(t(f"engine.phase.{phase.phase}", language, **phase.values), file=sys.stderr)

    try:
        endpoint = engine.ensure_ready(tell, cancel)
        chat = connect(
            endpoint.base_url,
            api_key=endpoint.api_key,
            model=endpoint.model,
            timeout_seconds=settings.timeout_seconds,
        )
        seen = check_vision(
            chat,
            size=given.size or SIZE,
            language=language,
            on_progress=lambda key: print(t(f"sight.{key}", language), file=sys.stderr),
            cancel=cancel,
        )
    finally:
        engine.stop()
    if given.json:
        document = asdict(replace(seen, reason=None)) | {"verdict": seen.verdict}
        reason = notice_text(seen.reason, language) if seen.reason else None
        print(json.dumps(document | {"reason": reason}, ensure_ascii=False, indent=2))
    else:
        print("\n".join(_lines(seen, language)))
    return 4 if seen.verdict in _UNRELIABLE else 0


def _lines(seen: Seen, language: Language) -> list[str]:
    if seen.reason:
        return [t("sight.blind", language, reason=notice_text(seen.reason, language))]
    order = t("sight.order_right" if seen.ordered else "sight.order_wrong", language)
    figures = {"shown": seen.shown, "colours": seen.colours, "forms": seen.forms, "digits": seen.digits}
    size = {"width": seen.width, "height": seen.height}
    lines = [t(f"sight.{seen.verdict}", language), t("sight.result", language, order=order, **figures, **size)]
    return lines if seen.verdict == "well" else [*lines, t("sight.answer", language, answer=seen.answer)]


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdecimal() and height.isdecimal() and 28 <= min(int(width), int(height)) <= 4096):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 448x252")
    return int(width), int(height)
