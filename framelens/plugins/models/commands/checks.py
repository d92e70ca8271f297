"""Commands `framelens models check` and `sight`: checks of a model before it starts, and of its sight.

`check` starts nothing and downloads nothing but the config of a model that is nowhere else; its exit code is 4 if a
finding stops the start. `sight` shows test cards to the model in use; its exit code is 4 if what the model says of a
video is unreliable. Progress goes to standard error.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from framelens import ConfigError, notice_text
from framelens.plugin import language, load, t
from framelens.plugin.command_line import (
    Options,
    ProgressLine,
    argument,
    cancel_on_signals,
    command,
    export_environment,
    finding_lines,
    json_option,
    option,
    print_json,
    use_language,
)
from framelens.plugin.engines import build_engine
from framelens.plugin.files import redact
from framelens.plugin.machine import CheckFinding
from framelens.plugins.models.preflight.run import preflight
from framelens.plugins.models.vision_checks import Measured, check_sight, result_text

_UNRELIABLE = ("poor", "blind")


@command("check", help="cli.models_check")
@argument("model", required=False, metavar="MODEL", help="cli.models_check_name")
@option("--vllm-config", metavar="JSON", help="cli.models_config")
@json_option
def check(options: Options) -> int:
    """Run the preflight checks, print the findings and return the exit code.

    Raises:
        ConfigError: A setting is wrong.
    """
    settings = load()
    use_language(options, settings)
    export_environment(settings)
    if options.model:
        settings = replace(settings, model_path=options.model, model_chosen=True, base_url="")
    arguments = {**settings.vllm_config, **_read(options.vllm_config)} if options.vllm_config else None
    findings = preflight(settings, arguments, asks_hub=True)
    if options.json:
        print_json([document(finding) for finding in findings])
    else:
        print("\n".join(finding_lines(findings)) or t("models.check_well", model=settings.model_path))
    return 4 if any(finding.severity == "stops" for finding in findings) else 0


def document(finding: CheckFinding) -> dict[str, Any]:
    """Convert a finding to JSON; its fix is null if no setting of the engine helps."""
    fix = finding.fix
    return {
        "severity": finding.severity,
        "key": finding.key,
        "text": redact(notice_text(finding.notice)),
        "mend": None
        if fix is None
        else {"set": dict(fix.change), "remove": list(fix.remove), "model": fix.model, "engine": fix.engine},
    }


def _read(text: str) -> dict[str, Any]:
    """Parse any JSON object, since wrong settings in it become findings; raise ConfigError for anything else."""
    try:
        return load({"VLLM_CONFIG": text}, Path("/nowhere")).vllm_config
    except ConfigError as error:
        if error.key in ("setting_not_json", "setting_not_object"):
            raise
        return dict(json.loads(text))


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdecimal() and height.isdecimal() and 28 <= min(int(width), int(height)) <= 4096):
        raise ConfigError("size_unreadable", given=text)
    return int(width), int(height)


@command("sight", help="cli.models_sight")
@argument("model", required=False, metavar="MODEL", help="cli.model")
@option("--base-url", metavar="URL", help="cli.models_sight_url")
@option("--size", type=_size, metavar="WxH", help="cli.models_sight_size")
@json_option
def sight(options: Options) -> int:
    """Start the engine if needed, show the test cards, print the score and return the exit code.

    Raises:
        AppError: The engine can't answer, or the user stopped it.
    """
    settings = load()
    use_language(options, settings)
    if options.model:
        settings = replace(settings, model_path=options.model, model_chosen=True)
    if options.base_url:
        settings = replace(settings, base_url=options.base_url)
    cancel, (engine, _) = cancel_on_signals(), build_engine(settings)
    try:
        with ProgressLine() as line:
            outcome = check_sight(settings, engine, options.size, line.show_phase, cancel)
    finally:
        engine.stop()
    if options.json:
        reason = outcome["reason"] and outcome["reason"][language()]
        print_json({**outcome, "reason": reason})
    else:
        print("\n".join(_vision_lines(outcome)))
    return 4 if outcome["verdict"] in _UNRELIABLE else 0


def _vision_lines(outcome: Measured) -> list[str]:
    if outcome["reason"]:
        return [t("vision_check.blind", reason=outcome["reason"][language()])]
    lines = [t(f"vision_check.{outcome['verdict']}"), result_text(outcome)]
    return lines if outcome["verdict"] == "well" else [*lines, t("vision_check.answer", answer=outcome["answer"])]
